"""The Parquet sink on its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.engine.sink import PathOptions, Results, SinkError
from jobs.sinks import parquet

RESULTS = Results("job", "application", ("id",), ("id",), False, True)


@pytest.mark.parametrize("name", ["a[b]", "a{b,c}", "a*", "back`tick"])
def test_any_path_will_do_and_a_batch_that_comes_again_replaces_its_rows(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    options = PathOptions(sink_path=str(tmp_path / name))
    assert parquet.written(spark, options) is None
    write = parquet.open_sink(spark, options, RESULTS)
    write(spark.range(3), 0)
    write(spark.range(2), 0)
    rows = parquet.written(spark, options)
    assert rows is not None
    assert sorted(row.id for row in rows.collect()) == [0, 1]


def test_a_batch_that_a_kill_has_left_half_written_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "batch=0" / "_temporary").mkdir(parents=True)
    with pytest.raises(SinkError, match=r"batch=0: half written; expected a whole batch; remedy: "):
        parquet.written(spark, PathOptions(sink_path=str(tmp_path)))
