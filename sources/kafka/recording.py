"""A Kafka topic's records, read one by one without Spark, by kafka-python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sources import instants
from sources.base import Record, SourceError
from sources.catalog import Stream
from sources.kafka import event_time
from sources.kafka.client import consumer, partitions, told
from sources.kafka.failure import ANSWER_SECONDS, missing
from sources.kafka.options import KafkaOptions
from sources.time_order import merged

if TYPE_CHECKING:
    from kafka import KafkaConsumer, TopicPartition

CREATE_TIME = 0
"""The type of a timestamp that the producer gave."""


def records(stream: Stream, options: KafkaOptions) -> Iterator[Record | None]:
    """Yield the topic's records from `--kafka-starting` on, endlessly; None after each second without one."""
    count = partitions(options, [stream.topic]).get(stream.topic)
    if count is None:
        raise missing(stream.topic, options)
    with consumer(options, {stream.topic: range(count)}) as reader, told(options):
        places = sorted(reader.assignment())
        _seek(reader, places, options.kafka_starting)
        yield from merged(_polled(reader, stream), _ends(reader, places))


def _polled(reader: KafkaConsumer, stream: Stream) -> Iterator[Record | None]:
    while True:
        polled = reader.poll(timeout_ms=1000)
        for messages in polled.values():
            yield from (_record(stream, message) for message in messages)
        if not polled:
            yield None


def _ends(reader: KafkaConsumer, places: Sequence[TopicPartition]) -> dict[int, int]:
    """Return the end offset of each partition that has messages."""
    wait = ANSWER_SECONDS * 1000
    firsts = reader.beginning_offsets(places, timeout_ms=wait)
    ends = reader.end_offsets(places, timeout_ms=wait)
    return {place.partition: ends[place] for place in places if ends[place] > firsts[place]}


def _seek(reader: KafkaConsumer, places: Sequence[TopicPartition], starting: str | datetime) -> None:
    if starting == "earliest":
        reader.seek_to_beginning(*places)
        return
    reader.seek_to_end(*places)
    if isinstance(starting, datetime):
        wanted = dict.fromkeys(places, instants.milliseconds(starting))
        found = reader.offsets_for_times(wanted, timeout_ms=ANSWER_SECONDS * 1000)
        for place in places:
            if found[place] is not None:
                reader.seek(place, found[place].offset)


def _record(stream: Stream, message: Any) -> Record:
    try:
        published_at = instants.from_milliseconds(message.timestamp)
    except ValueError as error:
        raise SourceError(
            f"{message.topic}, partition {message.partition}, offset {message.offset}: its "
            f"timestamp, {error}",
            expected="milliseconds since 1970, no finer unit",
            remedy=("correct the producer, and start behind this message (--kafka-starting latest)"),
        ) from None
    event_at = published_at if message.timestamp_type == CREATE_TIME else None
    attributes: dict[str, list[bytes | None]] = {}
    for name, value in message.headers:
        if name == event_time.HEADER:
            event_at = event_time.read(value)
        else:
            attributes.setdefault(name, []).append(value)
    return Record(
        stream=stream.name,
        key=message.key,
        value=message.value,
        event_at=event_at,
        attributes=attributes,
        partition=message.partition,
        offset=message.offset,
        published_at=published_at,
    )
