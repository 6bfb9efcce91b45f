"""The definition of a job: its business logic and the few facts about it that the runtime needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from pyspark.sql import DataFrame, SparkSession

from sources.catalog import Stream
from sources.durations import to_timedelta
from sources.fault import Fault
from sources.flags import Flag

Options = TypeVar("Options")
"""The class of a job's own options."""


class Table(Protocol):
    """A static table that a job joins with its streams, kept in a file that may change while the job runs."""

    @property
    def flag(self) -> Flag:
        """Return the flag that gives the file's path."""

    def load(self, spark: SparkSession, path: str) -> DataFrame:
        """Return the table, fully read.

        The caller unpersists it once it is out of use. Raise TableError for the first error; it names file,
        line and column.
        """


class TableError(Fault):
    """An error in a table's file, as one line."""


class JobError(Fault):
    """A job whose rows are not what it says, as one line."""


@dataclass(frozen=True)
class Inputs(Generic[Options]):
    """The inputs a job computes its rows from."""

    options: Options
    streams: Mapping[str, DataFrame]
    tables: Mapping[str, DataFrame]

    def events(self, stream: Stream) -> DataFrame:
        """Return the stream's valid events, each once; `events.check` documents the columns."""
        return self.streams[stream.name]

    def table(self, table: Table) -> DataFrame:
        """Return the table as it is now."""
        return self.tables[table.flag.dest]


WINDOW = ("window_start", "window_end")
"""The bounds of a row's window, `timestamp`: the start is inside, the end is not."""


@dataclass(frozen=True)
class Emission:
    """When final rows are emitted: once the watermark has passed a window's end plus `after`.

    Windows end at whole multiples of `every` since 1970 and are `length` long, or `every` if that is empty.
    If `length` is None, a window's length has no upper bound. All three are durations.
    """

    every: str
    after: str = "0 seconds"
    length: str | None = ""

    @property
    def look_back(self) -> timedelta | None:
        """Return how far before a window's end the events of its rows may lie; None if there is no bound."""
        if self.length is None:
            return None
        return to_timedelta(self.length or self.every) + to_timedelta(self.after)

    def final(self, watermark: datetime) -> datetime:
        """Return the end of the newest window that is final at this watermark; a join needs 1 ms more."""
        before = watermark - timedelta(milliseconds=1)
        return self.open_window(before, self.every)[0] - to_timedelta(self.every)

    def open_window(self, watermark: datetime, delay: str) -> tuple[datetime, datetime]:
        """Return the end of the oldest window that may be open and the event time that closes it."""
        every, after = to_timedelta(self.every), to_timedelta(self.after)
        epoch = datetime(1970, 1, 1, tzinfo=watermark.tzinfo)
        end = epoch + ((watermark - after - epoch) // every + 1) * every
        return end, end + after + to_timedelta(delay)


@dataclass(frozen=True)
class Job(Generic[Options]):
    """A job: the streams it reads, how its rows are computed, and the columns that identify a row.

    `options` is the class of its own options (`sources.flags`).
    Rows have the columns `WINDOW` and those of `key`; otherwise, a run is refused at its start.
    `key` names the columns that identify a row among all rows: sinks upsert by it and key messages with it.
    `emission` says when rows are final. `append_only` says why the job does not support running totals
    (`--output-mode update`); it is empty if it does.
    """

    name: str
    options: type[Options]
    streams: Callable[[Options], tuple[Stream, ...]]
    rows: Callable[[Inputs[Options]], DataFrame]
    key: tuple[str, ...]
    emission: Callable[[Options], Emission]
    tables: tuple[Table, ...] = ()
    append_only: Callable[[Options], str] = lambda _: ""
    counted: Callable[[Inputs[Options]], DataFrame] | None = None
    """The events that the rows count, each once: `event_id`, `event_time` and the key's other column."""
    count: str = ""
    """The column that holds the number of events a row counts."""
    most: Callable[[Options], int | None] = lambda _: None
    """The most rows that a window can have; None: as many as there are keys."""
    order: tuple[str, ...] = ()
    """The columns by which readers want rows sorted; if empty, the key."""
