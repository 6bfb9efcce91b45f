"""A job's static tables, loaded at the start and again when their files change."""

from __future__ import annotations

import sys
import time
from argparse import Namespace

from pyspark.sql import DataFrame, SparkSession

from jobs.runtime import files
from jobs.runtime.job import Job, Table, TableError

INTERVAL = 2.0
"""Seconds between two looks at the files: a change is taken up so soon after the running batch."""


class WatchedTables:
    """The tables as they are now, in `current` by their flags' names."""

    def __init__(self, spark: SparkSession, job: Job, options: Namespace) -> None:
        """Load all tables; raises TableError for the first fault."""
        self._spark, self._job = spark, job
        self._paths = {table: str(getattr(options, table.flag.dest)) for table in job.tables}
        self._versions = {path: files.version(spark, path) for path in self._paths.values()}
        self.current: dict[str, DataFrame] = {
            table.flag.dest: table.load(spark, path) for table, path in self._paths.items()
        }
        self._next_look = time.monotonic() + INTERVAL

    def changed(self) -> bool:
        """Whether `current` has changed since the last call.

        A faulty file is reported on standard error, and the table stays as it was.
        """
        if time.monotonic() < self._next_look:
            return False
        self._next_look = time.monotonic() + INTERVAL
        reloaded = [self._reload(table, path) for table, path in self._paths.items()]
        return any(reloaded)

    def _reload(self, table: Table, path: str) -> bool:
        version = files.version(self._spark, path)
        if version == self._versions[path]:
            return False
        self._versions[path] = version
        try:
            self.current[table.flag.dest] = table.load(self._spark, path)
        except TableError as fault:
            print(f"{self._job.name}: {fault}; the table as it was stays in use", file=sys.stderr, flush=True)
            return False
        return True
