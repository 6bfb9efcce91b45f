"""Kafka without Spark, by confluent-kafka: making topics, publishing, reading record by record."""

from __future__ import annotations

from argparse import Namespace
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sources import instants
from sources.catalog import PARTITIONS, Stream, partition_of
from sources.kafka import ANSWER_SECONDS, missing, unreachable
from sources.source import Acknowledge, Message, Record, SourceError

try:
    from confluent_kafka import (
        OFFSET_BEGINNING,
        OFFSET_END,
        TIMESTAMP_CREATE_TIME,
        Consumer,
        KafkaError,
        KafkaException,
        Producer,
        TopicPartition,
    )
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic
except ImportError as absent:
    raise SourceError(
        f"{absent}; expected the package confluent-kafka for publishing and recording; "
        "remedy: pip install 'confluent-kafka~=2.16'"
    ) from None

LARGEST_MESSAGE = 3_670_016
"""Bytes: what Pub/Sub Lite takes, and what the topics made here take."""


def create_topics(streams: Sequence[Stream], options: Namespace) -> list[str]:
    """Make the topics that are not there, and return their names; raises SourceError when refused."""
    admin = AdminClient(_properties(options))
    there = _partitions(admin, options)
    made = [
        NewTopic(topic, num_partitions=PARTITIONS, config={"max.message.bytes": str(LARGEST_MESSAGE)})
        for topic in (stream.topic for stream in streams)
        if topic not in there
    ]
    for answer in admin.create_topics(made, operation_timeout=ANSWER_SECONDS).values() if made else ():
        try:
            answer.result()
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise unreachable(options, failure.args[0].str()) from None
    return [topic.topic for topic in made]


class KafkaPublisher:
    """An idempotent producer: its own retries lose nothing and repeat nothing; waits for all replicas.

    A message that the broker has not taken after `ANSWER_SECONDS` is acknowledged with the error.
    Raises SourceError where no broker answers.
    """

    def __init__(self, options: Namespace) -> None:
        self._options = options
        self._producer = Producer(
            {
                **_properties(options),
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.max.bytes": LARGEST_MESSAGE + 100_000,
                "message.timeout.ms": ANSWER_SECONDS * 1000,
            }
        )
        self._counts = _partitions(self._producer, options)
        self._keyless = 0

    def publish(self, messages: Sequence[Message], acknowledge: Acknowledge) -> None:
        """Send `messages`; raises SourceError, with none sent, when a stream has no topic."""
        for name in {message.stream for message in messages}:
            self._look_up(Stream(name))
        for message in messages:
            topic = Stream(message.stream).topic
            self._send(topic, self._partition(topic, message.key), message, acknowledge)
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until every message is acknowledged: `ANSWER_SECONDS` at most after the last."""
        while self._producer.flush(1.0):
            pass

    def close(self) -> None:
        """Flush; nothing else is held."""
        self.flush()

    def _look_up(self, stream: Stream) -> None:
        if stream.topic not in self._counts:
            self._counts = _partitions(self._producer, self._options)
        if stream.topic not in self._counts:
            raise missing(stream.topic, self._options)

    def _partition(self, topic: str, key: bytes | None) -> int:
        if key is not None:
            return partition_of(key, self._counts[topic])
        self._keyless += 1
        return (self._keyless - 1) % self._counts[topic]

    def _send(self, topic: str, partition: int, message: Message, acknowledge: Acknowledge) -> None:
        record: dict[str, Any] = {
            "value": message.value,
            "key": message.key,
            "partition": partition,
            "timestamp": 0 if message.event_at is None else instants.milliseconds(message.event_at),
            "headers": [(name, value) for name, values in message.attributes.items() for value in values],
            "on_delivery": partial(self._settle, topic, partition, message, acknowledge),
        }
        while True:
            try:
                return self._producer.produce(topic, **record)
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as refusal:
                return acknowledge(message, refusal)

    def _settle(
        self,
        topic: str,
        partition: int,
        message: Message,
        acknowledge: Acknowledge,
        failure: KafkaError | None,
        _: object,
    ) -> None:
        if failure is None:
            acknowledge(message, None)
        elif failure.code() == KafkaError._INVALID_DIFFERENT_RECORD:  # refused for its neighbour's sake
            self._send(topic, partition, message, acknowledge)
        else:
            acknowledge(message, KafkaException(failure))


def records(stream: Stream, options: Namespace) -> Iterator[Record | None]:
    """The topic's records from `--starting` on, without end; None after each second without one."""
    group = {"group.id": "twinstream-record", "enable.auto.commit": False, "auto.offset.reset": "error"}
    consumer = Consumer({**_properties(options), **group})
    try:
        counts = _partitions(consumer, options)
        if stream.topic not in counts:
            raise missing(stream.topic, options)
        count = counts[stream.topic]
        consumer.assign(_start(consumer, stream.topic, count, options.starting))
        yield from _merged(_polled(consumer, stream, options), _ends(consumer, stream.topic, count))
    finally:
        consumer.close()


