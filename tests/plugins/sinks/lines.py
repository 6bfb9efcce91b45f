"""A sink that the product does not know: a folder of JSON lines for each batch."""

from __future__ import annotations

from argparse import Namespace

from pyspark.sql import DataFrame, SparkSession

from jobs.engine.flag import Flag
from jobs.engine.sink import Results, Write, claim, required
from sources.google_cloud import OnGoogleCloud

PATH = Flag("--sink-lines", None, "directory of the lines", shapes_state=False, example="{root}/lines")
FLAGS = (PATH,)
SETTINGS: dict[str, str] = {}
UPSERTS = False
GOOGLE_CLOUD = OnGoogleCloud()


def jars(options: Namespace) -> tuple[str, ...]:
    """Return none."""
    return ()


def open_sink(spark: SparkSession, options: Namespace, results: Results) -> Write:
    """Return a writer; a replayed batch replaces its folder."""
    path = required(options, PATH, "lines")
    claim(spark, path, results)

    def write(rows: DataFrame, batch: int) -> None:
        rows.write.mode("overwrite").json(f"{path}/batch={batch}")

    return write


def written(spark: SparkSession, options: Namespace) -> DataFrame | None:
    """Return None: the lines are not read back."""
    return None
