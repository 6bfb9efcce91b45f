"""The BigQuery sink: Google's unmodified connector and client against a stand-in for the service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from jobs.engine import command_line
from jobs.engine.run import run
from jobs.engine.sink import Results, SinkError, newest_window
from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.sinks import bigquery
from jobs.sinks.bigquery import TableOptions
from jobs.sinks.bigquery_table import BigQueryTable
from pubsublite_emulator import Emulator
from sources.catalog import BROWSING
from tests.bigquery.service import BigQuery
from tests.jobs.engine.test_run import event, replay
from tests.support import frames

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NAME = "insights.rows"
OPTIONS = TableOptions(sink_table=NAME)
FINAL = Results("job", "application", ("window_start", "product_id"), ("window_start",), False, True)
COLUMNS = (
    "window_start timestamp, window_end timestamp, product_id string, units bigint, revenue decimal(18,2),"
    " rank int"
)
Row = tuple[Any, ...]


@pytest.fixture
def service(spark: SparkSession) -> Iterator[BigQuery]:
    with Emulator() as lite, BigQuery(lite.files).running() as (service, settings):
        names = {f"spark.datasource.bigquery.{name}": value for name, value in settings.items()}
        for name, value in names.items():
            spark.conf.set(name, value)
        yield service
        for name in names:
            spark.conf.unset(name)


def row(minute: int, product: str, units: int, revenue: str = "1.25", rank: int | None = 1) -> Row:
    start = NOON + minute * MINUTE
    return (start, start + MINUTE, product, units, Decimal(revenue), rank)


def frame(spark: SparkSession, *rows: Row) -> DataFrame:
    return spark.createDataFrame(list(rows), COLUMNS)


def test_a_batch_that_comes_again_counts_once(spark: SparkSession, service: BigQuery) -> None:
    write = bigquery.open_sink(spark, OPTIONS, FINAL)
    first, second = [row(0, "mug", 2), row(0, "cup", 1, "0.10", None)], [row(1, "mug", 3)]
    write(frame(spark, *first), 1)
    write(frame(spark, *second), 2)
    write(frame(spark, *second), 2)
    assert service.rows(NAME) == [
        (NOON, NOON + MINUTE, "cup", 1, Decimal("0.10"), None),
        (NOON, NOON + MINUTE, "mug", 2, Decimal("1.25"), 1),
        (NOON + MINUTE, NOON + 2 * MINUTE, "mug", 3, Decimal("1.25"), 1),
    ]


def test_running_totals_take_the_place_of_older_ones(spark: SparkSession, service: BigQuery) -> None:
    write = bigquery.open_sink(spark, OPTIONS, replace(FINAL, upsert=True))
    write(frame(spark, row(0, "mug", 1), row(0, "cup", 5), row(1, "mug", 7)), 1)
    write(frame(spark, row(0, "mug", 2, "2.50"), row(2, "mug", 1)), 2)
    assert service.rows(NAME) == [
        (NOON, NOON + MINUTE, "cup", 5, Decimal("1.25"), 1),
        (NOON, NOON + MINUTE, "mug", 2, Decimal("2.50"), 1),
        (NOON + MINUTE, NOON + 2 * MINUTE, "mug", 7, Decimal("1.25"), 1),
        (NOON + 2 * MINUTE, NOON + 3 * MINUTE, "mug", 1, Decimal("1.25"), 1),
    ]


@pytest.mark.slow
def test_a_batch_that_broke_off_anywhere_is_whole_when_it_comes_again(
    spark: SparkSession, service: BigQuery
) -> None:
    bigquery.open_sink(spark, OPTIONS, FINAL)(frame(spark, row(0, "mug", 1)), 0)
    for minute, call in enumerate(("write", "queries", "tables.delete"), 1):
        write = bigquery.open_sink(spark, OPTIONS, replace(FINAL, fresh=False))
        service.faults.fail_next(call, "FAILED_PRECONDITION", "as after a crash")
        with pytest.raises((SinkError, Py4JJavaError), match="as after a crash"):
            write(frame(spark, row(minute, "mug", minute)), minute)
        again = bigquery.open_sink(spark, OPTIONS, replace(FINAL, fresh=False))
        again(frame(spark, row(minute, "mug", minute)), minute)
    assert [(start, units) for start, _, _, units, *_ in service.rows(NAME)] == [
        (NOON, 1),
        (NOON + MINUTE, 1),
        (NOON + 2 * MINUTE, 2),
        (NOON + 3 * MINUTE, 3),
    ]
    left = [name.split(".") for name in service.warehouse.names() if name != NAME]
    assert len(left) == 3, "what was staged when it broke off, and nothing of a whole batch"
    times = [int(service.warehouse.table("shop", *name).resource["expirationTime"]) / 1000 for name in left]
    assert all(23 * 3600 < time - datetime.now(UTC).timestamp() < 25 * 3600 for time in times)


def test_the_table_is_kept_by_day_and_can_be_read_back(spark: SparkSession, service: BigQuery) -> None:
    assert bigquery.written(spark, OPTIONS) is None
    write = bigquery.open_sink(spark, OPTIONS, FINAL)
    write(frame(spark, row(0, "mug", 1)), 1)
    table = service.warehouse.table("shop", "insights", "rows").resource
    assert (table["timePartitioning"]["type"], table["timePartitioning"]["field"]) == ("DAY", "window_start")
    assert "expirationTime" not in table
    assert frames.rows(written(spark)) == [row(0, "mug", 1)]
    write(frame(spark, row(3, "cup", 2, rank=None)), 2)
    assert frames.rows(written(spark)) == [row(0, "mug", 1), row(3, "cup", 2, rank=None)]
    assert newest_window(written(spark)) == NOON + 4 * MINUTE


def written(spark: SparkSession) -> DataFrame:
    rows = bigquery.written(spark, OPTIONS)
    assert rows
    return rows


def test_a_new_checkpoint_is_refused_where_rows_are_but_not_one_that_goes_on(
    spark: SparkSession, service: BigQuery
) -> None:
    bigquery.open_sink(spark, OPTIONS, FINAL)(frame(spark, row(0, "mug", 1)), 1)
    with pytest.raises(SinkError) as refused:
        bigquery.open_sink(spark, OPTIONS, FINAL)
    assert str(refused.value) == (
        "--sink-table insights.rows already holds rows, but the checkpoint is new and could put parts of "
        "windows in their place; remedy: give another --sink-table, or delete that table"
    )
    goes_on = replace(FINAL, after=NOON + MINUTE)
    bigquery.open_sink(spark, OPTIONS, goes_on)(frame(spark, row(1, "mug", 2)), 1)
    assert service.rows(NAME) == [
        (NOON, NOON + MINUTE, "mug", 1, Decimal("1.25"), 1),
        (NOON + MINUTE, NOON + 2 * MINUTE, "mug", 2, Decimal("1.25"), 1),
    ]


def command(folder: Path, *flags: str) -> list[str]:
    """Return the command for two batches, the second of which adds to a window of the first."""
    files = replay(folder, BROWSING, [event("a", 0), event("b", 1)], [event("c", 1.5), event("d", 3)])
    return [
        *(files, f"--checkpoint-root={folder / 'checkpoints'}", "--watermark=1 second"),
        *("--sink=bigquery", *flags),
    ]


def test_a_job_by_its_command_line(spark: SparkSession, service: BigQuery, tmp_path: Path) -> None:
    flags = ("--sink-table=shop.insights.rows", "--output-mode=update")
    assert run(ACTIVITY, command(tmp_path, *flags)) == 0
    assert service.rows(NAME) == [
        (NOON, NOON + MINUTE, "mug", 1),
        (NOON + MINUTE, NOON + 2 * MINUTE, "mug", 2),
        (NOON + 3 * MINUTE, NOON + 4 * MINUTE, "mug", 1),
    ]


@pytest.mark.parametrize(
    ("table", "fault", "said"),
    [
        (
            None, None, "--sink-table is not given; --sink bigquery needs it",
        ),
        (
            "nowhere.rows", None,
            "--sink-table nowhere.rows: project shop has no dataset nowhere; expected one; remedy: bq mk"
            " --dataset shop:nowhere",
        ),
        *(
            (
                "insights.rows", call,
                "--sink-table insights.rows: BigQueryException: Access Denied; expected credentials that may"
                " write there and run queries in shop; remedy: gcloud auth application-default login, or"
                " roles/bigquery.dataEditor and roles/bigquery.jobUser for the account",
            )
            for call in ("datasets.get", "tables.insert", "tables.delete", "jobs.insert")
        ),
    ],
)  # fmt: skip
def test_what_cannot_work_is_said_at_the_start_in_one_line(
    spark: SparkSession,
    service: BigQuery,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    table: str | None,
    fault: str | None,
    said: str,
) -> None:
    if fault:
        service.faults.fail_next(fault, "PERMISSION_DENIED", "Access Denied")
    assert run(ACTIVITY, command(tmp_path, *([f"--sink-table={table}"] if table else []))) == 1
    assert capsys.readouterr().err == f"product_activity_windows: {said}\n"


def test_a_batch_that_is_refused_says_why_in_one_line(
    spark: SparkSession,
    service: BigQuery,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def begun(table: BigQueryTable) -> None:
        service.faults.fail_next("queries", "PERMISSION_DENIED", "Access Denied: Table shop:insights.rows")

    monkeypatch.setattr(BigQueryTable, "prove_writable", begun)
    assert run(ACTIVITY, command(tmp_path, "--sink-table=insights.rows")) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "product_activity_windows: --sink-table insights.rows: "
        "BigQueryException: Access Denied: Table shop:insights.rows"
    )


def test_a_column_of_a_type_that_is_not_written_is_refused(spark: SparkSession, service: BigQuery) -> None:
    write = bigquery.open_sink(spark, OPTIONS, FINAL)
    with pytest.raises(SinkError) as refused:
        write(frame(spark, row(0, "mug", 1)).selectExpr("*", "1.5D as share", "array(1) as ranks"), 0)
    assert str(refused.value) == (
        "--sink bigquery: share is double, ranks is array<int>; expected string, int, bigint, decimal, "
        "timestamp; remedy: cast it in the job"
    )


def test_a_table_with_other_columns_is_refused_in_one_line(
    spark: SparkSession, service: BigQuery, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = [{"name": "key", "type": "STRING"}, {"name": "events", "type": "STRING"}]
    table = {"tableReference": {"tableId": "rows"}, "schema": {"fields": fields}}
    service.warehouse.create("shop", "insights", table)
    assert run(ACTIVITY, command(tmp_path, "--sink-table=insights.rows")) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "product_activity_windows: --sink-table insights.rows: "
        "window_start is missing, window_end is missing, events is STRING; expected window_start TIMESTAMP, "
        "window_end TIMESTAMP, events INT64; remedy: another --sink-table, which is made as it must be, or "
        "alter this one"
    )


@pytest.mark.parametrize("name", ["rows", "insights.", "a.b.c.d", "insights.`x`", "Shop.insights.rows"])
def test_a_name_that_is_none_is_a_wrong_command_line(capsys: pytest.CaptureFixture[str], name: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.parse(ACTIVITY, ["--sink=bigquery", f"--sink-table={name}"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"product_activity_windows: argument --sink-table: {name!r}: expected DATASET.TABLE or"
        " PROJECT.DATASET.TABLE (see --help)\n"
    )
