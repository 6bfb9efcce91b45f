"""Results as a Delta Lake table, each batch exactly once: Delta skips a transaction that it has already seen.

Append mode adds final rows; update mode upserts running totals by the results' key. The table is compacted
while it is written: only the last hour of its history can be read.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from jobs.engine import files
from jobs.engine.sink import PathOptions, Results, SinkError, Write, claim, newest_window, required
from jobs.sinks import delta_rs
from sources import instants
from sources.google_cloud import OnGoogleCloud

_HISTORY = f"interval {delta_rs.RETENTION.seconds} seconds"
OPTIONS = PathOptions
GOOGLE_CLOUD: OnGoogleCloud = OnGoogleCloud()
UPSERTS = True
TAKES_EMPTY = False
SETTINGS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # The batch is cached already; Delta would first write it to disk, in a separate job.
    "spark.databricks.delta.merge.materializeSource": "none",
    # A batch leaves a file or two: without this, a table has thousands after a day.
    "spark.databricks.delta.autoCompact.enabled": "true",
    # A table of results is small; otherwise, Delta reads its log in 50 tasks.
    "spark.databricks.delta.snapshotPartitions": "2",
    # By default, a vacuum lists a table's only folder in 10,000 tasks.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
    # How long new tables keep their log and replaced files; Delta's defaults are a month and a week.
    "spark.databricks.delta.properties.defaults.logRetentionDuration": _HISTORY,
    "spark.databricks.delta.properties.defaults.deletedFileRetentionDuration": _HISTORY,
}
_LOGGED = re.compile(r"(\d{20})\.(json|crc|checkpoint\.parquet)")
LEFT_BEHIND = re.compile(r"_delta_log|\.?part-.*")
TIDY_EVERY = 100
"""Batches written between two compactions of the table."""


def jars(options: PathOptions) -> tuple[str, ...]:
    """Return Delta Lake's jar set."""
    return ("delta",)


def open_sink(spark: SparkSession, options: PathOptions, results: Results) -> Write:
    """Return a writer to the table at `--sink-path`, which the first rows create."""
    path = required(options.sink_path, "--sink-path", "delta")
    if not _goes_on(spark, options, results):
        claim(spark, path, results, _holds_rows)
    table = _Table(spark, path)

    def append(rows: DataFrame, batch: int) -> None:
        table.prove_fit(rows)
        once = {"txnAppId": results.application, "txnVersion": str(batch)}
        rows.write.format("delta").mode("append").options(**once).save(path)
        table.has_a_batch()

    def upsert(rows: DataFrame, batch: int) -> None:
        if not table.prove_fit(rows):
            rows.write.format("delta").save(path)
        elif not table.place or not delta_rs.upsert(table.place, rows, results.key):
            _merge(rows, path, results.key)
        table.has_a_batch()

    return upsert if results.upsert else append


def written(spark: SparkSession, options: PathOptions) -> DataFrame | None:
    """Return the table's rows; None if there is no table yet."""
    path = required(options.sink_path, "--sink-path", "delta")
    return spark.read.format("delta").load(path) if _is_table(spark, path) else None


def _merge(rows: DataFrame, path: str, key: tuple[str, ...]) -> None:
    same = " and ".join(f"new.{column} <=> old.{column}" for column in key)
    rows.createOrReplaceTempView("new_rows")
    with _interpreted(rows.sparkSession):
        rows.sparkSession.sql(
            f"merge into {_named(path)} old using new_rows new on {same}"
            " when matched then update set * when not matched then insert *"
        )


def _named(path: str) -> str:
    """Return the table's name in SQL."""
    return f"delta.`{path.replace('`', '``')}`"


