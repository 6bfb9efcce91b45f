"""The interface of a source; each source is one module, found by its file name.

A module of this package that has a `read` is a source; no other list exists.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast

from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql.streaming.readwriter import DataStreamReader

import sources
from sources import choice as choices
from sources.catalog import Stream
from sources.choice import Choice, Chosen, OwnOptions
from sources.fault import Fault
from sources.flags import Flag, Parsed, Parser
from sources.google_cloud import OnGoogleCloud


class SourceError(Fault):
    """A fault that the user can remedy: the value, what was expected and the remedy, in one line."""


@dataclass(frozen=True)
class Message:
    """A message to publish; a `key` of None means no key.

    `event_at` is the producer's own UTC time, truncated to milliseconds; if it is None, the broker's client
    stamps the message. An attribute's values keep their order; a None among them is Kafka's null header.
    """

    stream: str
    key: bytes | None
    value: bytes | None
    event_at: datetime | None
    attributes: Mapping[str, Sequence[bytes | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Record(Message):
    """A message as a broker stored it; `published_at` is the envelope's."""

    partition: int = 0
    offset: int = 0
    published_at: datetime | None = None


Acknowledge = Callable[[Message, Exception | None], None]
"""Called once per message, with None if it was stored for good, otherwise with the reason."""


class Publisher(Protocol):
    """A publisher of messages to one broker; not thread-safe."""

    def publish(self, messages: Sequence[Message], acknowledge: Acknowledge) -> None:
        """Send `messages` in order; block while too many are unacknowledged.

        Never raise because of a single message: its failure goes to `acknowledge`.
        """

    def flush(self) -> None:
        """Wait until every message so far is acknowledged."""

    def close(self) -> None:
        """Flush and release all resources."""


class Source(Protocol):
    """A broker, or files, that the jobs read and the publishers write to.

    `options` are always an instance of its `OPTIONS`.
    """

    @property
    def OPTIONS(self) -> type[OwnOptions]:  # noqa: N802 - a constant of each source's module
        """The source's own options; each flag begins with the source's name."""

    BOUNDED: bool
    """Whether the input ends: if so, it is read with `--trigger available-now` unless told otherwise."""

    GOOGLE_CLOUD: OnGoogleCloud
    """What the source needs on Google Cloud."""

    def jars(self, options: Any) -> tuple[str, ...]:
        """Return the jar sets (`docker/spark/ivy.xml`) that `read` needs in addition to Spark's own."""

    def check(self, spark: SparkSession, streams: Sequence[Stream], options: Any) -> Mapping[str, str]:
        """Return a stable identity for each stream's data, by stream name.

        It changes if a topic is recreated. Raise SourceError within 30 seconds if a stream cannot be read.
        """

    def watch(
        self, spark: SparkSession, streams: Sequence[Stream], options: Any
    ) -> AbstractContextManager[Callable[[], Mapping[str, str]]]:
        """Yield a function that cheaply looks up the identities of a running job's streams again.

        It looks up only what can change, and raises SourceError if there is no answer.
        """

    def lost(self, spark: SparkSession, positions: Sequence[str], options: Any) -> str:
        """Return which messages after these positions are no longer retained, and how many; "" if none.

        `positions` are Spark's own, as a checkpoint stores them. Raise SourceError as `check` does.
        """

    def read(self, reader: DataFrameReader | DataStreamReader, stream: Stream, options: Any) -> DataFrame:
        """Return the stream's messages in the source's own columns, by `spark.read` or `spark.readStream`."""

    def envelope(self, raw: DataFrame) -> DataFrame:
        """Return what `read` returned as the canonical envelope; a pure function."""

    def publisher(self, options: Any) -> Publisher:
        """Return a publisher to this source; its client library is imported here and nowhere else."""

    def create(self, streams: Sequence[Stream], options: Any) -> Sequence[str]:
        """Create what the streams need and the broker lacks; return the names of what was created."""

    def records(self, stream: Stream, options: Any) -> Iterator[Record | None]:
        """Yield the stream's messages, oldest first within a partition; endlessly if the source is unbounded.

        An unbounded source yields None after each second without a message, so that the reader can stop.
        """


NOT_A_SOURCE = ("__main__", "laptop")


def names() -> list[str]:
    """Return the names of all sources, sorted."""
    modules = (one.name for one in pkgutil.iter_modules(sources.__path__) if one.name not in NOT_A_SOURCE)
    return sorted(name for name in modules if hasattr(importlib.import_module(f"sources.{name}"), "read"))


def load(name: str) -> Source:
    """Return the source called `name`; raise SourceError naming the known ones if there is no such source."""
    if name not in names():
        raise SourceError(f"no source named {name!r}; known: {', '.join(names())}")
    return cast(Source, importlib.import_module(f"sources.{name}"))


def choice(default: str, of: Sequence[str] | None = None) -> Choice[Source]:
    """Return the flag `--source` with the flags of the sources `of`, by default of all."""
    offered = names() if of is None else of
    return Choice(Flag("--source", "source or broker", default, choices=tuple(offered)), offered, load)


def parse(
    parser: Parser, arguments: Sequence[str], default: str, of: Sequence[str] | None = None
) -> tuple[Parsed, Chosen[Source]]:
    """Return the command line of a command that takes one of the sources `of`, and the source it chooses.

    Exit with code 2 and one line as `sources.choice.parse` does.
    """
    source = choice(default, of)
    parsed = choices.parse(parser, arguments, source)
    return parsed, source.of(parsed)
