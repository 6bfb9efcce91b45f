"""Results in a BigQuery table, exactly once: a batch is staged, then merged atomically by the results' key.

Replaying a batch replaces its rows with themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame, SparkSession

from jobs.engine.sink import Results, SinkError, Write, required
from jobs.sinks.bigquery_table import BigQueryTable, table_name
from sources.choice import OwnOptions
from sources.flags import flag
from sources.google_cloud import Cloud, OnGoogleCloud, Service

SERVICE = Service(
    api="bigquery.googleapis.com",
    roles=("roles/bigquery.dataEditor", "roles/bigquery.jobUser"),
    source="https://docs.cloud.google.com/bigquery/docs/access-control",
    as_of=date(2026, 11, 23),
)


@dataclass(frozen=True)
class TableOptions(OwnOptions):
    """The options of the results' table."""

    sink_table: str | None = flag(
        "table for the results (bigquery): [PROJECT.]DATASET.TABLE, created with the first rows",
        parse=table_name,
        example="DATASET.TABLE",
    )


OPTIONS = TableOptions


class TableOnGoogleCloud(OnGoogleCloud):
    """A table, which the first rows create."""

    def services(self, options: TableOptions, cloud: Cloud) -> Sequence[Service]:
        """Return BigQuery."""
        return (SERVICE,)


GOOGLE_CLOUD: OnGoogleCloud = TableOnGoogleCloud()
SETTINGS: dict[str, str] = {}
UPSERTS = True
TAKES_EMPTY = False


def jars(options: TableOptions) -> tuple[str, ...]:
    """Return Google's connector, which Dataproc's images include."""
    return ("bigquery",)


def open_sink(spark: SparkSession, options: TableOptions, results: Results) -> Write:
    """Return a writer to `--sink-table` that uses the application default credentials.

    A new checkpoint must find no rows: it may have seen only part of a window, which would replace the whole
    one. Rows of the run that it continues (`results.after`) may be there and are not touched. Raise SinkError
    if the table cannot be written or holds other rows.
    """
    table = BigQueryTable(spark, required(options.sink_table, "--sink-table", "bigquery"))
    table.prove_writable()
    if results.fresh and not results.after and table.count():
        raise SinkError(
            f"--sink-table {table} already holds rows, but the checkpoint is new and could put parts of "
            "windows in their place",
            remedy="give another --sink-table, or delete that table",
        )
    made = False

    def write(rows: DataFrame, batch: int) -> None:
        nonlocal made
        if not made:
            table.make(rows)
            made = True
        table.merge(rows, results.key)

    return write


def written(spark: SparkSession, options: TableOptions) -> DataFrame | None:
    """Return the table's rows; None if there is no table yet."""
    table = BigQueryTable(spark, required(options.sink_table, "--sink-table", "bigquery"))
    return table.read() if table.there() else None
