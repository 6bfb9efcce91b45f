"""A Kafka topic's records, read one by one without Spark, by confluent-kafka."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, TIMESTAMP_CREATE_TIME, Consumer, TopicPartition

from sources import instants
from sources.base import Record, SourceError
from sources.catalog import Stream
from sources.kafka.client import connected, partitions
from sources.kafka.connection import ANSWER_SECONDS, COMMITTED, missing, unreachable
from sources.time_order import merged


def records(stream: Stream, options: Namespace) -> Iterator[Record | None]:
    """Yield the topic's records from `--kafka-starting` on, endlessly; None after each second without one."""
    group = {"group.id": "twinstream-record", "enable.auto.commit": False, "auto.offset.reset": "error"}
    consumer = connected(Consumer, options, {**group, **COMMITTED})
    try:
        counts = partitions(consumer, options)
        if stream.topic not in counts:
            raise missing(stream.topic, options)
        count = counts[stream.topic]
        consumer.assign(_start(consumer, stream.topic, count, options.kafka_starting))
        yield from merged(_polled(consumer, stream, options), _ends(consumer, stream.topic, count))
    finally:
        consumer.close()


def _polled(consumer: Consumer, stream: Stream, options: Namespace) -> Iterator[Record | None]:
    while True:
        message = consumer.poll(1.0)
        if message is not None and (failure := message.error()):
            raise unreachable(options, failure.str())
        yield None if message is None else _record(stream, message)


def _ends(consumer: Consumer, topic: str, count: int) -> dict[int, int]:
    """Return the end offset of each partition that has messages."""
    offsets = {
        partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ANSWER_SECONDS)
        for partition in range(count)
    }
    return {partition: end for partition, (first, end) in offsets.items() if end > first}


def _start(consumer: Consumer, topic: str, count: int, starting: str | datetime) -> list[TopicPartition]:
    if isinstance(starting, datetime):
        stamp = instants.milliseconds(starting)
        asked = [TopicPartition(topic, partition, stamp) for partition in range(count)]
        return consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS)
    offset = OFFSET_BEGINNING if starting == "earliest" else OFFSET_END
    return [TopicPartition(topic, partition, offset) for partition in range(count)]


def _record(stream: Stream, message: Any) -> Record:
    kind, stamp = message.timestamp()
    try:
        published_at = instants.from_milliseconds(stamp)
    except ValueError as error:
        raise SourceError(
            f"{message.topic()}, partition {message.partition()}, offset {message.offset()}: its timestamp, "
            f"{error}; expected milliseconds since 1970, no finer unit; remedy: correct the producer, and "
            "start behind this message (--kafka-starting latest)"
        ) from None
    attributes: dict[str, list[bytes | None]] = {}
    for name, value in message.headers() or ():
        attributes.setdefault(name, []).append(value)
    return Record(
        stream=stream.name,
        key=message.key(),
        value=message.value(),
        event_at=published_at if kind == TIMESTAMP_CREATE_TIME else None,
        attributes=attributes,
        partition=message.partition(),
        offset=message.offset(),
        published_at=published_at,
    )
