"""Publishing to Kafka: batches in call order, each answered once all in-sync replicas have it."""

from __future__ import annotations

import asyncio
import logging
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Thread

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from pubsublite_emulator.errors import LiteError
from pubsublite_emulator.kafka_errors import refusal
from pubsublite_emulator.kafka_records import Record

log = logging.getLogger("pubsublite_emulator")

_BATCH_BYTES = 1_000_000
_CONFIG = {
    "acks": "all",
    "batch.size": _BATCH_BYTES,
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """Records for a topic, in which a Kafka batch may have ``largest`` bytes."""

    records: Sequence[Record]
    largest: int = _BATCH_BYTES


Prepare = Callable[[], Prepared]


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


class _Sender:
    """A producer and the thread that takes the broker's reports."""

    def __init__(self, bootstrap: str, **more: object) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, **_CONFIG, **more}, logger=log)
        self._closing = Event()
        self._thread = Thread(target=self._report, name="kafka-report", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send what was accepted, for up to 10 s, then stop."""
        self._producer.flush(10)
        self._closing.set()
        self._thread.join()

    def send(self, job: _Job, record: Record) -> None:
        """Hand a record over; raise LiteError for one that the producer refuses."""
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


class Writer:
    """A thread that hands records over to a producer.

    The broker refuses a batch of records that is larger than its topic takes, whatever is in it. A topic that
    takes less than a whole batch gets its records one by one, from a producer of its own.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._batches = _Sender(bootstrap)
        self._one_by_one: _Sender | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = Thread(target=self._produce, name="kafka-produce", daemon=True)
        self._thread.start()

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
        self._thread.join()
        for sender in (self._batches, self._one_by_one):
            if sender is not None:
                sender.close()

    def _produce(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                prepared = job.prepare()
                job.expect(len(prepared.records))
                sender = self._sender(prepared.largest)
                for record in prepared.records:
                    sender.send(job, record)
            except LiteError as error:
                job.fail(error)
            except Exception as error:
                log.exception("publish to Kafka topic %s failed", job.topic)
                job.fail(_broken(error))

    def _sender(self, largest: int) -> _Sender:
        if largest >= _BATCH_BYTES:
            return self._batches
        if self._one_by_one is None:
            self._one_by_one = _Sender(self._bootstrap, **{"batch.num.messages": 1})
        return self._one_by_one


def _broken(error: Exception) -> LiteError:
    return refusal(KafkaError(KafkaError._FAIL, str(error)))
