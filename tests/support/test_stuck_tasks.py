"""The report of a test that Spark keeps waiting."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from threading import Thread

from pyspark.sql import SparkSession

from tests.dataproc.gcloud import eventually
from tests.support import stuck_tasks


def test_a_task_that_waits_is_shown_with_what_it_waits_for(spark: SparkSession, tmp_path: Path) -> None:
    shown = tmp_path / "shown"

    def wait(rows: Iterable[int]) -> Iterable[int]:
        eventually(shown.exists, 60)
        return rows

    waiting = Thread(target=spark.sparkContext.parallelize([1], 1).mapPartitions(wait).collect)
    waiting.start()
    try:
        eventually(lambda: any("PythonRunner" in line for line in stuck_tasks.stacks(spark)), 50)
        lines = stuck_tasks.in_time(
            spark
        )  # idle threads among them, which keep the names of their last tasks
        assert any(line.startswith("Executor task launch worker for task 0") for line in lines)
        assert any(line.startswith("  ") and "PythonRunner" in line for line in lines)
    finally:
        shown.touch()
        waiting.join()
