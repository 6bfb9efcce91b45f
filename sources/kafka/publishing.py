"""Kafka without Spark, by kafka-python: creation of topics, and publishing."""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sources import instants
from sources.base import Acknowledge, Message, SourceError
from sources.catalog import PARTITIONS, Stream, partition_of
from sources.kafka.client import admin, connected, library, partitions, told
from sources.kafka.failure import ANSWER_SECONDS, missing, unreachable
from sources.kafka.options import KafkaOptions

if TYPE_CHECKING:
    from kafka import KafkaProducer

LARGEST_MESSAGE = 3_670_016
"""Bytes: the limit of Pub/Sub Lite, and of the topics created here."""
MOST_MESSAGES, MOST_BYTES = 20_000, 32 << 20
"""Messages and bytes that may be unacknowledged before `publish` waits."""
BATCH_BYTES = 256 << 10
GRACE_SECONDS = 1
"""Seconds after `ANSWER_SECONDS` in which kafka-python should have reported a failure itself."""


def create_topics(streams: Sequence[Stream], options: KafkaOptions) -> list[str]:
    """Create the topics that do not exist yet, and return their names; raise SourceError if refused."""
    from kafka.errors import TopicAlreadyExistsError, for_code

    there = partitions(options, [stream.topic for stream in streams])
    settings = {"num_partitions": PARTITIONS, "configs": {"max.message.bytes": str(LARGEST_MESSAGE)}}
    wanted = {stream.topic: settings for stream in streams if stream.topic not in there}
    if not wanted:
        return []
    with admin(options) as client, told(options):
        answer = client.create_topics(wanted, timeout_ms=ANSWER_SECONDS * 1000, raise_errors=False)
    for topic in answer["topics"]:
        refusal = for_code(topic["error_code"])
        if topic["error_code"] and refusal is not TopicAlreadyExistsError:
            raise unreachable(options, topic["error_message"] or refusal.description)
    return list(wanted)


@dataclass(frozen=True, eq=False)
class _Sending:
    message: Message
    topic: str
    partition: int
    acknowledge: Acknowledge
    again: bool = False

    @property
    def size(self) -> int:
        values = [value for values in self.message.attributes.values() for value in values]
        return sum(len(part) for part in (self.message.key, self.message.value, *values) if part)


