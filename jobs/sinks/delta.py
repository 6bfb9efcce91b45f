"""Results as a Delta Lake table, each batch exactly once: Delta skips a transaction that it has seen.

Append mode adds final rows; update mode upserts running totals by the results' key.
"""

from __future__ import annotations

from argparse import Namespace

from pyspark.sql import DataFrame, SparkSession

from jobs.runtime import files
from jobs.sinks.sink import PATH, Results, Write, claim, required

FLAGS = (PATH,)
JARS = ("delta",)
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


def open_sink(spark: SparkSession, options: Namespace, results: Results) -> Write:
    """Write to the table at `--sink-path`, made at the first rows."""
    path = required(options, PATH, "delta")
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
        rows.sparkSession.sql(
            f"merge into delta.`{path}` old using new_rows new on {same}"
            " when matched then update set * when not matched then insert *"
        )

    return upsert if results.upsert else append
