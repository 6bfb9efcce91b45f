"""A job's static tables, loaded at the start and reloaded when their files change."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from jobs.engine import files
from jobs.engine.job import Job, Table, TableError

INTERVAL = 1.0
"""Seconds between two checks of the files; a change is picked up when two checks in a row see the same."""


class WatchedTables:
    """The tables as they are now, in `current` by flag name."""

    def __init__(
        self, spark: SparkSession, job: Job[Any], paths: Mapping[str, str], *, interval: float = INTERVAL
    ) -> None:
        """Load all tables from their files, given by flag; raise TableError for the first error."""
        self._spark, self._job, self._interval = spark, job, interval
        self._paths = {table: paths[table.flag.dest] for table in job.tables}
        self._taken = {path: files.version(spark, path) for path in self._paths.values()}
        self._seen = dict(self._taken)
        self.current: dict[str, DataFrame] = {
            table.flag.dest: table.load(spark, path) for table, path in self._paths.items()
        }
        self._replaced: list[DataFrame] = []
        self._next_look = time.monotonic() + interval

    def changed(self) -> bool:
        """Return whether `current` has changed since the last call; by the next call, the old is out of use.

        Any error in a file is reported on standard error, and the table stays as it was.
        """
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + self._interval
        while self._replaced:
            self._replaced.pop().unpersist()
        reloaded = [self._look(table, path) for table, path in self._paths.items()]
        return any(reloaded)

    def _look(self, table: Table, path: str) -> bool:
        """Load the table if its file has changed, but not since the last check: a write may be going on."""
        version = files.version(self._spark, path)
        settled, self._seen[path] = version == self._seen[path], version
        if not settled or version == self._taken[path]:
            return False
        try:
            with _beside_the_query(self._spark):
                loaded = table.load(self._spark, path)
        except Exception as error:  # a table's file never kills a running job
            self._taken[path] = version
            self._report(error, path)
            return False
        if files.version(self._spark, path) != version:
            loaded.unpersist()
            return False
        self._taken[path] = version
        self._replaced.append(self.current[table.flag.dest])
        self.current[table.flag.dest] = loaded
        return True

    def _report(self, error: Exception, path: str) -> None:
        fault = error if isinstance(error, TableError) else f"{path}: {type(error).__name__}: {error}"
        line = " ".join(str(fault).split())
        print(f"{self._job.name}: {line}; the table as it was stays in use", file=sys.stderr, flush=True)


@contextmanager
def _beside_the_query(spark: SparkSession) -> Iterator[None]:
    """Run the block's Spark jobs in a scheduler pool of their own: the running query gets every second core.

    In the order of their start, a batch would wait until a large table is read.
    """
    context = spark.sparkContext
    context.setLocalProperty("spark.scheduler.pool", "tables")
    try:
        yield
    finally:
        context.setLocalProperty("spark.scheduler.pool", None)  # type: ignore[arg-type]
