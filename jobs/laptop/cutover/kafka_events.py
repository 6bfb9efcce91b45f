"""Everything that has arrived on Kafka, read once as a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine import dead_letters, reasons
from jobs.engine.pipeline import Pipeline, envelopes
from jobs.laptop.cutover.migration import Migration
from sources import instants


@dataclass(frozen=True)
class KafkaEvents:
    """The messages on Kafka and what they are.

    `events`: the valid ones by stream, each once (`events.good`). `times`: `event_id, event_time` of all
    events. `copies`: `event_id, stream, partition, offset` of every message that is JSON. `dead`: the number
    of messages that are not valid events, by reason. `oldest`: the oldest event's time; None: no event.
    """

    events: Mapping[str, DataFrame]
    times: DataFrame
    copies: DataFrame
    messages: int
    dead: dict[str, int]
    count: int
    oldest: datetime | None

    @property
    def repeated(self) -> int:
        """Return the number of messages whose event was already there."""
        return self.messages - sum(self.dead.values()) - self.count


def kafka_events(spark: SparkSession, migration: Migration) -> KafkaEvents:
    """Read what has arrived; raise SourceError if the broker does not answer or has no such topic."""
    source, streams = migration.new.source, migration.new.streams
    source.it.check(spark, streams, source.options)
    read = envelopes(source, spark.read, streams)
    came = {name: frame.persist() for name, frame in read.items()}
    pipeline = Pipeline(migration.new, came)
    letters = dead_letters.letters(pipeline.dead_letters(), migration.new.options.max_future_skew)
    dead = dict(Counter(reasons.kind(letter.reason) for letter in letters))
    good = {name: frame.persist() for name, frame in pipeline.good.items()}
    times = reduce(DataFrame.union, (frame.select("event_id", "event_time") for frame in good.values()))
    first = times.agg(F.count("*"), F.min(F.unix_micros("event_time"))).first()
    count, oldest = first if first else (0, None)
    copies = reduce(DataFrame.union, map(_copies, came.values()))
    messages = sum(frame.count() for frame in came.values())
    since = None if oldest is None else instants.EPOCH + oldest * instants.MICROSECOND
    return KafkaEvents(good, times, copies, messages, dead, count, since)


def _copies(envelopes: DataFrame) -> DataFrame:
    name = F.get_json_object(F.col("value").cast("string"), "$.event_id").alias("event_id")
    return envelopes.select(name, "stream", "partition", "offset")
