"""The Delta sink's upsert by itself."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.sinks import delta
from jobs.sinks.sink import Results
from tests.jobs import frames

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUNNING = Results("job", "application", ("window_start", "product_id"), ("window_start",), True, True)


def frame(spark: SparkSession, *rows: tuple[str | None, int]) -> DataFrame:
    """Cached and computed, as a batch's rows are when they come to a sink."""
    schema = "window_start timestamp, product_id string, events long"
    cached = spark.createDataFrame([(NOON, *row) for row in rows], schema).persist()
    cached.count()
    return cached


def test_an_upsert_replaces_the_rows_of_its_keys_and_compiles_nothing(
    spark: SparkSession, tmp_path: Path
) -> None:
    options = Namespace(sink_path=str(tmp_path / "rows"))
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
