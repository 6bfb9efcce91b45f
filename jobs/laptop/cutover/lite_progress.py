"""The progress of a run on Pub/Sub Lite, read from its checkpoint, its sink and the service, read-only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import SparkSession

from jobs.engine import files, offset_log
from jobs.engine.checkpoint import CONTRACT, parse_contract
from jobs.engine.sink import newest_window
from jobs.laptop.cutover.migration import Migration
from sources import instants
from sources.catalog import Stream
from sources.pubsublite.options import LiteOptions


@dataclass(frozen=True)
class Partition:
    """The next offsets of a partition.

    `processed`: by committed batches. `committed`: the service's cursor (None: no cursor). `head`: the
    topic's end.
    """

    stream: str
    partition: int
    processed: int
    committed: int | None
    head: int

    @property
    def unread(self) -> int:
        """Return the number of messages that are published but not processed."""
        return self.head - self.processed


@dataclass(frozen=True)
class Batches:
    """The batches of a checkpoint.

    `last`: the last committed one (None: none). `begun`: one more was planned but not committed. `watermark`:
    that of the last one (None: none yet). `processed`: its next offsets by stream and partition.
    """

    last: int | None
    begun: bool
    watermark: datetime | None
    processed: dict[str, dict[int, int]]


@dataclass(frozen=True)
class LiteProgress:
    """The progress of a run.

    `finished`: windows that end at or before it are final and written; None: no window is. `by`: where
    `finished` was read from.
    """

    batches: Batches
    partitions: tuple[Partition, ...]
    finished: datetime | None
    by: str

    def start(self, look_back: timedelta, skew: timedelta) -> datetime | None:
        """Return the start of a run that covers every unfinished window; None: at the oldest event.

        A later window's events lie after `finished` minus `look_back`, and the broker may have stamped an
        event up to `skew` before its own time.
        """
        return self.finished - look_back - skew if self.finished else None


def lite_progress(spark: SparkSession, migration: Migration) -> LiteProgress:
    """Determine where the old run stands.

    Raise SourceError if Pub/Sub Lite does not answer, and SinkError if a batch is only partly in the sink.
    """
    streams, options = migration.old.streams, migration.old.source.options
    contract = parse_contract(files.read_bytes(spark, f"{migration.old_checkpoint}/{CONTRACT}"))
    found = batches(spark, migration.old_checkpoint, streams, contract.reads)
    partitions = tuple(part for stream in streams for part in _partitions(stream, found, options))
    finished, by = _finished(spark, migration, found)
    return LiteProgress(found, partitions, finished, by)


def batches(
    spark: SparkSession, checkpoint: str, streams: tuple[Stream, ...], reads: Sequence[str]
) -> Batches:
    """Return a checkpoint's batches, read from Spark's own files: `commits/N` and `offsets/N` of batch N.

    `streams`: the job's. `reads`: those of its query's sources (`Contract`).
    """
    committed, planned = (_newest(spark, f"{checkpoint}/{log}") for log in ("commits", "offsets"))
    begun = planned is not None and planned != committed
    if committed is None:
        return Batches(None, begun, None, {})
    content = files.read_bytes(spark, f"{checkpoint}/offsets/{committed}").decode()
    positions = offset_log.positions(content, reads, [stream.name for stream in streams])
    ends = {
        name: {int(partition): last + 1 for partition, last in json.loads(position).items()}
        for name, position in positions.items()
    }
    stamp = json.loads(content.splitlines()[1])["batchWatermarkMs"]
    return Batches(committed, begun, instants.from_milliseconds(stamp) if stamp else None, ends)


def _newest(spark: SparkSession, log: str) -> int | None:
    names = (path.rpartition("/")[2] for path in files.matching(spark, f"{log}/*"))
    return max((int(name) for name in names if name.isdecimal()), default=None)


def _partitions(stream: Stream, found: Batches, options: LiteOptions) -> Iterator[Partition]:
    from sources.pubsublite.cursors import committed, heads

    cursors = committed(stream, options)
    processed = found.processed.get(stream.name, {})
    for number, head in heads(stream, options).items():
        cursor = cursors.get(number)
        yield Partition(stream.name, number, processed.get(number, cursor or 0), cursor, head)


def _finished(spark: SparkSession, migration: Migration, found: Batches) -> tuple[datetime | None, str]:
    """Return the end of the last finished window and where it was read from.

    If rows are only ever appended, that is the sink's newest window, which no crash can falsify. Otherwise it
    follows from the watermark of the last committed batch: a later batch may have written later windows,
    which are written again with the same key.
    """
    sink = migration.old.sink
    if not migration.old.upsert:
        rows = sink.it.written(spark, sink.options)
        if rows is not None and (newest := newest_window(rows)):
            return newest, "the newest window in the sink"
    if found.watermark is None:
        return None, "no watermark yet"
    final = migration.job.emission(migration.old.own).final(found.watermark)
    return final, "the watermark of the last committed batch"
