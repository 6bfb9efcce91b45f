"""Kafka topics as Lite topics: creation or adoption, growth, retention, deletion."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from pubsublite_emulator.errors import Code, LiteError, invalid, not_found
from pubsublite_emulator.kafka_creation import created
from pubsublite_emulator.kafka_errors import answered, refusal
from pubsublite_emulator.kafka_resources import TOPIC as RESOURCES
from pubsublite_emulator.storage import Retention

_SECONDS = 10
_PAUSE_SECONDS = 0.05
_LEGAL = re.compile(r"[A-Za-z0-9._-]{1,249}")
_FOREVER = (1 << 63) - 1
# Lite accepts messages of 10 MiB and event times in the future; Kafka's default limits are 1 MiB and an hour.
_CONFIG = {"max.message.bytes": str(12 << 20), "message.timestamp.after.max.ms": str(_FOREVER)}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a topic's configuration asks of a writer.

    ``broker_time``: the broker sets the records' timestamps; ``largest``: the most bytes that a batch of
    records may have.
    """

    broker_time: bool
    largest: int


class Topics:
    """The broker's topics."""

    def __init__(self, admin: AdminClient) -> None:
        self._admin = admin
        self._settings: dict[str, Settings] = {}

    async def create(self, topic: str, partitions: int, retention: Retention) -> None:
        """Create the topic, or adopt an existing one that has as many partitions.

        Raise INVALID_ARGUMENT for a name that Kafka does not allow, or under which the emulator keeps its own
        records, and FAILED_PRECONDITION if an existing topic has another number of partitions.
        """
        if topic == RESOURCES:
            raise invalid(f"topic id {topic!r}: the emulator keeps its resources there; use another one")
        if not _LEGAL.fullmatch(topic):
            raise invalid(f"topic id {topic!r}: with Kafka storage expected only letters, digits and ._-")
        new = NewTopic(topic, partitions, config=_CONFIG | _retention(retention))
        if await created(self._admin, new):
            await self._shown(topic, partitions)
        elif (count := await self.partitions(topic)) != partitions:
            raise LiteError(
                Code.FAILED_PRECONDITION,
                f"Kafka topic {topic} has {count} partitions: create the Lite topic with as many",
            )

    async def update(self, topic: str, partitions: int, retention: Retention) -> None:
        """Add partitions if more are wanted, and set the retention."""
        if partitions > await self.partitions(topic):
            await answered(self._admin.create_partitions([NewPartitions(topic, partitions)])[topic])
            await self._shown(topic, partitions)
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
            for name, value in _retention(retention).items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        await answered(self._admin.incremental_alter_configs([resource])[resource])

    async def delete(self, topic: str) -> None:
        """Delete the topic; one that does not exist is not an error."""
        self._settings.pop(topic, None)
        try:
            await answered(self._admin.delete_topics([topic])[topic])
        except LiteError as error:
            if error.code is not Code.NOT_FOUND:
                raise
        await self._shown(topic, 0)

    async def partitions(self, topic: str) -> int:
        """Return how many partitions the topic has now."""
        try:
            found = await asyncio.to_thread(self._admin.list_topics, topic, timeout=_SECONDS)
        except KafkaException as error:
            raise refusal(error.args[0]) from None
        metadata = found.topics[topic]
        if metadata.error is not None:
            raise refusal(metadata.error)
        if not metadata.partitions:
            raise not_found(f"Kafka topic {topic}")
        return len(metadata.partitions)

    async def _shown(self, topic: str, partitions: int) -> None:
        """Wait until the broker shows the topic with that many partitions, 0 if it was deleted.

        The controller answers before the broker knows; a request in between would find what was before.
        """
        deadline = time.monotonic() + _SECONDS
        while await self._count(topic) != partitions and time.monotonic() < deadline:
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _count(self, topic: str) -> int:
        try:
            return await self.partitions(topic)
        except LiteError:
            return 0

    def settings(self, topic: str) -> Settings:
        """Return the topic's settings; block while the broker is asked, once per topic."""
        if topic not in self._settings:
            resource = ConfigResource(ResourceType.TOPIC, topic)
            try:
                config = self._admin.describe_configs([resource])[resource].result(_SECONDS)
            except KafkaException as error:
                raise refusal(error.args[0]) from None
            self._settings[topic] = Settings(
                config["message.timestamp.type"].value == "LogAppendTime",
                int(config["max.message.bytes"].value),
            )
        return self._settings[topic]


def _retention(retention: Retention) -> dict[str, str]:
    seconds = retention.seconds
    return {
        "retention.bytes": str(retention.size),
        "retention.ms": "-1" if seconds is None else str(max(1, int(seconds * 1000))),
    }
