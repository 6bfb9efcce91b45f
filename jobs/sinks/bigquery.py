"""Results in a BigQuery table, exactly once: a batch is staged, then merged by the results' key, all at once.

A batch that comes again puts the same rows in the place of themselves.
"""

from __future__ import annotations

from argparse import Namespace

from pyspark.sql import DataFrame, SparkSession

from jobs.runtime.flag import Flag
from jobs.sinks.bigquery_table import BigQueryTable, table_name
from jobs.sinks.sink import Results, SinkError, Write, required

TABLE = Flag(
    "--sink-table",
    None,
    "table of the results (bigquery): DATASET.TABLE or PROJECT.DATASET.TABLE, made at the first rows",
    table_name,
    shapes_state=False,
)
FLAGS = (TABLE,)
SETTINGS: dict[str, str] = {}
UPSERTS = True


def jars(options: Namespace) -> tuple[str, ...]:
    """Google's connector; Dataproc's images have it."""
    return ("bigquery",)


def open_sink(spark: SparkSession, options: Namespace, results: Results) -> Write:
    """Write to `--sink-table` as the application default credentials.

    A new checkpoint must find no rows: it may have seen only a part of a window, and would put that in the
    place of the whole. Rows of the run that it goes on from (`results.after`) may be there, and are not
    touched. Raises SinkError.
    """
    table = BigQueryTable(spark, required(options, TABLE, "bigquery"))
    table.prove_writable()
    if results.fresh and not results.after and table.count():
        raise SinkError(
            f"--sink-table {table} already holds rows, but the checkpoint is new and could put parts of "
            "windows in their place; give another --sink-table, or delete that table"
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
    """The table's rows; None where there is no table yet."""
    table = BigQueryTable(spark, required(options, TABLE, "bigquery"))
    return table.read() if table.there() else None
