"""Results as Parquet files, one folder `batch=N` per batch; a replayed batch replaces its folder."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from jobs.engine import files
from jobs.engine.sink import PathOptions, Results, SinkError, Write, claim, required
from sources.google_cloud import OnGoogleCloud

OPTIONS = PathOptions
GOOGLE_CLOUD: OnGoogleCloud = OnGoogleCloud()
SETTINGS: dict[str, str] = {}
UPSERTS = False
TAKES_EMPTY = False


def jars(options: PathOptions) -> tuple[str, ...]:
    """Return no jar sets."""
    return ()


def open_sink(spark: SparkSession, options: PathOptions, results: Results) -> Write:
    """Return a writer below `--sink-path`; readers see the results' columns and `batch int`."""
    path = required(options.sink_path, "--sink-path", "parquet")
    claim(spark, path, results)

    def write(rows: DataFrame, batch: int) -> None:
        rows.write.mode("overwrite").parquet(f"{path}/batch={batch}")

    return write


def written(spark: SparkSession, options: PathOptions) -> DataFrame | None:
    """Return the rows of all batches; raise SinkError if a crash has left a batch half written."""
    path = required(options.sink_path, "--sink-path", "parquet")
    batches = sorted(name for name in files.names(spark, path) if name.startswith("batch="))
    half = [name for name in batches if "_SUCCESS" not in files.names(spark, f"{path}/{name}")]
    if half:
        raise SinkError(
            f"{path}/{half[0]}: half written",
            expected="a whole batch",
            remedy=(
                "run the job that writes it once more, with --trigger available-now: it "
                "writes that batch again"
            ),
        )
    return spark.read.parquet(files.literal(path)).drop("batch") if batches else None
