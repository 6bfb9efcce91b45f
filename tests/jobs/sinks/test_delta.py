"""The Delta sink on its own: what it writes, and what a killed write leaves for the next one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.engine.sink import PathOptions, Results, SinkError
from jobs.sinks import delta, delta_rs
from tests.support import frames

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUNNING = Results("job", "application", ("window_start", "product_id"), ("window_start",), True, True)


def frame(spark: SparkSession, *rows: tuple[str | None, int]) -> DataFrame:
    """Return a frame that is cached and computed, as a batch's rows are when they reach a sink."""
    schema = "window_start timestamp, product_id string, events long"
    cached = spark.createDataFrame([(NOON, *row) for row in rows], schema).persist()
    cached.count()
    return cached


@pytest.fixture(
    params=[
        "delta-rs",
        *(pytest.param(it, marks=pytest.mark.slow) for it in ("Spark", "too large for delta-rs")),
    ]
)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose the library that works on the table: the rows must be the same."""
    if request.param == "Spark":
        monkeypatch.setitem(sys.modules, "deltalake", None)
    if request.param == "too large for delta-rs":
        monkeypatch.setattr(delta_rs, "LARGEST", 1)


@contextmanager
def no_history(monkeypatch: pytest.MonkeyPatch, spark: SparkSession) -> Iterator[None]:
    """Allow a version of a new table to be deleted as soon as it is not the newest."""
    monkeypatch.setattr(delta_rs, "RETENTION", timedelta(0))
    names = [name for name in delta.SETTINGS if "RetentionDuration" in name]
    for name in names:
        spark.conf.set(name, "interval 0 seconds")
    yield
    for name in names:
        spark.conf.set(name, delta.SETTINGS[name])


@pytest.mark.usefixtures("engine")
def test_an_upsert_replaces_the_rows_of_its_keys_and_compiles_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    options = PathOptions(sink_path=str(tmp_path / "rows"))
    write = delta.open_sink(spark, options, RUNNING)
    write(frame(spark, ("mug", 1), ("cup", 1), (None, 1)), 0)
    write(frame(spark, ("mug", 2), ("pot", 1)), 1)
    changed = frame(spark, ("mug", 3), (None, 2))
    java: Any = spark._jvm
    compiled = java.org.apache.spark.metrics.source.CodegenMetrics.METRIC_COMPILATION_TIME()
    before = compiled.getCount()
    write(changed, 2)
    assert compiled.getCount() == before
    assert spark.conf.get("spark.sql.codegen.wholeStage") == "true"
    rows = delta.written(spark, options)
    assert rows is not None
    assert frames.rows(rows) == [(NOON, "cup", 1), (NOON, "mug", 3), (NOON, "pot", 1), (NOON, None, 2)]


@pytest.mark.parametrize("engine", ["delta-rs", pytest.param("Spark", marks=pytest.mark.slow)], indirect=True)
@pytest.mark.parametrize("upsert", [True, False])
@pytest.mark.usefixtures("engine")
def test_a_table_stays_small_and_a_batch_that_comes_again_after_that_counts_once(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upsert: bool
) -> None:
    monkeypatch.setattr(delta, "TIDY_EVERY", 4)
    options = PathOptions(sink_path=str(tmp_path / "rows"))
    with no_history(monkeypatch, spark):
        write = delta.open_sink(spark, options, replace(RUNNING, upsert=upsert))
        for batch in range(4):
            write(frame(spark, (f"mug{batch % 2 if upsert else batch}", batch)), batch)
    assert len(list((tmp_path / "rows").glob("*.parquet"))) == 1
    write(frame(spark, (f"mug{1 if upsert else 3}", 3)), 3)
    rows = delta.written(spark, options)
    assert rows is not None
    every = [(NOON, f"mug{batch}", batch) for batch in range(4)]
    assert frames.rows(rows) == ([(NOON, "mug0", 2), (NOON, "mug1", 3)] if upsert else every)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["delta-rs", "Spark"], indirect=True)
@pytest.mark.usefixtures("engine")
def test_the_log_begins_with_the_last_checkpoint_before_the_retention(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Backdate the log up to the first checkpoint: the next one is too young to begin with."""
    monkeypatch.setattr(delta, "TIDY_EVERY", 12)
    options = PathOptions(sink_path=str(tmp_path / "rows"))
    log = tmp_path / "rows" / "_delta_log"
    write = delta.open_sink(spark, options, RUNNING)
    for batch in range(24):
        if batch == 12:
            (checkpoint,) = log.glob("*.checkpoint.parquet")
            begins = int(checkpoint.name[:20])
            for file in log.glob("0*"):
                os.utime(file, times=(time.time() - 3601, time.time() - 3601))
        write(frame(spark, ("mug", batch)), batch)
    left = [int(file.name[:20]) for file in log.glob("*.json") if file.name[:20].isdecimal()]
    assert min(left) == begins
    rows = delta.written(spark, options)
    assert rows is not None
    assert frames.rows(rows) == [(NOON, "mug", 23)]
    old = spark.read.format("delta").option("versionAsOf", begins).load(options.sink_path)
    ((_, name, events),) = frames.rows(old)
    assert name == "mug"
    assert 0 < events < 12


