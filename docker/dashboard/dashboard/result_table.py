"""A job's results, read while the job writes them: the newest windows of a Delta table, without Spark."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import TableNotFoundError

ATTEMPTS = 3
NEWEST_WINDOW = timedelta.resolution
"""A span that contains only the newest window."""
PAUSE = 0.2
"""Seconds between two attempts: a file may be gone (vacuum), or a log entry half written."""


class Unreadable(Exception):
    """The reason why a table cannot be read, in one line."""


@dataclass(frozen=True)
class Rows:
    """The rows of one version of the table, in no order, and the version's number."""

    version: int
    table: pa.Table


class ResultTable:
    """The table in a folder, followed version by version; thread-safe.

    Only the files of the requested windows are read, and none again while the version stays the same.
    """

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        """Take the `columns` to read, which include `window_start` and `window_end timestamp`."""
        self.folder = folder
        self._columns = ", ".join(columns)
        self._lock = threading.Lock()
        self._delta: DeltaTable | None = None
        self._commit: tuple[int, int] | None = None
        self._read: dict[timedelta, Rows] = {}

    def newest(self, span: timedelta) -> Rows | None:
        """Return the windows that end less than `span` before the newest one does; None if there is no table.

        Raise Unreadable if the table cannot be read.
        """
        with self._lock:
            for attempt in range(ATTEMPTS):
                time.sleep(PAUSE if attempt else 0)
                try:
                    return self._newest(span)
                except TableNotFoundError:
                    self._delta = None
                    return None
                except Exception as error:  # the files, the log and the query raise different classes
                    self._delta = None
                    reason = str(error).splitlines()[0]
        raise Unreadable(f"{self.folder} cannot be read: {reason}")

    def _newest(self, span: timedelta) -> Rows:
        delta = self._followed()
        if span not in self._read:
            self._read[span] = Rows(delta.version(), self._select(delta, span))
        return self._read[span]

    def _followed(self) -> DeltaTable:
        """Return the table as it is now: updated by its latest commits, or another that replaced it."""
        before = self._delta.version() if self._delta else None
        if self._delta and self._commit == self._identity(self._delta.version()):
            self._delta.update_incremental()
        else:
            self._delta, before = DeltaTable(self.folder), None
        version = self._delta.version()
        if version != before:
            self._commit = self._identity(version)
            self._read.clear()
        return self._delta

    def _identity(self, version: int) -> tuple[int, int] | None:
        """Return what distinguishes a commit's file from one with the same number in a recreated table."""
        try:
            file = (self.folder / "_delta_log" / f"{version:020}.json").stat()
        except FileNotFoundError:
            return None
        return file.st_ino, file.st_mtime_ns

    def _select(self, delta: DeltaTable, span: timedelta) -> pa.Table:
        end = _newest_end(delta)
        condition = f"where window_end > timestamp '{(end - span).isoformat()}'" if end else "limit 0"
        query = f"select {self._columns} from results {condition}"  # noqa: S608 - made of our own words only
        selected = pa.table(QueryBuilder().register("results", delta).execute(query))
        return selected.cast(pa.schema([_plain(field) for field in selected.schema]))


def _newest_end(delta: DeltaTable) -> datetime | None:
    """Return the end of the newest window, from the files' statistics; None if there are no rows."""
    files = pa.table(delta.get_add_actions(flatten=True))
    if "max.window_end" not in files.column_names:
        return None
    newest: datetime | None = pc.max(files["max.window_end"]).as_py()
    return newest.astimezone(UTC) if newest else None


def _plain(field: pa.Field) -> pa.Field:
    return pa.field(field.name, pa.string()) if field.type == pa.string_view() else field
