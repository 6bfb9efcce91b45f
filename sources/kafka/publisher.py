"""Kafka without Spark, by confluent-kafka: creation of topics, and publishing."""

from __future__ import annotations

from argparse import Namespace
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from sources import instants
from sources.base import Acknowledge, Message
from sources.catalog import PARTITIONS, Stream, partition_of
from sources.kafka.client import connected, partitions
from sources.kafka.connection import ANSWER_SECONDS, missing, unreachable

LARGEST_MESSAGE = 3_670_016
"""Bytes: the limit of Pub/Sub Lite, and of the topics created here."""


def create_topics(streams: Sequence[Stream], options: Namespace) -> list[str]:
    """Create the topics that do not exist yet, and return their names; raise SourceError if refused."""
    admin = connected(AdminClient, options)
    there = partitions(admin, options)
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


_FOR_ONE_IN_THE_BATCH = (
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.INVALID_RECORD,
    KafkaError._INVALID_DIFFERENT_RECORD,
)
"""Errors with which a broker refuses a whole batch because of one message in it."""


@dataclass(frozen=True)
class _Sending:
    message: Message
    topic: str
    partition: int
    acknowledge: Acknowledge
    alone: bool = False


class KafkaPublisher:
    """An idempotent producer that waits for all replicas; its own retries lose nothing and repeat nothing.

    A message that the broker has not accepted after `ANSWER_SECONDS` is acknowledged with the error.
    The constructor raises SourceError if no broker answers.
    """

    def __init__(self, options: Namespace) -> None:
        self._options = options
        settings = {
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.max.bytes": LARGEST_MESSAGE + 100_000,
            "message.timeout.ms": ANSWER_SECONDS * 1000,
        }
        self._producer = connected(Producer, options, settings)
        self._counts = partitions(self._producer, options)
        self._keyless = 0
        self._refused: deque[_Sending] = deque()

    def publish(self, messages: Sequence[Message], acknowledge: Acknowledge) -> None:
        """Send `messages`; raise SourceError, with none sent, if a stream has no topic."""
        for name in {message.stream for message in messages}:
            self._look_up(Stream(name))
        for message in messages:
            topic = Stream(message.stream).topic
            self._send(_Sending(message, topic, self._partition(topic, message.key), acknowledge))
        self._producer.poll(0)
        self._send_refused()

    def flush(self) -> None:
        """Wait until every message is acknowledged, at most `ANSWER_SECONDS` after the last one."""
        self._wait()
        self._send_refused()

    def close(self) -> None:
        """Flush; there is nothing else to release."""
        self.flush()

    def _look_up(self, stream: Stream) -> None:
        if stream.topic not in self._counts:
            self._counts = partitions(self._producer, self._options)
        if stream.topic not in self._counts:
            raise missing(stream.topic, self._options)

    def _partition(self, topic: str, key: bytes | None) -> int:
        if key is not None:
            return partition_of(key, self._counts[topic])
        self._keyless += 1
        return (self._keyless - 1) % self._counts[topic]

    def _send(self, sending: _Sending) -> None:
        message = sending.message
        headers: list[tuple[str, str | bytes | None]] = [
            (name, value) for name, values in message.attributes.items() for value in values
        ]
        stamp = 0 if message.event_at is None else instants.milliseconds(message.event_at)
        while True:
            try:
                return self._producer.produce(
                    sending.topic,
                    value=message.value,
                    key=message.key,
                    partition=sending.partition,
                    timestamp=stamp,
                    headers=headers,
                    on_delivery=partial(self._settle, sending),
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as refusal:
                return sending.acknowledge(message, refusal)

    def _settle(self, sending: _Sending, failure: KafkaError | None, _: object) -> None:
        if failure is None:
            sending.acknowledge(sending.message, None)
        elif failure.code() in _FOR_ONE_IN_THE_BATCH and not sending.alone:
            self._refused.append(sending)
        else:
            sending.acknowledge(sending.message, KafkaException(failure))

    def _send_refused(self) -> None:
        """Send each message of a refused batch again by itself, so that only the faulty one fails."""
        while self._refused:
            self._wait()
            self._send(replace(self._refused.popleft(), alone=True))
            self._wait()

    def _wait(self) -> None:
        while self._producer.flush(1.0):
            pass
