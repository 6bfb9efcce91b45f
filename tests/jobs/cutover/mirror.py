"""Google's Kafka Connect source in small: a Lite topic copied to a Kafka topic by the same mapping.

As that does (java-pubsub-group-kafka-connector, README "Schema support and data model"): key to key, an empty
one to null; data to value; attributes to headers; event_time, else publish_time, to the timestamp; the
partition by Kafka's default partitioner; and, as after a restart of a task, some messages twice.
"""

from __future__ import annotations

import threading
import time
from argparse import Namespace
from collections import deque
from types import TracebackType
from typing import Self

from sources import kafka, pubsublite
from sources.catalog import Stream
from sources.source import Message, Record

RESTART_EVERY, SENT_AGAIN = 3000, 100


class Mirror:
    """Copies from the oldest message on, within a `with` block; `copied` counts messages, each once."""

    def __init__(self, stream: Stream, lite: Namespace, to_kafka: Namespace) -> None:
        self.copied = self.repeated = 0
        self._stream, self._lite, self._kafka = stream, lite, to_kafka
        self._failure: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(60)
        assert self._failure is None, self._failure

    def wait_for(self, count: int) -> None:
        """Until that many messages are on Kafka."""
        deadline = time.monotonic() + 60
        while self.copied < count:
            assert self._thread.is_alive(), self._failure
            assert time.monotonic() < deadline, f"{self.copied} of {count} messages copied"
            time.sleep(0.02)

    def _run(self) -> None:
        try:
            self._copy()
        except Exception as failure:
            self._failure = failure

    def _copy(self) -> None:
        refused: list[Exception] = []
        latest: deque[Message] = deque(maxlen=SENT_AGAIN)
        publisher = kafka.publisher(self._kafka)
        records = pubsublite.records(self._stream, self._lite)
        try:
            for record in records:
                if self._stopping.is_set():
                    break
                if record is None:
                    continue
                latest.append(mapped(record))
                again = self.copied % RESTART_EVERY == RESTART_EVERY - 1
                batch = [latest[-1], *latest] if again else [latest[-1]]
                publisher.publish(batch, lambda _, failure: refused.append(failure) if failure else None)
                self.copied += 1
                self.repeated += len(batch) - 1
        finally:
            publisher.close()
            records.close()  # type: ignore[attr-defined]
        assert refused == []


def mapped(record: Record) -> Message:
    """The message as the connector sends it: its timestamp is `event_at`."""
    return Message(
        stream=record.stream,
        key=record.key or None,
        value=record.value,
        event_at=record.event_at or record.published_at,
        attributes=record.attributes,
    )
