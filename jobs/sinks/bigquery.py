"""Results in a BigQuery table, exactly once: a batch is staged, then merged atomically by the results' key.

Replaying a batch replaces its rows with themselves.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, SparkSession

from jobs.engine.flag import Flag
from jobs.engine.sink import Results, SinkError, Write, required
from jobs.sinks.bigquery_table import BigQueryTable, table_name
from sources.google_cloud import Cloud, OnGoogleCloud, Service

SERVICE = Service(
    api="bigquery.googleapis.com",
    roles=("roles/bigquery.dataEditor", "roles/bigquery.jobUser"),
    source="https://docs.cloud.google.com/bigquery/docs/access-control",
    as_of=date(2026, 11, 23),
)
TABLE = Flag(
    "--sink-table",
    None,
    "table for the results (bigquery): [PROJECT.]DATASET.TABLE, created with the first rows",
    table_name,
    shapes_state=False,
    example="DATASET.TABLE",
)
FLAGS = (TABLE,)


class TableOnGoogleCloud(OnGoogleCloud):
    """A table, which the first rows create."""

    def services(self, options: Namespace, cloud: Cloud) -> Sequence[Service]:
        """Return BigQuery."""
        return (SERVICE,)


GOOGLE_CLOUD: OnGoogleCloud = TableOnGoogleCloud()
SETTINGS: dict[str, str] = {}
UPSERTS = True


def jars(options: Namespace) -> tuple[str, ...]:
    """Return Google's connector, which Dataproc's images include."""
    return ("bigquery",)


def open_sink(spark: SparkSession, options: Namespace, results: Results) -> Write:
    """Return a writer to `--sink-table` that uses the application default credentials.

    A new checkpoint must find no rows: it may have seen only part of a window, which would replace the whole
    one. Rows of the run that it continues (`results.after`) may be there and are not touched. Raise SinkError
    if the table cannot be written or holds other rows.
    """
    table = BigQueryTable(spark, required(options, TABLE, "bigquery"))
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


def written(spark: SparkSession, options: Namespace) -> DataFrame | None:
    """Return the table's rows; None if there is no table yet."""
    table = BigQueryTable(spark, required(options, TABLE, "bigquery"))
    return table.read() if table.there() else None
