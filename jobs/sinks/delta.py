"""Results as a Delta Lake table, each batch exactly once: Delta skips a transaction that it has seen.

Append mode adds final rows; update mode upserts running totals by the results' key.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession

from jobs.runtime import files
from jobs.sinks.sink import PATH, Results, SinkError, Write, claim, newest_window, required
from sources import instants

FLAGS = (PATH,)
UPSERTS = True
SETTINGS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # The batch is cached already; Delta would write it to disk first, with a job of its own.
    "spark.databricks.delta.merge.materializeSource": "none",
    # A batch leaves a file or two: without this a table has thousands after a day.
    "spark.databricks.delta.autoCompact.enabled": "true",
    # A table of results is small; Delta reads its log in 50 tasks otherwise.
    "spark.databricks.delta.snapshotPartitions": "2",
}


def jars(options: Namespace) -> tuple[str, ...]:
    """Delta Lake."""
    return ("delta",)


def open_sink(spark: SparkSession, options: Namespace, results: Results) -> Write:
    """Write to the table at `--sink-path`, made at the first rows."""
    path = required(options, PATH, "delta")
    if not _goes_on(spark, options, results):
        claim(spark, path, results)

    def append(rows: DataFrame, batch: int) -> None:
        once = {"txnAppId": results.application, "txnVersion": str(batch)}
        rows.write.format("delta").mode("append").options(**once).save(path)

    def upsert(rows: DataFrame, batch: int) -> None:
        if files.is_empty(spark, path):
            rows.write.format("delta").save(path)
            return
        same = " and ".join(f"new.{column} <=> old.{column}" for column in results.key)
        rows.createOrReplaceTempView("new_rows")
        with _interpreted(rows.sparkSession):
            rows.sparkSession.sql(
                f"merge into delta.`{path}` old using new_rows new on {same}"
                " when matched then update set * when not matched then insert *"
            )

    return upsert if results.upsert else append


def written(spark: SparkSession, options: Namespace) -> DataFrame | None:
    """The table's rows; None where there is no table yet."""
    path = required(options, PATH, "delta")
    return None if files.is_empty(spark, path) else spark.read.format("delta").load(path)


@contextmanager
def _interpreted(spark: SparkSession) -> Iterator[None]:
    """Without compiled code: to compile a merge, anew for each, takes longer than to merge a batch's rows."""
    settings = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
    before = {name: str(spark.conf.get(name)) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)


def _goes_on(spark: SparkSession, options: Namespace, results: Results) -> bool:
    """Whether another run's rows are there, and this one's begin where they end.

    Raises SinkError where they end later: this run would write some of them again.
    """
    rows = written(spark, options) if results.fresh and results.after else None
    if rows is None or results.after is None:
        return False
    newest = newest_window(rows)
    if newest and newest > results.after and not results.upsert:
        raise SinkError(
            f"--windows-after {instants.text(results.after)}: {options.sink_path} holds windows up to "
            f"{instants.text(newest)}, and this run would write some again; expected none after that time; "
            "remedy: python -m jobs cutover, which says --windows-after and --starting as they are now"
        )
    return True
