"""`--windows-after`: a run on another source continues in the same table and writes no window twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.engine.run import run
from jobs.product_activity_windows import JOB as ACTIVITY
from sources.catalog import BROWSING
from tests.jobs.engine.test_run import event, replay

pytestmark = pytest.mark.slow
FIRST = [[event("a", 0), event("b", 1)], [event("c", 3)]]
SECOND = [[event("b", 1), event("c", 3), event("d", 3.5)], [event("e", 6)]]
"""Minutes 0 and 1 are final in the first run; the second starts over in minute 1, and 1 and 3 are final."""


def flags(folder: Path, name: str, batches: list[list[bytes]]) -> list[str]:
    return [
        replay(folder / name, BROWSING, *batches),
        *(f"--checkpoint-root={folder / name / 'checkpoints'}", "--watermark=1 second"),
        *("--sink=delta", f"--sink-path={folder / 'rows'}"),
    ]


def written(spark: SparkSession, folder: Path) -> list[tuple[str, int]]:
    rows = spark.read.format("delta").load(str(folder / "rows"))
    return sorted(
        tuple(row) for row in rows.selectExpr("date_format(window_start, 'HH:mm')", "events").collect()
    )


def test_the_second_run_writes_what_the_first_has_not(spark: SparkSession, tmp_path: Path) -> None:
    assert run(ACTIVITY, flags(tmp_path, "first", FIRST)) == 0
    assert written(spark, tmp_path) == [("12:00", 1), ("12:01", 1)]
    after = "--windows-after=2026-01-01T12:02:00Z"
    assert run(ACTIVITY, [*flags(tmp_path, "second", SECOND), after]) == 0
    assert written(spark, tmp_path) == [("12:00", 1), ("12:01", 1), ("12:03", 2)]


@pytest.mark.parametrize("given", [["--windows-after=2026-01-01T12:01:00Z"], []])
def test_a_window_that_is_there_is_not_written_again(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str]
) -> None:
    assert run(ACTIVITY, flags(tmp_path, "first", FIRST)) == 0
    assert run(ACTIVITY, [*flags(tmp_path, "second", SECOND), *given]) == 1
    refusal = "holds windows up to 2026-01-01T12:02:00Z, and this run" if given else "already holds rows"
    assert refusal in capsys.readouterr().err
    assert written(spark, tmp_path) == [("12:00", 1), ("12:01", 1)]


def test_a_restart_without_it_is_refused(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = flags(tmp_path, "second", SECOND)
    assert run(ACTIVITY, [*command, "--windows-after=2026-01-01T12:02:00Z"]) == 0
    assert run(ACTIVITY, command) == 1
    assert "--windows-after was 2026-01-01T12:02:00Z, now not set" in capsys.readouterr().err
