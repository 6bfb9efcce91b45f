"""What a job is: business logic, and the few facts about it that the runtime needs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pyspark.sql import DataFrame, SparkSession

from jobs.runtime.flag import Flag, to_timedelta
from sources.catalog import Stream

__all__ = ["Emission", "Flag", "Inputs", "Job", "Table", "TableError"]


class Table(Protocol):
    """A static table that a job joins with its streams, kept in a file that may change while the job runs."""

    @property
    def flag(self) -> Flag:
        """The flag that says where the file is."""

    def load(self, spark: SparkSession, path: str) -> DataFrame:
        """Return the table, all read; raises TableError naming file, line and column of the first fault.

        The caller unpersists it once it is out of use.
        """


class TableError(Exception):
    """A fault in a table's file, in one line."""


@dataclass(frozen=True)
class Inputs:
    """What a job computes its rows from."""

    options: Namespace
    streams: Mapping[str, DataFrame]
    tables: Mapping[str, DataFrame]

    def events(self, stream: Stream) -> DataFrame:
        """The stream's events: good ones, each once (`events.check` says the columns)."""
        return self.streams[stream.name]

    def table(self, table: Table) -> DataFrame:
        """The table as it is now."""
        return self.tables[table.flag.dest]


@dataclass(frozen=True)
class Emission:
    """When final rows come out: once the watermark has passed a window's end, and `after` besides.

    Windows end at whole multiples of `every` since 1970 and are `length` long, `every` where that is empty; a
    window of `length` None has no longest length. All are durations.
    """

    every: str
    after: str = "0 seconds"
    length: str | None = ""

    @property
    def look_back(self) -> timedelta | None:
        """How far before a window's end the events of its rows may lie; None where there is no bound."""
        if self.length is None:
            return None
        return to_timedelta(self.length or self.every) + to_timedelta(self.after)

    def final(self, watermark: datetime) -> datetime:
        """The end of the newest window that is final at this watermark; a join takes a millisecond more."""
        before = watermark - timedelta(milliseconds=1)
        return self.open_window(before, self.every)[0] - to_timedelta(self.every)

    def open_window(self, watermark: datetime, delay: str) -> tuple[datetime, datetime]:
        """The end of the oldest window that may be open, and how late an event it takes to close it."""
        every, after = to_timedelta(self.every), to_timedelta(self.after)
        epoch = datetime(1970, 1, 1, tzinfo=watermark.tzinfo)
        end = epoch + ((watermark - after - epoch) // every + 1) * every
        return end, end + after + to_timedelta(delay)


@dataclass(frozen=True)
class Job:
    """A job: which streams it reads, how its rows come about, and what identifies a row.

    `key` names the columns that identify a row among all rows: sinks upsert by it and key messages with it.
    `emission` says when rows are final. `append_only` says why running totals (`--output-mode update`) cannot
    be had; it is empty where they can.
    """

    name: str
    streams: Callable[[Namespace], tuple[Stream, ...]]
    rows: Callable[[Inputs], DataFrame]
    key: tuple[str, ...]
    emission: Callable[[Namespace], Emission]
    flags: tuple[Flag, ...] = ()
    tables: tuple[Table, ...] = ()
    append_only: Callable[[Namespace], str] = lambda _: ""
    counted: Callable[[Inputs], DataFrame] | None = None
    """The events that rows count, each once: `event_id`, `event_time` and the key's other column."""
    count: str = ""
    """The column that says how many events a row counts."""
    most: Callable[[Namespace], int | None] = lambda _: None
    """The most rows of a window; None: as many as there are keys."""
    order: tuple[str, ...] = ()
    """The columns by which a person wants rows sorted; the key where there are none."""