def _polled(consumer: Consumer, stream: Stream, options: Namespace) -> Iterator[Record | None]:
    while True:
        message = consumer.poll(1.0)
        if message is not None and (failure := message.error()):
            raise unreachable(options, failure.str())
        yield None if message is None else _record(stream, message)


def _ends(consumer: Consumer, topic: str, count: int) -> dict[int, int]:
    """The end offset of each partition that has messages."""
    offsets = {
        partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ANSWER_SECONDS)
        for partition in range(count)
    }
    return {partition: end for partition, (first, end) in offsets.items() if end > first}


def _merged(polled: Iterator[Record | None], ends: dict[int, int]) -> Iterator[Record | None]:
    """What was there at the start, by time over all partitions, as far as each keeps it; then as it comes.

    A broker hands a backlog over partition by partition: recorded like that, the second would be late.
    """
    heads: dict[int, deque[Record]] = {partition: deque() for partition in ends}
    behind = set(ends)
    while behind:
        record = next(polled)
        if record is None:  # a partition's last offset may hold no message; or the start was the end
            break
        heads.setdefault(record.partition, deque()).append(record)
        if record.offset + 1 >= ends.get(record.partition, 0):
            behind.discard(record.partition)
        while all(heads[partition] for partition in behind) and any(heads.values()):
            yield _oldest(heads)
    while any(heads.values()):
        yield _oldest(heads)
    yield from polled


def _oldest(heads: dict[int, deque[Record]]) -> Record:
    waiting = [queue for queue in heads.values() if queue]
    return min(waiting, key=lambda queue: (queue[0].published_at, queue[0].partition)).popleft()


def _start(consumer: Consumer, topic: str, count: int, starting: str | datetime) -> list[TopicPartition]:
    if isinstance(starting, datetime):
        stamp = instants.milliseconds(starting)
        asked = [TopicPartition(topic, partition, stamp) for partition in range(count)]
        return consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS)
    offset = OFFSET_BEGINNING if starting == "earliest" else OFFSET_END
    return [TopicPartition(topic, partition, offset) for partition in range(count)]


def _record(stream: Stream, message: Any) -> Record:
    kind, stamp = message.timestamp()
    published_at = instants.from_milliseconds(stamp)
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


def _properties(options: Namespace) -> dict[str, str | int | float | bool]:
    """What every client here needs; librdkafka's own log says what the errors say, many times over."""
    return {"bootstrap.servers": options.kafka_bootstrap_servers, "log_level": 0}


def _partitions(client: Producer | Consumer | AdminClient, options: Namespace) -> dict[str, int]:
    """The number of partitions of every topic."""
    try:
        topics = client.list_topics(timeout=ANSWER_SECONDS).topics
    except KafkaException as failure:
        raise unreachable(options, failure.args[0].str()) from None
    return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None}
