"""A source that the product does not know: replay's files under flags and topics of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql.streaming.readwriter import DataStreamReader

from sources import replay
from sources.base import Publisher, Record
from sources.catalog import Stream
from sources.choice import OwnOptions
from sources.flags import flag
from sources.google_cloud import Cloud, Creation, Finding, OnGoogleCloud, Service, warning
from sources.replay.options import ReplayOptions


@dataclass(frozen=True)
class LedgerOptions(OwnOptions):
    """The one flag."""

    ledger_dir: str = flag("directory of the ledgers", default="ledgers")


OPTIONS = LedgerOptions
BOUNDED = True
SERVICE = Service("ledger.googleapis.com", ("roles/ledger.reader",), "https://example.com", date(2026, 1, 1))


class Ledgers(OnGoogleCloud):
    """An invented service of Google's."""

    def flags(self, options: LedgerOptions, cloud: Cloud) -> Sequence[str]:
        """Return the place of the ledgers."""
        return (f"--ledger-dir={cloud.root}/ledgers",)

    def findings(self, options: LedgerOptions, cloud: Cloud) -> Iterator[Finding]:
        """Warn, always."""
        yield warning(f"--ledger-dir {options.ledger_dir}", "an invented service", "another --source")

    def services(self, options: LedgerOptions, cloud: Cloud) -> Sequence[Service]:
        """Return the service."""
        return (SERVICE,)

    def streams(self, streams: Sequence[Stream], options: LedgerOptions, cloud: Cloud) -> Iterator[Creation]:
        """Yield a ledger for each stream."""
        for stream in streams:
            words = ("ledgers", "create", stream.name), ("ledgers", "describe", stream.name)
            yield Creation(f"The ledger {stream.name}", *words)


GOOGLE_CLOUD: OnGoogleCloud = Ledgers()


def jars(options: LedgerOptions) -> tuple[str, ...]:
    """Return none."""
    return ()


def check(spark: SparkSession, streams: Sequence[Stream], options: LedgerOptions) -> Mapping[str, str]:
    """Return replay's identities."""
    return replay.check(spark, streams, _of_replay(options))


def watch(
    spark: SparkSession, streams: Sequence[Stream], options: LedgerOptions
) -> AbstractContextManager[Callable[[], Mapping[str, str]]]:
    """Watch as replay does."""
    return replay.watch(spark, streams, _of_replay(options))


def lost(spark: SparkSession, positions: Sequence[str], options: LedgerOptions) -> str:
    """Return what replay says."""
    return replay.lost(spark, positions, _of_replay(options))


def read(reader: DataFrameReader | DataStreamReader, stream: Stream, options: LedgerOptions) -> DataFrame:
    """Read the files."""
    return replay.read(reader, stream, _of_replay(options))


def envelope(raw: DataFrame) -> DataFrame:
    """Return replay's envelope."""
    return replay.envelope(raw)


def publisher(options: LedgerOptions) -> Publisher:
    """Return a publisher to the files."""
    return replay.publisher(_of_replay(options))


def create(streams: Sequence[Stream], options: LedgerOptions) -> Sequence[str]:
    """Create what the streams need."""
    return replay.create(streams, _of_replay(options))


def records(stream: Stream, options: LedgerOptions) -> Iterator[Record | None]:
    """Yield the records in the files."""
    return replay.records(stream, _of_replay(options))


def _of_replay(options: LedgerOptions) -> ReplayOptions:
    return ReplayOptions(Path(options.ledger_dir))
