"""Reading a Kafka partition: one consumer per subscriber, without a group, with little read-ahead."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from threading import Lock

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka import Message as KafkaMessage

from pubsublite_emulator.kafka_errors import refusal
from pubsublite_emulator.kafka_records import to_block
from pubsublite_emulator.wire import Block

log = logging.getLogger("pubsublite_emulator")

_BATCH = 1000
# How long a single wait in the client library lasts; a record ends it at once.
_WAIT_SECONDS = 0.5
_PERMANENT = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
)
_CONFIG = {
    "group.id": "pubsublite-emulator",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "isolation.level": "read_committed",
    # A subscriber that does not read buffers this much instead of the default 64 MiB.
    "queued.max.messages.kbytes": 8 << 10,
    "fetch.queue.backoff.ms": 20,
    "fetch.message.max.bytes": 4 << 20,
}


def consumer(bootstrap: str, **more: object) -> Consumer:
    """Return a consumer that commits nothing."""
    return Consumer({"bootstrap.servers": bootstrap, **_CONFIG, **more}, logger=log)


class KafkaReader:
    """See :class:`pubsublite_emulator.storage.Reader`."""

    def __init__(self, bootstrap: str, threads: Executor, topic: str, partition: int, offset: int) -> None:
        self._threads = threads
        self._consuming = Lock()
        self._closed = False
        self._consumer = consumer(bootstrap)
        self._consumer.assign([TopicPartition(topic, partition, offset)])

    async def next(self) -> Block:
        """Return the next records, waiting for them in a thread of the pool."""
        loop = asyncio.get_running_loop()
        while True:
            block = await loop.run_in_executor(self._threads, self._consume)
            if block is not None:
                return block

    def _consume(self) -> Block | None:
        with self._consuming:
            if self._closed:
                return None
            first = self._consumer.poll(_WAIT_SECONDS)
            if first is None:
                return None
            records = [first, *self._consumer.consume(_BATCH - 1, 0)]
            good = [record for record in records if _good(record)]
            return to_block(good) if good else None

    async def close(self) -> None:
        """Close in the background, because a wait in the library may last a moment longer."""
        self._closed = True
        self._threads.submit(self._close)

    def _close(self) -> None:
        with self._consuming:
            self._consumer.close()


def _good(record: KafkaMessage) -> bool:
    error = record.error()
    if error is None:
        return True
    if error.code() in _PERMANENT:
        raise refusal(error)
    log.warning("Kafka: %s", error.str())  # the library retries by itself
    return False


def last_deliverable(bootstrap: str, topic: str, partition: int, oldest: int, head: int) -> int:
    """Return the offset after the last record below ``head`` that a consumer gets; ``oldest`` without one.

    Transaction markers and compaction leave offsets that are never delivered.
    """
    probe = consumer(bootstrap, **{"enable.partition.eof": True})
    try:
        step = 1
        while True:
            start = max(oldest, head - step)
            found = _last_from(probe, TopicPartition(topic, partition, start), head)
            if found is not None:
                return found + 1
            if start == oldest:
                return oldest
            step *= 64
    finally:
        probe.close()


def _last_from(probe: Consumer, start: TopicPartition, head: int) -> int | None:
    probe.assign([start])
    last = None
    while (record := probe.poll(10.0)) is not None:
        error = record.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise refusal(error)
        if error is not None or (record.offset() or 0) >= head:
            return last
        last = record.offset()
        if last == head - 1:
            return last
    raise refusal(KafkaError(KafkaError._TIMED_OUT))