class _Table:
    """The table at a path, which the first batch with rows creates.

    `place`: the path at which delta-rs finds it; None if only Spark can access it.
    """

    def __init__(self, spark: SparkSession, path: str) -> None:
        self._spark, self._path = spark, path
        self._fits = False
        self._batches = 0
        self.place = delta_rs.place(spark, path)

    def has_a_batch(self) -> None:
        """Count a written batch and compact the table after every `TIDY_EVERY` batches."""
        self._batches += 1
        if self._batches % TIDY_EVERY:
            return
        if self.place:
            delta_rs.tidy(self.place)
        else:
            self._spark.sql(f"optimize {_named(self._path)}")
            self._spark.sql(f"vacuum {_named(self._path)}")
            _shorten_log(self._spark, f"{self._path}/_delta_log")

    def prove_fit(self, rows: DataFrame) -> bool:
        """Return whether there is a table; raise SinkError if its columns are not those of the rows."""
        if self._fits or not _is_table(self._spark, self._path):
            return self._fits
        there, wanted = dict(self._spark.read.format("delta").load(self._path).dtypes), dict(rows.dtypes)
        if there != wanted:
            raise SinkError(
                f"--sink-path {self._path}: a table with {_columns(there, wanted)}",
                expected=_columns(wanted, there),
                remedy=(
                    "the path that this checkpoint's results went to, or another "
                    "--sink-path with another --checkpoint-root"
                ),
            )
        self._fits = True
        return True


def _shorten_log(spark: SparkSession, log: str) -> None:
    """Delete the log before its newest checkpoint that is older than the retention, oldest files first.

    Reading any later version starts there. Delta's own cleanup deletes whole days only: at a batch every five
    seconds, a day's log has 17,000 commits.
    """
    logged = sorted(filter(None, map(_LOGGED.fullmatch, files.names(spark, log))), key=itemgetter(1))
    limit = (time.time() - delta_rs.RETENTION.total_seconds()) * 1000
    for name, number, kind in map(itemgetter(0, 1, 2), reversed(logged)):
        written = files.version(spark, f"{log}/{name}") if kind == "checkpoint.parquet" else None
        if written and written[0] <= limit:
            for file in logged:
                if file[1] < number:
                    files.delete(spark, f"{log}/{file[0]}")
            return


def _columns(columns: dict[str, str], others: dict[str, str]) -> str:
    """Return a phrase that names the columns missing from the others or of another type there."""
    found = [f"{name} {kind}" for name, kind in columns.items() if others.get(name) != kind]
    return f"the columns {', '.join(found)}" if found else "no other columns"


def _is_table(spark: SparkSession, path: str) -> bool:
    """Return whether a table's log at this path has a commit.

    Data files without a commit were left by a killed write. Raise SinkError if the log cannot be read.
    """
    jvm: Any = spark._jvm
    try:
        return bool(jvm.io.delta.tables.DeltaTable.isDeltaTable(spark._jsparkSession, path))
    except Py4JJavaError as error:
        raise SinkError(
            f"--sink-path {path}: the table's log cannot be read ({files.reason(error)})",
            expected="a Delta table, or none",
            remedy="another --sink-path with another --checkpoint-root",
        ) from None


def _holds_rows(spark: SparkSession, path: str) -> bool:
    """Return whether there is a table, or any file other than the remains of a killed first write."""
    return _is_table(spark, path) or not all(map(LEFT_BEHIND.fullmatch, files.names(spark, path)))


@contextmanager
def _interpreted(spark: SparkSession) -> Iterator[None]:
    """Run the block without code generation: compiling every merge takes longer than merging the rows."""
    settings = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"}
    before = {name: str(spark.conf.get(name)) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)


def _goes_on(spark: SparkSession, options: PathOptions, results: Results) -> bool:
    """Return whether another run's rows are there and this run's begin where they end.

    Raise SinkError if they end later, because this run would write some of them again.
    """
    rows = written(spark, options) if results.fresh and results.after else None
    if rows is None or results.after is None:
        return False
    newest = newest_window(rows)
    if newest and newest > results.after and not results.upsert:
        raise SinkError(
            f"--windows-after {instants.text(results.after)}: {options.sink_path} holds windows "
            f"up to {instants.text(newest)}, and this run would write some again",
            expected="none after that time",
            remedy=("twinstream cutover, which says --windows-after and --kafka-starting as they are now"),
        )
    return True
