"""The records of topics, subscriptions and reservations, in a compacted Kafka topic next to the data.

An emulator restarted on the same broker, in any directory, therefore knows what its predecessor knew.
"""

from __future__ import annotations

import asyncio
import time

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from pubsublite_emulator.kafka_creation import created
from pubsublite_emulator.kafka_errors import refusal
from pubsublite_emulator.kafka_reader import consumer
from pubsublite_emulator.kafka_records import Record
from pubsublite_emulator.kafka_writer import Prepared, Writer

TOPIC = "pubsublite-emulator-resources"
_LOAD_SECONDS = 30


class Resources:
    """The latest record of each name."""

    def __init__(self, bootstrap: str, admin: AdminClient, writer: Writer) -> None:
        self._bootstrap = bootstrap
        self._admin = admin
        self._writer = writer
        self._exists = False

    async def save(self, name: str, record: bytes | None) -> None:
        """Write a record, or a tombstone for None."""
        if not self._exists:
            await self._create()
        now = time.time_ns() // 1_000_000

        def prepare() -> Prepared:
            return Prepared([Record(name.encode(), record, [], now)])

        await self._writer.append(TOPIC, 0, prepare)

    async def _create(self) -> None:
        await created(self._admin, NewTopic(TOPIC, 1, config={"cleanup.policy": "compact"}))
        self._exists = True

    async def load(self) -> dict[str, bytes]:
        """Return the latest record of each name."""
        return await asyncio.to_thread(self._load)

    def _load(self) -> dict[str, bytes]:
        try:
            if TOPIC not in self._admin.list_topics(timeout=_LOAD_SECONDS).topics:
                return {}
        except KafkaException as error:
            raise refusal(error.args[0]) from None
        self._exists = True
        reader = consumer(self._bootstrap, **{"enable.partition.eof": True})
        found: dict[str, bytes | None] = {}
        try:
            reader.assign([TopicPartition(TOPIC, 0, 0)])
            while (record := reader.poll(_LOAD_SECONDS)) is not None:
                failed = record.error()
                if failed is not None and failed.code() == KafkaError._PARTITION_EOF:
                    return {name: value for name, value in found.items() if value is not None}
                if failed is not None:
                    raise refusal(failed)
                found[(record.key() or b"").decode()] = record.value()
        finally:
            reader.close()
        raise refusal(KafkaError(KafkaError._TIMED_OUT))