class KafkaPublisher:
    """An idempotent producer that waits for all replicas; its own retries lose nothing and repeat nothing.

    A message that the broker has not accepted after `ANSWER_SECONDS` is acknowledged with the error, and so
    is one that kafka-python cannot send: with an attribute that has no value, or without key and value.
    If the broker is silent for that long, another producer takes over as soon as it answers again.
    The constructor raises SourceError if no broker answers.
    """

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._producer: KafkaProducer | None = _producer(options)
        self._down: tuple[float, SourceError] | None = None
        self._counts: dict[str, int] = {}
        self._settled: queue.SimpleQueue[tuple[_Sending, Exception | None]] = queue.SimpleQueue()
        self._refused: deque[_Sending] = deque()
        self._pending: set[_Sending] = set()
        self._heard = 0.0
        self._keyless = self._bytes = 0

    def publish(self, messages: Sequence[Message], acknowledge: Acknowledge) -> None:
        """Send `messages`; raise SourceError, with none sent, if a stream has no topic."""
        self._look_up({message.stream for message in messages})
        for message in messages:
            topic = Stream(message.stream).topic
            self._send(_Sending(message, topic, self._partition(topic, message.key), acknowledge))
        self._acknowledge_settled()
        self._send_refused()

    def flush(self) -> None:
        """Wait until every message is acknowledged, at most `ANSWER_SECONDS` after the last one."""
        self._wait()
        self._send_refused()

    def close(self) -> None:
        """Flush, then close the connections."""
        self.flush()
        if self._producer:
            self._producer.close()

    def _look_up(self, streams: set[str]) -> None:
        unknown = [topic for name in sorted(streams) if (topic := Stream(name).topic) not in self._counts]
        if unknown:
            self._counts |= partitions(self._options, unknown)
        for topic in unknown:
            if topic not in self._counts:
                raise missing(topic, self._options)

    def _partition(self, topic: str, key: bytes | None) -> int:
        if key is not None:
            return partition_of(key, self._counts[topic])
        self._keyless += 1
        return (self._keyless - 1) % self._counts[topic]

    def _send(self, sending: _Sending) -> None:
        while len(self._pending) >= MOST_MESSAGES or (
            self._pending and self._bytes + sending.size > MOST_BYTES
        ):
            self._settle_one()
        if not self._pending:
            self._heard = time.monotonic()
        self._pending.add(sending)
        self._bytes += sending.size
        message = sending.message
        headers = [(name, value) for name, values in message.attributes.items() for value in values]
        try:
            _check(message)
            future = self._connected().send(
                sending.topic,
                message.value,
                message.key,
                headers=headers,
                partition=sending.partition,
                timestamp_ms=None if message.event_at is None else instants.milliseconds(message.event_at),
            )
        except Exception as refusal:
            self._settle(sending, refusal)
            return
        # Both are called in the producer's thread.
        future.add_callback(partial(self._stored, sending))
        future.add_errback(partial(self._failed, sending))

    def _stored(self, sending: _Sending, _: object) -> None:
        self._settled.put((sending, None))

    def _failed(self, sending: _Sending, failure: Exception) -> None:
        self._settled.put((sending, failure))

    def _connected(self) -> KafkaProducer:
        """Return the producer, a new one if the last was given up; raise SourceError if no broker answers.

        After that, none is made for `ANSWER_SECONDS`: waiting for each message would take too long.
        """
        if self._producer is None:
            if self._down and time.monotonic() < self._down[0] + ANSWER_SECONDS:
                raise self._down[1]
            try:
                self._producer = _producer(self._options)
            except SourceError as refusal:
                self._down = time.monotonic(), refusal
                raise
            self._down, self._heard = None, time.monotonic()
        return self._producer

    def _acknowledge_settled(self) -> None:
        while not self._settled.empty():
            self._settle(*self._settled.get())
        if self._pending and self._patience() <= 0:
            self._give_up()

    def _settle_one(self) -> None:
        """Wait until a message is settled; give up if none is for too long."""
        try:
            settled = self._settled.get(timeout=max(0, self._patience()))
        except queue.Empty:
            self._give_up()
        else:
            self._settle(*settled)

    def _patience(self) -> float:
        """Return the seconds for which a message may still be awaited."""
        return self._heard + ANSWER_SECONDS + GRACE_SECONDS - time.monotonic()

    def _give_up(self) -> None:
        """Acknowledge what is pending as failed, and the producer with it.

        kafka-python 3.0 never sends again after it has dropped a message that it had sent without an answer:
        `TransactionManager.reset_producer_id` leaves it without a producer id and asks for no other.
        """
        if self._producer:
            self._producer._sender.force_close()
            self._producer = None
        refusal = unreachable(self._options, f"no answer for {ANSWER_SECONDS} seconds")
        for sending in list(self._pending):
            self._settle(sending, refusal)

    def _settle(self, sending: _Sending, failure: Exception | None) -> None:
        if sending not in self._pending:  # given up before
            return
        self._pending.remove(sending)
        self._bytes -= sending.size
        self._heard = time.monotonic()
        if failure is not None and not sending.again and _is_innocent(failure):
            self._refused.append(sending)
        else:
            sending.acknowledge(sending.message, failure)

    def _send_refused(self) -> None:
        """Send the messages of refused batches again, without those for which the batches were refused."""
        while self._refused:
            self._send(replace(self._refused.popleft(), again=True))
            if not self._refused:
                self._wait()

    def _wait(self) -> None:
        while self._pending:
            self._settle_one()


def _producer(options: KafkaOptions) -> KafkaProducer:
    made = connected(
        library().KafkaProducer,
        options,
        enable_idempotence=True,
        linger_ms=5,
        batch_size=BATCH_BYTES,
        max_request_size=LARGEST_MESSAGE + 100_000,
        max_block_ms=ANSWER_SECONDS * 1000,
        delivery_timeout_ms=ANSWER_SECONDS * 1000,
        request_timeout_ms=ANSWER_SECONDS * 1000 - 100,
        allow_auto_create_topics=False,
        metrics_enabled=False,
    )
    _go_on_after_a_refusal(made)
    return made


def _is_innocent(failure: Exception) -> bool:
    """Return whether a message failed only because the broker refused another one in its batch.

    kafka-python gives such messages an error of its base class (`Sender._record_exceptions_fn`).
    """
    from kafka.errors import KafkaError

    return type(failure) is KafkaError


def _check(message: Message) -> None:
    """Raise ValueError for a message that Kafka could store but kafka-python does not send."""
    if message.key is None and message.value is None:
        raise ValueError("neither key nor value; expected one of them: kafka-python needs it")
    for name, values in message.attributes.items():
        if None in values:
            raise ValueError(
                f"attribute {name!r} without a value; expected one, because kafka-python needs it"
            )


def _go_on_after_a_refusal(producer: KafkaProducer) -> None:
    """Make a producer go on with a new epoch when the broker refuses a batch, as Java's and librdkafka do.

    kafka-python 3.0 gives the whole producer up instead, although its own comment says that it does not
    (`TransactionManager.classify_batch_error`).
    """
    manager: Any = producer._transaction_manager
    classify = manager.classify_batch_error

    def classified(error: Any, batch: Any, log_start_offset: int = -1) -> Any:
        found = classify(error, batch, log_start_offset)
        fatal = found == manager.ERROR_CLASS_FATAL and type(error) not in manager._FATAL_ERRORS
        return manager.ERROR_CLASS_NEEDS_EPOCH_BUMP if fatal else found

    manager.classify_batch_error = classified
