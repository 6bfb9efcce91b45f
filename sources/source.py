"""What every source offers: one module a source, found by its file name.

A module of this package that has a `read` is a source; nothing else lists them.
"""

from __future__ import annotations

import importlib
import pkgutil
from argparse import Namespace, _ArgumentGroup
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, cast

from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql.streaming.readwriter import DataStreamReader

import sources
from sources.catalog import Stream


class SourceError(Exception):
    """What a user did or has to do: the value, what was expected and the remedy, in one line."""


@dataclass(frozen=True)
class Message:
    """A message to publish. `key` None: no key.

    `event_at`: the producer's own UTC time, cut to milliseconds; None: the broker's client stamps it.
    An attribute's values keep their order; a None among them is Kafka's null header.
    """

    stream: str
    key: bytes | None
    value: bytes | None
    event_at: datetime | None
    attributes: Mapping[str, Sequence[bytes | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Record(Message):
    """A message as a broker stored it; `published_at` as in the envelope."""

    partition: int = 0
    offset: int = 0
    published_at: datetime | None = None


Acknowledge = Callable[[Message, Exception | None], None]
"""Called once for every message: stored for good, or the reason why not."""


class Publisher(Protocol):
    """Publishes messages to one broker. Not for use by several threads."""

    def publish(self, messages: Sequence[Message], acknowledge: Acknowledge) -> None:
        """Send `messages` in order; blocks while too many are unacknowledged. Raises for no message."""

    def flush(self) -> None:
        """Wait until every message so far is acknowledged."""

    def close(self) -> None:
        """Flush and let go of all resources."""


class Source(Protocol):
    """A broker, or files, that the jobs read and the publishers write."""

    BOUNDED: bool
    """True where the input ends: such a source is read by `--trigger available-now` unless told otherwise."""

    def add_arguments(self, group: _ArgumentGroup) -> None:
        """Add this source's flags, each with the source's name as prefix."""

    def flag_fault(self, options: Namespace) -> str | None:
        """Why this source's flags do not go together; None where they do. Looks at no file."""

    def jars(self, options: Namespace) -> tuple[str, ...]:
        """The jar sets (`docker/spark/ivy.xml`) that `read` needs beyond Spark's own."""

    def check(self, spark: SparkSession, streams: Sequence[Stream], options: Namespace) -> Mapping[str, str]:
        """A stable identity for each stream's data, by stream name: it changes when a topic is made anew.

        Raises SourceError within 30 seconds when a stream cannot be read.
        """

    def watch(
        self, spark: SparkSession, streams: Sequence[Stream], options: Namespace
    ) -> AbstractContextManager[Callable[[], Mapping[str, str]]]:
        """Ask a running job's streams for their identities again, cheaply, and only if they can change.

        What is asked raises SourceError if there is no answer.
        """

    def lost(self, spark: SparkSession, positions: Sequence[str], options: Namespace) -> str:
        """Return which messages after these positions are no longer there, and how many; "" if none.

        `positions` are Spark's own, as a checkpoint keeps them. Raises SourceError as `check` does.
        """

    def read(
        self, reader: DataFrameReader | DataStreamReader, stream: Stream, options: Namespace
    ) -> DataFrame:
        """The stream's messages in the source's own columns, by `spark.read` or `spark.readStream`."""

    def envelope(self, raw: DataFrame) -> DataFrame:
        """What `read` gave, as the canonical envelope. Pure."""

    def publisher(self, options: Namespace) -> Publisher:
        """A publisher to this source; its client library is imported here and nowhere else."""

    def create(self, streams: Sequence[Stream], options: Namespace) -> Sequence[str]:
        """Make what the streams need at the broker, where it is not there; the names of what was made."""

    def records(self, stream: Stream, options: Namespace) -> Iterator[Record | None]:
        """The stream's messages, oldest first within a partition, without end where the source has none.

        A source without end gives None after each second without a message, so that the reader can stop.
        """


def names() -> list[str]:
    """The names of all sources, sorted."""
    modules = (module.name for module in pkgutil.iter_modules(sources.__path__) if module.name != "__main__")
    return sorted(name for name in modules if hasattr(importlib.import_module(f"sources.{name}"), "read"))


def load(name: str) -> Source:
    """The source called `name`; raises SourceError naming the known ones."""
    if name not in names():
        raise SourceError(f"no source named {name!r}; known: {', '.join(names())}")
    return cast(Source, importlib.import_module(f"sources.{name}"))
