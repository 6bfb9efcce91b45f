"""Results as Parquet files in a folder `batch=N` a batch; a batch that comes again replaces its folder."""

from __future__ import annotations

from argparse import Namespace

from pyspark.sql import DataFrame, SparkSession

from jobs.sinks.sink import PATH, Results, Write, claim, required

FLAGS = (PATH,)
JARS = ()
SETTINGS: dict[str, str] = {}
UPSERTS = False


def open_sink(spark: SparkSession, options: Namespace, results: Results) -> Write:
    """Write below `--sink-path`; readers see the results' columns and `batch int`."""
    path = required(options, PATH, "parquet")
    claim(spark, path, results)

    def write(rows: DataFrame, batch: int) -> None:
        rows.write.mode("overwrite").parquet(f"{path}/batch={batch}")

    return write
