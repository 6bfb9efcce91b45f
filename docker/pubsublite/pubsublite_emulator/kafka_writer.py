"""Publishing to Kafka: batches in call order, each answered once all in-sync replicas have it."""

from __future__ import annotations

import asyncio
import logging
import queue
from collections.abc import Callable, Sequence
from threading import Event, Thread

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from pubsublite_emulator.errors import LiteError
from pubsublite_emulator.kafka_errors import refusal
from pubsublite_emulator.kafka_records import Record

log = logging.getLogger("pubsublite_emulator")

_CONFIG = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 2,
    "message.max.bytes": 16 << 20,
    "message.timeout.ms": 30_000,
    "queue.buffering.max.kbytes": 128 << 10,
}

# How long a single wait for reports lasts; a report ends it at once.
_WAIT_SECONDS = 0.25
_REFRESH_SECONDS = 10
_REFRESHES = 5

Prepare = Callable[[], Sequence[Record]]


class _Job:
    """One batch on its way: ``prepare`` turns it into records, the broker gives these their offsets."""

    def __init__(self, topic: str, partition: int, prepare: Prepare) -> None:
        self.topic = topic
        self.partition = partition
        self.prepare = prepare
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Sequence[int]] = self.loop.create_future()
        self._offsets: list[int] = []
        self._expected = 0
        self._error: LiteError | None = None

    def expect(self, count: int) -> None:
        self._expected = count
        if not count:
            self._finish()

    def delivered(self, error: KafkaError | None, message: KafkaMessage) -> None:
        """Take the producer's report on one record; a partition's reports arrive in record order."""
        if error is not None:
            self._error = self._error or refusal(error)
        self._offsets.append(-1 if error else message.offset() or 0)
        if len(self._offsets) == self._expected:
            self._finish()

    def fail(self, error: LiteError) -> None:
        self._error = error
        self._finish()

    def _finish(self) -> None:
        self.loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        if self.done.done():
            return
        if self._error is not None:
            self.done.set_exception(self._error)
        else:
            self.done.set_result(self._offsets)


class Writer:
    """A producer and its two threads: one hands over records, the other takes the broker's reports."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, **_CONFIG}, logger=log)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = Event()
        self._threads = [
            Thread(target=self._produce, name="kafka-produce", daemon=True),
            Thread(target=self._report, name="kafka-report", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def append(self, topic: str, partition: int, prepare: Prepare) -> asyncio.Future[Sequence[int]]:
        """Queue a batch and return a future of its offsets.

        ``prepare`` makes its records, in the producing thread, and may refuse the whole batch (LiteError).
        """
        job = _Job(topic, partition, prepare)
        self._jobs.put(job)
        return job.done

    def close(self) -> None:
        """Send what was accepted, for up to 10 s, then stop."""
        self._jobs.put(None)
        self._threads[0].join()
        self._producer.flush(10)
        self._closing.set()
        self._threads[1].join()

    def _produce(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                records = job.prepare()
                job.expect(len(records))
                for record in records:
                    self._send(job, record)
            except LiteError as error:
                job.fail(error)
            except Exception as error:
                log.exception("publish to Kafka topic %s failed", job.topic)
                job.fail(_broken(error))

    def _send(self, job: _Job, record: Record) -> None:
        refreshes = 0
        while True:
            try:
                self._producer.produce(
                    job.topic,
                    record.value,
                    record.key,
                    job.partition,
                    on_delivery=job.delivered,
                    timestamp=record.timestamp,
                    headers=record.headers,
                )
                return
            except BufferError:  # the queue is full: the broker's next report makes room
                self._closing.wait(0.01)
            except KafkaException as error:
                grown = error.args[0].code() == KafkaError._UNKNOWN_PARTITION and refreshes < _REFRESHES
                if not grown:
                    raise refusal(error.args[0]) from None
                refreshes += 1  # the producer does not know recently added partitions yet
                self._producer.list_topics(job.topic, timeout=_REFRESH_SECONDS)

    def _report(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_WAIT_SECONDS)


def _broken(error: Exception) -> LiteError:
    return refusal(KafkaError(KafkaError._FAIL, str(error)))
