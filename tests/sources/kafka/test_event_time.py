"""A message's own time on Kafka: the same through Kafka and through the emulator that runs over it."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from google.cloud.pubsublite.cloudpubsub import PublisherClient
from google.cloud.pubsublite.cloudpubsub.message_transforms import encode_attribute_event_time
from google.cloud.pubsublite.types import TopicPath
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from pubsublite_emulator import Emulator
from sources import flags, kafka, pubsublite
from sources.base import Message, Record
from sources.catalog import PARTITIONS, Stream
from sources.kafka import event_time
from sources.kafka.options import KafkaOptions
from sources.pubsublite.options import LiteOptions
from sources.pubsublite.paths import topic_path
from tests.support.kafka_broker import KafkaBroker
from tests.support.lite import led
from tests.support.topic import put

LEAP_DAY = datetime(2024, 2, 29, 12, 0, 0, 123_456, UTC)
BEFORE_1970 = datetime(1969, 12, 31, 23, 59, 58, 500_000, UTC)
BY_PRODUCER = datetime(2026, 1, 1, 12, 0, 0, 7_000, UTC)
HEADER = "pubsublite.event_time"
VALUES = {
    b"1709208000.123456789": LEAP_DAY,
    b"1709208000": LEAP_DAY.replace(microsecond=0),
    b"-2.500000000": BEFORE_1970,
    b"-62135596800.000000000": datetime(1, 1, 1, tzinfo=UTC),
    b"253402300799.999999999": datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
    **dict.fromkeys((b"", None, b"253402300800", b"-62135596801", b"1.", b"1.5\n", b"noon", b"\xff")),
}


@pytest.mark.parametrize("ansi", ["false", "true"])
def test_a_header_is_read_alike_with_spark_and_without(spark: SparkSession, ansi: str) -> None:
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", ansi)
    try:
        frame = spark.createDataFrame([(value,) for value in VALUES], "header binary")
        found = frame.select(F.unix_micros(event_time.column(F.col("header")))).collect()
    finally:
        spark.conf.set("spark.sql.ansi.enabled", before or "false")
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    wanted = [time and (time - epoch) // datetime.resolution for time in VALUES.values()]
    assert [row[0] for row in found] == wanted
    assert [event_time.read(value) for value in VALUES] == list(VALUES.values())


def compared(found: Any) -> tuple[Any, ...]:
    """Return what both brokers keep of a row or record."""
    times = [time and time.replace(tzinfo=UTC) for time in (found.event_at, found.published_at)]
    values = {name: [bytes(value) for value in values] for name, values in found.attributes.items()}
    return bytes(found.value), values, *times


def streamed(spark: SparkSession, source: Any, stream: Stream, options: Any, place: Path) -> list[Row]:
    rows: list[Row] = []
    query = (
        source.envelope(source.read(spark.readStream, stream, options))
        .writeStream.foreachBatch(lambda frame, _: rows.extend(frame.collect()))
        .option("checkpointLocation", str(place))
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(60)
    return rows


def recorded(source: Any, stream: Stream, options: Any, count: int) -> list[Record]:
    records = source.records(stream, options)
    try:
        return list(islice(filter(None, records), count))
    finally:
        records.close()


def published_on_lite(path: str) -> None:
    """Publish with Google's own client: with an event time, with an early one, without one."""
    with PublisherClient() as publisher:
        for value, time in ((b"timed", LEAP_DAY), (b"early", BEFORE_1970), (b"timeless", None)):
            of_message = {"x-goog-pubsublite-event-time": encode_attribute_event_time(time)} if time else {}
            publisher.publish(TopicPath.parse(path), value, colour="red", **of_message).result(30)


def test_both_sources_read_the_same_times(
    spark: SparkSession, kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    stream = Stream("own-times")
    kafka_broker.create_topic(stream.topic, PARTITIONS)
    on_kafka = flags.options(KafkaOptions, ["--kafka-bootstrap-servers", kafka_broker.bootstrap], prog="test")
    on_lite = flags.options(LiteOptions, [], prog="test")
    put(kafka_broker.bootstrap, Message(stream.name, None, b"by a producer", BY_PRODUCER), 0)
    by_java = Message(stream.name, None, b"by Java", BY_PRODUCER, {HEADER: [b"1709208000"]})
    put(kafka_broker.bootstrap, by_java, 0)
    with Emulator(f"kafka://{kafka_broker.bootstrap}") as lite, led(lite, spark):
        pubsublite.create([stream], on_lite)
        published_on_lite(topic_path(stream, on_lite))
        rows: list[list[Any]] = [
            streamed(spark, kafka, stream, on_kafka, tmp_path / "kafka"),
            streamed(spark, pubsublite, stream, on_lite, tmp_path / "lite"),
            kafka.envelope(kafka.read(spark.read, stream, on_kafka)).collect(),
            recorded(kafka, stream, on_kafka, 5),
            recorded(pubsublite, stream, on_lite, 5),
        ]
    first, *others = [sorted(map(compared, found)) for found in rows]
    assert others == [first] * 4
    assert {value: (attributes, time) for value, attributes, time, _ in first} == {
        b"by a producer": ({}, BY_PRODUCER),
        b"by Java": ({}, LEAP_DAY.replace(microsecond=0)),
        b"timed": ({"colour": [b"red"]}, LEAP_DAY),
        b"early": ({"colour": [b"red"]}, BEFORE_1970),
        b"timeless": ({"colour": [b"red"]}, None),
    }
