"""The documents keep their word: their examples, their output, their commands and their flags."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
from pyspark.sql import SparkSession

from jobs.engine import sink as sinks
from jobs.engine.job import Job
from jobs.engine.run import run
from jobs.laptop import commands as front_door
from jobs.product_activity_windows import JOB as ACTIVITY
from sources import base as sources
from sources.base import Record
from sources.catalog import BROWSING, PURCHASE, Stream
from sources.replay import files as replay_files
from tests.support import reader
from tests.support.runs import said

ROOT = Path(__file__).parents[1]
DAY = "2026-01-01T"
LATE = {"Tumbling": 0, "Sliding": 0, "Session": 0, "Watermark": 1}

Cells = tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """A worked example: flags, then a table of events and one of rows."""

    flags: list[str]
    events: list[Cells]
    rows: list[Cells]


def example(title: str) -> Example:
    section = reader.TEXT.split(f"### {title}\n")[1].split("\n#")[0]
    flags = re.search(r"`(--window-type[^`]+)`", section)
    assert flags
    events, rows = (table_rows(table) for table in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE))
    return Example(shlex.split(flags[1]), events, rows)


def table_rows(table: str) -> list[Cells]:
    lines = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines()]
    return lines[2:]


def write_replay(folder: Path, stream: Stream, events: list[Cells], **more: object) -> None:
    """Write the events, all with the same `more` fields, one file per batch."""
    published_at = datetime(2026, 1, 1, 13, tzinfo=UTC)
    for batch in sorted({cells[0] for cells in events}):
        messages = [
            {"event_id": name, "user_id": user, "product_id": product, "event_time": f"{DAY}{time}Z", **more}
            for of, name, user, product, time in events
            if of == batch
        ]
        records = [
            Record(stream.name, None, json.dumps(message).encode(), None, {}, 0, offset, published_at)
            for offset, message in enumerate(messages)
        ]
        replay_files.write(folder / stream.name / f"{int(batch):04}.jsonl", records)


@pytest.mark.parametrize("title", LATE)
def test_a_worked_example_is_what_the_job_does(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str], title: str
) -> None:
    shown = example(title)
    write_replay(tmp_path / "replay", BROWSING, shown.events)
    places = [f"--checkpoint-root={tmp_path / 'c'}", "--sink=parquet", f"--sink-path={tmp_path / 'rows'}"]
    assert run(ACTIVITY, [*shown.flags, f"--replay-dir={tmp_path / 'replay'}", *places]) == 0
    written = spark.read.parquet(str(tmp_path / "rows")).selectExpr(
        "concat(date_format(window_start, 'HH:mm:ss'), ' to ', date_format(window_end, 'HH:mm:ss'))",
        "key",
        "cast(events as string)",
    )
    assert sorted(cells[:3] for cells in shown.rows) == sorted(tuple(row) for row in written.collect())
    assert said(capsys.readouterr().err)["late"] == LATE[title]


def test_the_example_of_a_job_runs(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Cells] = [
        ("1", "a", "ann", "mug", "12:00:10"),
        ("1", "b", "ann", "cup", "12:00:50"),
        ("1", "c", "bob", "mug", "12:01:00"),
        ("2", "d", "ann", "mug", "12:03:00"),
    ]
    write_replay(tmp_path / "replay", PURCHASE, events, quantity=2, unit_price="1.00")
    (shown,) = reader.blocks("job", "python")
    module = ModuleType("units_per_user")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where a dataclass looks itself up
    exec(shown, vars(module))
    places = [f"--checkpoint-root={tmp_path / 'c'}", "--sink=parquet", f"--sink-path={tmp_path / 'rows'}"]
    assert module.main([f"--replay-dir={tmp_path / 'replay'}", "--window=1 minute", *places]) == 0
    written = spark.read.parquet(str(tmp_path / "rows"))
    rows = written.selectExpr("date_format(window_start, 'HH:mm:ss')", "user_id", "units").collect()
    assert sorted(map(tuple, rows)) == [("12:00:00", "ann", 4), ("12:01:00", "bob", 2)]


def test_every_field_of_a_job_is_explained() -> None:
    assert list(reader.table("field of a job")) == [field.name for field in fields(Job)]


@pytest.mark.parametrize(("kind", "interface"), [("source", sources.Source), ("sink", sinks.Sink)])
def test_every_member_of_a_source_and_of_a_sink_is_explained(kind: str, interface: type[object]) -> None:
    members = {*interface.__annotations__, *(name for name in vars(interface) if not name.startswith("_"))}
    assert reader.table(f"member of a {kind}").keys() == members


def test_the_demo_prints_what_is_shown() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "jobs", "demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    printed = {re.sub(r"^time=\S+", "time=…", line) for line in (ran.stdout + ran.stderr).splitlines()}
    shown = [line for block in reader.blocks("demo", "text") for line in block.splitlines()]
    assert len(shown) == 10
    assert [line for line in shown if line not in printed] == []


@pytest.mark.slow
def test_a_pubsublite_program_runs_as_shown(tmp_path: Path) -> None:
    # Like the reader's shell except for the folder, which is this test's own.
    script = re.sub(r"(?<!\w)\.pubsublite", str(tmp_path), "\n".join(reader.blocks("lite")))
    script = script.replace(".venv/bin/", f"{shlex.quote(str(Path(sys.executable).parent))}/")
    ended = "trap 'kill $(jobs -p)' EXIT\nset -e\n"
    ran = subprocess.run(
        ["bash", "-c", ended + script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^stored in partition [01]$", ran.stdout, re.MULTILINE)
    assert "streaming_product_discounts: batch" in ran.stdout
    assert "total_dead=1" in ran.stderr.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.needs("gcloud")
@pytest.mark.needs("python3.12")
@pytest.mark.timeout(900)
def test_a_local_dataproc_runs_a_job_on_both_images_as_shown(tmp_path: Path) -> None:
    start, submit, modern = reader.blocks("dataproc-alone")
    with reader.Shell(tmp_path) as shell:
        assert re.search(r"^spark-streaming\s", shell.type(start), re.MULTILINE)
        assert "counted 100" in shell.type(submit).splitlines()
        assert "counted 100" in shell.type(modern, 600).splitlines()


def test_the_plan_is_made_as_shown() -> None:
    programs = f"{shlex.quote(str(Path(sys.executable).parent))}/"
    script = reader.blocks("dataproc")[0].replace(".venv/bin/", programs)
    ran = subprocess.run(
        ["bash", "-ec", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    assert "gcloud dataproc jobs submit pyspark" in ran.stdout


def test_every_flag_that_is_named_exists() -> None:
    known = set().union(*(help_flags("jobs", "run", name) for name in front_door.modules()))
    known |= help_flags("jobs", "plan", "streaming_product_discounts")
    known |= help_flags("jobs", "submit", "streaming_product_discounts")
    known |= help_flags("jobs", "cutover", "streaming_product_discounts")
    known |= help_flags("jobs", "dead-letters", "export") | help_flags("jobs", "dead-letters", "resend")
    known |= help_flags("jobs", "package") | help_flags("dataproc_emulator", "serve")
    known |= help_flags("dataproc_emulator", "env")
    known |= (
        help_flags("pubsublite_emulator", "serve")
        | help_flags("pubsublite_emulator", "env")
        | help_flags("jobs", "reset")
        | help_flags("jobs", "cutover", "streaming_product_discounts")
        | help_flags("sources", "publish")
        | help_flags("sources", "record")
    )
    ours = re.sub(r"(docker compose|gcloud|bq) (?:\\\n|[^`\n])*", "", reader.TEXT)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ours))
    assert named - known == set()


def help_flags(module: str, *command: str) -> set[str]:
    asked = [sys.executable, "-m", module, *command, "--help"]
    ran = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return set(re.findall(r"--[a-z][a-z-]+", ran.stdout))


def test_every_document_is_in_the_table_of_contents_and_read_here() -> None:
    rooms = ("data", "docker", "jobs", "notebooks", "sources")
    found = [str(file.relative_to(ROOT)) for room in rooms for file in (ROOT / room).rglob("README.md")]
    beside = [str(Path(name).with_name("CLIENTS.md")) for name in found]
    pages = [name for name in beside if (ROOT / name).exists()]
    assert sorted(reader.DOCUMENTS) == sorted(["README.md", *found, *pages])
    contents = (ROOT / "README.md").read_text()
    assert [name for name in found if f"]({name})" not in contents] == []


def test_every_job_source_sink_and_command_is_named() -> None:
    names = [*front_door.modules(), *sources.names(), *sinks.names()]
    assert [name for name in names if f"`{name}`" not in reader.TEXT] == []
    named = reader.TEXT
    commands = [name for name in front_door.COMMANDS if name != "demo"]
    assert [one for one in commands if not re.search(rf"\b(jobs|twinstream) {one}\b", named)] == []