def nothing(table: Path) -> None:
    """Leave nothing: killed before the write."""


def a_folder(table: Path) -> None:
    table.mkdir()


def data_without_a_log(table: Path) -> None:
    """Leave Spark's own file and its checksum: killed before the commit."""
    table.mkdir()
    (table / "part-00000-0b5f8a5e-8a3c-4a3b-9f0e-1c5d1d3f7a11-c000.snappy.parquet").write_bytes(b"PAR1")
    (table / ".part-00000-0b5f8a5e-8a3c-4a3b-9f0e-1c5d1d3f7a11-c000.snappy.parquet.crc").write_bytes(b"crc")


def an_empty_log(table: Path) -> None:
    data_without_a_log(table)
    (table / "_delta_log").mkdir()


def a_commit_not_yet_renamed(table: Path) -> None:
    an_empty_log(table)
    (table / "_delta_log" / ".00000000000000000000.json.9d2e.tmp").write_text("{")


STEPS = (nothing, a_folder, data_without_a_log, an_empty_log, a_commit_not_yet_renamed)


@pytest.mark.parametrize("killed", STEPS)
@pytest.mark.parametrize("upsert", [True, False])
def test_a_kill_while_the_table_is_made_leaves_no_table(
    spark: SparkSession, tmp_path: Path, killed: Callable[[Path], None], upsert: bool
) -> None:
    """Cover a run that continues from its checkpoint, and one whose checkpoint was reset and so is fresh."""
    killed(tmp_path / "rows")
    options = PathOptions(sink_path=str(tmp_path / "rows"))
    assert delta.written(spark, options) is None
    delta.open_sink(spark, options, replace(RUNNING, upsert=upsert, fresh=True))
    write = delta.open_sink(spark, options, replace(RUNNING, upsert=upsert, fresh=False))
    write(frame(spark, ("mug", 1)), 0)
    write(frame(spark, ("mug", 1)), 0)
    write(frame(spark, ("cup", 2)), 1)
    rows = delta.written(spark, options)
    assert rows is not None
    assert frames.rows(rows) == [(NOON, "cup", 2), (NOON, "mug", 1)]


def test_the_first_batch_again_after_the_table_was_made_counts_once(
    spark: SparkSession, tmp_path: Path
) -> None:
    """Another process takes up the batch after a kill between the table's commit and the checkpoint's."""
    options = PathOptions(sink_path=str(tmp_path / "rows"))
    for write in (delta.open_sink(spark, options, replace(RUNNING, fresh=fresh)) for fresh in (True, False)):
        write(frame(spark, ("mug", 1), ("cup", 1)), 0)
    rows = delta.written(spark, options)
    assert rows is not None
    assert frames.rows(rows) == [(NOON, "cup", 1), (NOON, "mug", 1)]


@pytest.mark.parametrize("name", ["holiday.jpg", "batch=0", "_delta_log.txt"])
def test_a_folder_with_other_files_is_no_place_for_a_table(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(SinkError, match="already holds rows, but the checkpoint is new"):
        delta.open_sink(spark, PathOptions(sink_path=str(tmp_path)), RUNNING)


@pytest.mark.parametrize("upsert", [True, False])
def test_a_table_of_other_columns_is_refused_with_both(
    spark: SparkSession, tmp_path: Path, upsert: bool
) -> None:
    spark.range(1).selectExpr("id as events", "'x' as colour").write.format("delta").save(f"{tmp_path}/rows")
    options = PathOptions(sink_path=f"{tmp_path}/rows")
    write = delta.open_sink(spark, options, replace(RUNNING, upsert=upsert, fresh=False))
    said = (
        "/rows: a table with the columns colour string; expected the columns window_start timestamp, "
        "product_id string; remedy: "
    )
    with pytest.raises(SinkError, match=said):
        write(frame(spark, ("mug", 1)), 0)


def test_a_torn_log_is_refused_in_one_line(spark: SparkSession, tmp_path: Path) -> None:
    an_empty_log(tmp_path / "rows")
    (tmp_path / "rows" / "_delta_log" / "00000000000000000000.json").write_text("")
    options = PathOptions(sink_path=f"{tmp_path}/rows")
    with pytest.raises(
        SinkError, match=r"the table's log cannot be read \(.*\); expected .*; remedy: "
    ) as said:
        delta.open_sink(spark, options, RUNNING)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("name", ["back`tick", "a[b]", "a{b,c}", "blank ä"])
def test_any_path_will_do(spark: SparkSession, tmp_path: Path, name: str) -> None:
    options = PathOptions(sink_path=str(tmp_path / name))
    write = delta.open_sink(spark, options, RUNNING)
    write(frame(spark, ("mug", 1)), 0)
    write(frame(spark, ("mug", 2)), 1)
    rows = delta.written(spark, options)
    assert rows is not None
    assert frames.rows(rows) == [(NOON, "mug", 2)]
