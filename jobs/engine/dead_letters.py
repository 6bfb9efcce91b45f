"""Dead letters: messages that are not valid events, kept with the reason as lines that replay can read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from jobs.engine import files, reasons
from sources import instants
from sources.base import Record
from sources.catalog import STREAMS
from sources.replay import files as replay_files

AT_ONCE = 10_000
"""The most dead letters that one Spark job brings into this process; more come partition by partition."""
PART_BYTES = 4 << 20
"""Size in bytes: a file of dead letters ends with the line that reaches it."""
_FIRST, _LAST = (
    (time.replace(tzinfo=UTC) - instants.EPOCH) // instants.MICROSECOND
    for time in (datetime.min, datetime.max)
)


@dataclass(frozen=True)
class DeadLetter:
    """A message that is not a valid event, as its source stored it, and the reason."""

    reason: str
    record: Record


def letters(dead: DataFrame, max_future_skew: timedelta, count: int = 0) -> Iterator[DeadLetter]:
    """Yield the dead letters of `events.dead_letters`, each with its reason.

    The reasons are found in this process, one message at a time. `count`: how many dead letters there are, 0
    if unknown.
    """
    times = [F.unix_micros(name).alias(name) for name in ("published_at", "event_at")]
    rows = dead.select("stream", "partition", "offset", "key", "value", "attributes", *times, "latest")
    for row in rows.collect() if 0 < count <= AT_ONCE else rows.toLocalIterator():
        record = _record(row)
        stream = STREAMS[record.stream]
        yield DeadLetter(reasons.reason(record.value, stream, row["latest"], max_future_skew), record)


def write(spark: SparkSession, letters: Iterable[DeadLetter], folder: str, batch: int) -> int:
    """Write a batch's dead letters to `folder/batch=N`, replacing what is there; return how many there are.

    A line is a replay record (`sources/replay/files.py`) with a `reason`; `_SUCCESS` says that all are there.
    Raise OSError with the reason if they cannot be written.
    """
    path, written = f"{folder}/batch={batch}", 0
    files.delete(spark, path)
    for number, lines in enumerate(_parts(letters)):
        files.write_bytes(spark, f"{path}/part-{number:05}.txt", lines)
        written += lines.count(b"\n")
    files.write_bytes(spark, f"{path}/_SUCCESS", b"")
    return written


def _parts(letters: Iterable[DeadLetter]) -> Iterator[bytes]:
    part = bytearray()
    for letter in letters:
        part += replay_files.line({"reason": letter.reason, **replay_files.fields(letter.record)})
        if len(part) >= PART_BYTES:
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)


def _record(row: Row) -> Record:
    return Record(
        stream=row["stream"],
        key=_bytes(row["key"]),
        value=_bytes(row["value"]),
        event_at=_instant(row["event_at"]),
        attributes={name: list(map(_bytes, values)) for name, values in row["attributes"].items()},
        partition=row["partition"],
        offset=row["offset"],
        published_at=_instant(row["published_at"]),
    )


def _bytes(value: bytearray | None) -> bytes | None:
    return None if value is None else bytes(value)


def _instant(microseconds: int | None) -> datetime | None:
    """Return the instant, or the nearest in the years 1 to 9999: brokers may store one outside that range."""
    if microseconds is None:
        return None
    return instants.EPOCH + min(max(microseconds, _FIRST), _LAST) * instants.MICROSECOND
