"""Events from Kafka, read by Spark's own connector; kafka-python publishes and records them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.readwriter import DataStreamReader

from sources import instants
from sources.base import Publisher, Record, SourceError
from sources.catalog import TOPIC_SUFFIX, Stream
from sources.envelope import conform
from sources.google_cloud import OnGoogleCloud
from sources.kafka import event_time
from sources.kafka import login as kafka_login
from sources.kafka.connection import client_properties, oldest_offsets, topic_ids, watched_topics
from sources.kafka.google_cloud import KafkaOnGoogleCloud
from sources.kafka.offsets import gone, next_offsets
from sources.kafka.options import COMMITTED, KafkaOptions

OPTIONS = KafkaOptions
BOUNDED = False
GOOGLE_CLOUD: OnGoogleCloud = KafkaOnGoogleCloud()
WATCH_SECONDS = 2
"""Seconds that a look at a running job's topics may take; a caller that gets no answer looks again."""


def jars(options: KafkaOptions) -> tuple[str, ...]:
    """Return Spark's connector and, if requested, Google's login."""
    return kafka_login.jar_sets(options)


def check(spark: SparkSession, streams: Sequence[Stream], options: KafkaOptions) -> Mapping[str, str]:
    """Return the topics' ids, by stream; a recreated topic has another id.

    Raise SourceError if the broker does not answer within `ANSWER_SECONDS`, refuses this user's login or has
    no such topic.
    """
    ids = topic_ids(spark, [stream.topic for stream in streams], options)
    return {stream.name: ids[stream.topic] for stream in streams}


@contextmanager
def watch(
    spark: SparkSession, streams: Sequence[Stream], options: KafkaOptions
) -> Iterator[Callable[[], Mapping[str, str]]]:
    """Yield a function that looks up the topics' ids again.

    Raise SourceError if the broker does not answer within `WATCH_SECONDS`.
    """
    with watched_topics(spark, [stream.topic for stream in streams], options, WATCH_SECONDS) as ids:

        def identities() -> Mapping[str, str]:
            now = ids()
            return {stream.name: now[stream.topic] for stream in streams}

        yield identities


def lost(spark: SparkSession, positions: Sequence[str], options: KafkaOptions) -> str:
    """Return which messages retention deleted before the checkpoint read them; "" if none."""
    going_on = next_offsets(positions)
    return gone(going_on, oldest_offsets(spark, going_on, options))


def read(reader: DataFrameReader | DataStreamReader, stream: Stream, options: KafkaOptions) -> DataFrame:
    """Return the topic's records from `--kafka-starting` on; a batch read ends at the topic's current end.

    Raise SourceError for a batch read from `latest`, which would be empty.
    """
    settings = {
        "subscribe": stream.topic,
        "includeHeaders": "true",
        "failOnDataLoss": "true",
        # By default a fetch waits up to 500 ms for more data if a partition has little: pure latency here.
        "kafka.fetch.max.wait.ms": "10",
        **{f"kafka.{name}": value for name, value in {**client_properties(options), **COMMITTED}.items()},
        **_starting_options(options.kafka_starting),
    }
    if isinstance(reader, DataStreamReader):
        settings["maxOffsetsPerTrigger"] = str(options.kafka_max_events_per_batch)
    elif options.kafka_starting == "latest":
        raise SourceError(
            "--kafka-starting latest leaves a batch nothing",
            expected="earliest or a time",
            remedy="earliest",
        )
    return reader.format("kafka").options(**settings).load()


def envelope(raw: DataFrame) -> DataFrame:
    """Return the connector's columns as the canonical envelope.

    `published_at` is the record's timestamp. `event_at` is the time in the header that Google's Pub/Sub Lite
    clients write (`sources.kafka.event_time`), null if that holds none. Without the header it equals a
    timestamp that the producer gave (CreateTime, Kafka's default), and is null if the broker set it.
    """
    by_producer = F.when(F.col("timestampType") == 0, F.col("timestamp"))
    own = F.filter("headers", lambda header: header["key"] == event_time.HEADER)
    of_message = event_time.column(F.try_element_at(own, F.lit(-1))["value"])
    return conform(
        raw.select(
            F.expr(f"left(topic, length(topic) - {len(TOPIC_SUFFIX)})").alias("stream"),
            "partition",
            "offset",
            "key",
            "value",
            _attributes().alias("attributes"),
            F.col("timestamp").alias("published_at"),
            F.when(F.size(own) > 0, of_message).otherwise(by_producer).alias("event_at"),
        )
    )


def create(streams: Sequence[Stream], options: KafkaOptions) -> list[str]:
    """Create the topics that do not exist yet, and return their names."""
    from sources.kafka.publishing import create_topics

    return create_topics(streams, options)


def publisher(options: KafkaOptions) -> Publisher:
    """Return a publisher to the broker; raise SourceError if it does not answer."""
    from sources.kafka.publishing import KafkaPublisher

    return KafkaPublisher(options)


def records(stream: Stream, options: KafkaOptions) -> Iterator[Record | None]:
    """Yield the topic's records from `--kafka-starting` on, endlessly; raise SourceError as `check` does."""
    from sources.kafka import recording

    return recording.records(stream, options)


def _attributes() -> Column:
    names = F.array_remove(F.array_distinct("headers.key"), event_time.HEADER)
    grouped = F.map_from_arrays(
        names,
        F.transform(
            names,
            lambda name: F.transform(
                F.filter("headers", lambda header: header["key"] == name), lambda header: header["value"]
            ),
        ),
    )
    none = F.create_map().cast("map<string,array<binary>>")
    return F.when(F.col("headers").isNull(), none).otherwise(grouped)


def _starting_options(starting: str | datetime) -> dict[str, str]:
    if isinstance(starting, str):
        return {"startingOffsets": starting}
    since = str(instants.milliseconds(starting))
    return {"startingTimestamp": since, "startingOffsetsByTimestampStrategy": "latest"}
