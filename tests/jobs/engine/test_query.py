"""A query on its own: how it ends, and that it stops between two batches."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession

from jobs.engine.checkpoint import Checkpoint
from jobs.engine.command_line import Invocation, parse
from jobs.engine.executed_batch import counted
from jobs.engine.query import Query
from jobs.engine.run import run
from jobs.engine.sink import SinkError, Write
from jobs.product_activity_windows import JOB
from jobs.sinks import console
from sources.catalog import BROWSING
from tests.jobs.engine.test_run import event, replay

INVOCATION = parse(JOB, ["--trigger=available-now"])


@pytest.fixture
def output(spark: SparkSession, tmp_path: Path) -> DataFrame:
    """Return a job's output in two batches of a row each."""
    for number in range(2):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{number}.txt").write_text(f"{number}\n")
    lines = spark.readStream.option("maxFilesPerTrigger", 1).text(str(tmp_path / "in"))
    return counted(lines)


@pytest.fixture
def query(spark: SparkSession, tmp_path: Path) -> Iterator[Callable[..., Query]]:
    """Yield a function that makes a query from the function that writes its batches, and an invocation."""
    made: list[Query] = []

    def make(write: Write, invocation: Invocation = INVOCATION) -> Query:
        checkpoint = Checkpoint(str(tmp_path / "checkpoint"), "application", True, "RESET")
        made.append(Query(invocation, checkpoint, write, str(tmp_path / "dead")))
        spark.streams.addListener(made[-1].progress)
        return made[-1]

    yield make
    for one in made:
        spark.streams.removeListener(one.progress)


@pytest.mark.parametrize(("sink", "jobs"), [("kafka", 2), ("parquet", 4)])
def test_a_batch_for_a_sink_that_takes_empty_ones_is_one_spark_job(
    spark: SparkSession, output: DataFrame, query: Callable[..., Query], sink: str, jobs: int
) -> None:
    """Each of the two batches is written by one job; any other is the one that computes it before."""
    written: list[int] = []
    made = query(
        lambda rows, _: written.append(len(rows.collect())),
        parse(JOB, ["--trigger=available-now", f"--sink={sink}"]),
    )
    before = started(spark)
    made.run(output, lambda: False)
    assert written == [1, 1]
    assert started(spark) - before == jobs


def started(spark: SparkSession) -> int:
    """Return how many Spark jobs this session has started."""
    context: Any = spark.sparkContext
    return int(context._jsc.sc().dagScheduler().numTotalJobs())


def commits(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "checkpoint" / "commits").glob("[0-9]*"))


def test_a_stop_lets_the_running_batch_finish_and_begins_no_other(
    output: DataFrame, query: Callable[[Write], Query], tmp_path: Path
) -> None:
    written: list[int] = []
    writes, reloads = Event(), Event()

    def changed() -> bool:
        reloads.set() if writes.is_set() else None
        return writes.is_set()

    def write(rows: DataFrame, batch: int) -> None:
        writes.set()
        assert reloads.wait(60)
        stopped.stop()
        written.append(rows.count())

    stopped = query(write)
    assert stopped.run(output, changed) is False  # a table that has changed in the meantime starts nothing
    assert (written, commits(tmp_path)) == ([1], ["0"])
    assert stopped.progress.totals.batches == 1


def test_an_error_of_the_batch_that_a_stop_waits_for_is_raised(
    output: DataFrame, query: Callable[[Write], Query], tmp_path: Path
) -> None:
    def write(rows: DataFrame, batch: int) -> None:
        failing.stop()
        raise ZeroDivisionError("the sink's")

    failing = query(write)
    with pytest.raises(StreamingQueryException, match="ZeroDivisionError: the sink's"):
        failing.run(output, lambda: False)
    assert commits(tmp_path) == []


def test_a_fault_of_the_sink_is_raised_as_it_is(
    output: DataFrame, query: Callable[[Write], Query], tmp_path: Path
) -> None:
    def write(rows: DataFrame, batch: int) -> None:
        raise SinkError("--sink-path a: full", expected="room", remedy="make some")

    with pytest.raises(SinkError, match=r"^--sink-path a: full; expected room; remedy: make some$"):
        query(write).run(output, lambda: False)
    assert commits(tmp_path) == []


def test_a_changed_table_ends_it_between_batches_and_it_goes_on(
    spark: SparkSession, output: DataFrame, query: Callable[[Write], Query], tmp_path: Path
) -> None:
    batches: list[int] = []
    java: Any = spark._jsc
    kept = java.getPersistentRDDs().size()
    reloading = query(lambda rows, batch: batches.append(batch))
    assert reloading.run(output, lambda: True) is True
    assert reloading.run(output, lambda: False) is False
    assert (batches, commits(tmp_path)) == ([0, 1], ["0", "1"])
    assert reloading.progress.totals.batches == 2
    assert java.getPersistentRDDs().size() == kept


def test_ctrl_c_cuts_no_batch(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_sink = console.open_sink

    def interrupted(*of: Any) -> Write:
        write = open_sink(*of)

        def write_after_ctrl_c(rows: DataFrame, batch: int) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            write(rows, batch)

        return write_after_ctrl_c

    monkeypatch.setattr(console, "open_sink", interrupted)
    before = signal.getsignal(signal.SIGINT)
    files = replay(tmp_path, BROWSING, [event("a", 0)], [event("b", 2)])
    assert run(JOB, [files, f"--checkpoint-root={tmp_path / 'checkpoints'}", "--output-mode=update"]) == 0
    assert "total_batches=1 total_in=1 total_out=1 " in capsys.readouterr().err.splitlines()[-1]
    assert signal.getsignal(signal.SIGINT) is before
