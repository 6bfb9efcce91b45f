"""Google's Kafka Connect source in miniature: a Lite topic copied to a Kafka topic by the same mapping.

As in the original (java-pubsub-group-kafka-connector, README "Schema support and data model"): key to key, an
empty one to null; data to value; attributes to headers; event_time, or publish_time without one, to the
timestamp; the partition by Kafka's default partitioner; and, as after a restart of a task, some messages
twice.
"""

from __future__ import annotations

import time
from collections import deque

from sources import kafka, pubsublite
from sources.base import Message, Record
from sources.catalog import Stream
from sources.kafka.options import KafkaOptions
from sources.pubsublite.options import LiteOptions
from tests.support.background import Background

RESTART_EVERY, SENT_AGAIN = 3000, 100


class Mirror(Background):
    """A `with` block that copies from the oldest message on; `copied` counts messages, each once."""

    def __init__(self, stream: Stream, lite: LiteOptions, to_kafka: KafkaOptions) -> None:
        super().__init__()
        self.copied = self.repeated = 0
        self._stream, self._lite, self._kafka = stream, lite, to_kafka

    def wait_for(self, count: int) -> None:
        """Wait until that many messages are on Kafka."""
        deadline = time.monotonic() + 120
        while self.copied < count:
            self.check()
            assert time.monotonic() < deadline, f"{self.copied} of {count} messages copied"
            time.sleep(0.02)

    def work(self) -> None:
        """Copy until the block ends; fail if Kafka does not accept a message."""
        refused: list[Exception] = []
        latest: deque[Message] = deque(maxlen=SENT_AGAIN)
        publisher = kafka.publisher(self._kafka)
        records = pubsublite.records(self._stream, self._lite)
        try:
            for record in records:
                if self.stopping.is_set():
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
    """Return the message as the connector sends it: its timestamp is `event_at`."""
    return Message(
        stream=record.stream,
        key=record.key or None,
        value=record.value,
        event_at=record.event_at or record.published_at,
        attributes=record.attributes,
    )
