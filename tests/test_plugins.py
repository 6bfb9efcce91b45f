"""A new source and a new sink are one file each: these live in tests/plugins, and nothing else knows them."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import sources
from jobs import sinks
from jobs.engine import sink as known_sinks
from jobs.engine.command_line import parse
from jobs.engine.run import run
from jobs.laptop.doctor.command import command as doctor
from jobs.product_activity_windows import JOB as ACTIVITY
from sources import base as known_sources
from sources.catalog import BROWSING
from tests.jobs.engine.test_run import event, replay
from tests.jobs.laptop.promotion.plans import IMAGE, PLACE, planned
from tests.jobs.sinks import test_contract as sink_contract
from tests.sources import test_contract as contract
from tests.support import frames

PLUGINS = Path(__file__).with_name("plugins")
CONTRACT = [name for name in vars(contract) if name.startswith("test_")]
SINK_CONTRACT = [
    name for name in vars(sink_contract) if name.startswith("test_") and "running_totals" not in name
]


@pytest.fixture(autouse=True)
def _plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(PLUGINS / "sources")])
    monkeypatch.setattr(sinks, "__path__", [*sinks.__path__, str(PLUGINS / "sinks")])
    importlib.invalidate_caches()


@pytest.mark.parametrize("name", CONTRACT)
def test_the_source_keeps_the_contract(spark: SparkSession, tmp_path: Path, name: str) -> None:
    source = known_sources.load("ledger")
    options = contract.options_of(source, f"--ledger-dir={tmp_path / 'ledgers'}")
    backend = contract.Backend(source, options)
    publisher = source.publisher(options)
    publisher.publish(contract.MESSAGES, lambda _, failure: None)
    publisher.close()
    given = {"backend": backend, "spark": spark, "tmp_path": tmp_path / "checkpoint"}
    check: Callable[..., None] = getattr(contract, name)
    check(**{parameter: given[parameter] for parameter in inspect.signature(check).parameters})


@pytest.mark.parametrize("name", SINK_CONTRACT)
def test_the_sink_keeps_the_contract(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    sink, lines = known_sinks.load("lines"), tmp_path / "lines"
    (tmp_path / "file").touch()
    place: Any = sink.OPTIONS
    options, unusable = (place(sink_lines=str(path)) for path in (lines, tmp_path / "file" / "lines"))

    def rows() -> list[Any]:
        return frames.rows(spark.read.schema(sink_contract.COLUMNS).json(str(lines)).drop("batch"))

    given = {
        "spark": spark,
        "name": "lines",
        "place": sink_contract.Place(options, rows, unusable),
        "opened": lambda results: sink.open_sink(spark, options, results),
        "capsys": capsys,
    }
    check: Callable[..., None] = getattr(sink_contract, name)
    check(**{parameter: given[parameter] for parameter in inspect.signature(check).parameters})


def test_both_are_in_the_registries_and_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert known_sources.names() == ["kafka", "ledger", "pubsublite", "replay"]
    assert known_sinks.names() == ["bigquery", "console", "delta", "kafka", "lines", "parquet"]
    with pytest.raises(SystemExit):
        parse(ACTIVITY, ["--help"])
    told = capsys.readouterr().out
    assert "directory of the ledgers (default: ledgers; env" in " ".join(told.split())
    assert "--sink-lines" in told


def test_a_job_runs_from_the_one_into_the_other_and_the_doctor_finds_no_fault_in_them(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledgers = replay(tmp_path, BROWSING, [event("a", 0)], [event("b", 2)])
    flags = [f"--ledger-dir={ledgers.partition('=')[2]}", f"--checkpoint-root={tmp_path / 'checkpoints'}"]
    lines = tmp_path / "lines"
    assert run(ACTIVITY, [*flags, "--source=ledger", "--sink=lines", f"--sink-lines={lines}"]) == 0
    written = [
        json.loads(line) for file in lines.glob("batch=*/*.json") for line in file.read_text().splitlines()
    ]
    assert [(row["key"], row["events"]) for row in written] == [("mug", 1)]
    capsys.readouterr()
    doctor([f"--checkpoint-root={tmp_path / 'checkpoints'}", "--kafka-bootstrap-servers=127.0.0.1:1"])
    told = capsys.readouterr().out
    assert "faults: " in told
    assert "ledger" not in told


def test_a_plan_knows_what_they_say_of_themselves(tmp_path: Path) -> None:
    places = ("--source=ledger", "--sink=lines", "--sink-lines=gs://b/lines")
    made = planned(tmp_path, *PLACE, IMAGE, *places, "--project-number=1", "--trigger=continuous-batches")
    assert [str(finding) for finding in made.findings] == [
        "warning: --ledger-dir gs://my-bucket/twinstream/ledgers: an invented service; "
        "remedy: another --source"
    ]
    steps = [step for section in made.sections for step in section.steps]
    assert any("ledger.googleapis.com" in step.command for step in steps)
    created: list[Any] = [step.command for step in steps if step.command[1] == "ledgers"]
    assert [command[:4] for command in created] == [("gcloud", "ledgers", "create", "product-stream")]
    assert made.promotion.invocation.source.options.ledger_dir == "gs://my-bucket/twinstream/ledgers"


def test_a_plan_says_what_the_sink_lacks(tmp_path: Path) -> None:
    made = planned(tmp_path, *PLACE, IMAGE, "--source=ledger", "--sink=lines")
    (found,) = [str(finding) for finding in made.findings if finding.kind == "refused"]
    assert found == (
        "refused: --sink-lines: not given; --sink lines needs it; "
        "remedy: --sink-lines gs://my-bucket/twinstream/lines"
    )
