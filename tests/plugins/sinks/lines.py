"""A sink that the product does not know: a folder of JSON lines for each batch."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from jobs.engine.sink import Results, Write, claim, required
from sources.choice import OwnOptions
from sources.flags import flag
from sources.google_cloud import OnGoogleCloud


@dataclass(frozen=True)
class LineOptions(OwnOptions):
    """The one flag."""

    sink_lines: str | None = flag("directory of the lines", example="{root}/lines")


OPTIONS = LineOptions
SETTINGS: dict[str, str] = {}
UPSERTS = False
GOOGLE_CLOUD = OnGoogleCloud()


def jars(options: LineOptions) -> tuple[str, ...]:
    """Return none."""
    return ()


def open_sink(spark: SparkSession, options: LineOptions, results: Results) -> Write:
    """Return a writer; a replayed batch replaces its folder."""
    path = required(options.sink_lines, "--sink-lines", "lines")
    claim(spark, path, results)

    def write(rows: DataFrame, batch: int) -> None:
        rows.write.mode("overwrite").json(f"{path}/batch={batch}")

    return write


def written(spark: SparkSession, options: LineOptions) -> DataFrame | None:
    """Return None: the lines are not read back."""
    return None
