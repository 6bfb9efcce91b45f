"""The README keeps its word: its examples, its output, its commands and its flags."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs import __main__ as front_door
from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.runtime.run import run
from jobs.sinks import sink as sinks
from sources import replay_files
from sources import source as sources
from sources.catalog import BROWSING
from sources.source import Record
from tests import reader
from tests.jobs.runs import said

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
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
    section = README.split(f"### {title}\n")[1].split("\n#")[0]
    flags = re.search(r"`(--window-type[^`]+)`", section)
    assert flags
    events, rows = (table_rows(table) for table in re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE))
    return Example(shlex.split(flags[1]), events, rows)


def table_rows(table: str) -> list[Cells]:
    lines = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines()]
    return lines[2:]


def write_replay(folder: Path, events: list[Cells]) -> None:
    published_at = datetime(2026, 1, 1, 13, tzinfo=UTC)
    for batch in sorted({cells[0] for cells in events}):
        messages = [
            {"event_id": name, "user_id": user, "product_id": product, "event_time": f"{DAY}{time}Z"}
            for of, name, user, product, time in events
            if of == batch
        ]
        records = [
            Record(BROWSING.name, None, json.dumps(message).encode(), None, {}, 0, offset, published_at)
            for offset, message in enumerate(messages)
        ]
        replay_files.write(folder / BROWSING.name / f"{int(batch):04}.jsonl", records)


@pytest.mark.parametrize("title", LATE)
def test_a_worked_example_is_what_the_job_does(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str], title: str
) -> None:
    shown = example(title)
    write_replay(tmp_path / "replay", shown.events)
    places = [f"--checkpoint-root={tmp_path / 'c'}", "--sink=parquet", f"--sink-path={tmp_path / 'rows'}"]
    assert run(ACTIVITY, [*shown.flags, f"--replay-dir={tmp_path / 'replay'}", *places]) == 0
    written = spark.read.parquet(str(tmp_path / "rows")).selectExpr(
        "concat(date_format(window_start, 'HH:mm:ss'), ' to ', date_format(window_end, 'HH:mm:ss'))",
        "key",
        "cast(events as string)",
    )
    assert sorted(cells[:3] for cells in shown.rows) == sorted(tuple(row) for row in written.collect())
    assert said(capsys.readouterr().err)["late"] == LATE[title]


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
    blocks = re.findall(r"```text demo\n(.*?)```", README, re.DOTALL)
    shown = [line for block in blocks for line in block.splitlines()]
    assert len(shown) == 10
    assert [line for line in shown if line not in printed] == []


def test_a_pubsublite_program_runs_as_shown(tmp_path: Path) -> None:
    blocks = re.findall(r"```bash lite\n(.*?)```", README, re.DOTALL)
    # Like the reader's shell except for the folder, which is this test's own.
    script = re.sub(r"(?<!\w)\.pubsublite", str(tmp_path), "\n".join(blocks))
    script = script.replace(".venv/bin/python", shlex.quote(sys.executable))
    ended = "trap 'kill $(jobs -p)' EXIT\nset -e\n"
    ran = subprocess.run(
        ["bash", "-c", ended + script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(r"^stored in partition [01]$", ran.stdout, re.MULTILINE)
    assert "streaming_product_discounts: batch" in ran.stdout
    assert "total_dead=1" in ran.stderr.strip().splitlines()[-1]


def test_the_plan_is_made_as_shown() -> None:
    script = reader.blocks("dataproc")[0].replace(".venv/bin/python", shlex.quote(sys.executable))
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
    ours = re.sub(r"(docker compose|gcloud|bq) [^`\n]*", "", README)
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ours))
    assert named - known == set()


def help_flags(module: str, *command: str) -> set[str]:
    asked = [sys.executable, "-m", module, *command, "--help"]
    paths = {**os.environ, "PYTHONPATH": "docker/pubsublite:docker/dataproc"}
    ran = subprocess.run(asked, cwd=ROOT, env=paths, capture_output=True, text=True, check=True, timeout=120)
    return set(re.findall(r"--[a-z][a-z-]+", ran.stdout))


def test_every_job_source_sink_and_command_is_named() -> None:
    names = [*front_door.modules(), *sources.names(), *sinks.names()]
    assert [name for name in names if f"`{name}`" not in README] == []
    assert [
        name for name in front_door.COMMANDS if f"jobs {name}" not in README and name not in ("demo", "jars")
    ] == []
