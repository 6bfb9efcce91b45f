"""Storage in Kafka: a Lite topic *is* the Kafka topic of that name.

Offsets are Kafka's, and committed cursors are consumer group offsets, so a Kafka consumer and a Lite
subscriber see the same events at the same offsets. ``kafka_records.py`` says how messages are mapped and what
that loses.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]
from confluent_kafka.admin._metadata import ClusterMetadata

from pubsublite_emulator.errors import Code, LiteError
from pubsublite_emulator.kafka_errors import coordinated, refusal
from pubsublite_emulator.kafka_reader import KafkaReader, last_deliverable
from pubsublite_emulator.kafka_records import to_record
from pubsublite_emulator.kafka_resources import Resources
from pubsublite_emulator.kafka_topics import Topics
from pubsublite_emulator.kafka_writer import Prepared, Writer
from pubsublite_emulator.scan import first_at
from pubsublite_emulator.storage import Bounds
from pubsublite_emulator.wire import Batch

log = logging.getLogger("pubsublite_emulator")

_CONNECT_SECONDS = 5
# How long an address that the broker names may take to accept a connection.
_ADDRESS_SECONDS = 3
_LEADER_SECONDS = 10
_PAUSE_SECONDS = 0.05
# What the library answers where it knows no leader of a partition, or an earlier one, and goes on answering:
# only a request for the topic's metadata makes it ask the broker.
_OUTDATED = (
    KafkaError._NOENT,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
)
# One thread for each open subscriber, started when needed.
_MOST_READERS = 1024


class KafkaStorage:
    """See :class:`pubsublite_emulator.storage.Storage`."""

    durable = True

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap}, logger=log)
        self._threads = ThreadPoolExecutor(_MOST_READERS, thread_name_prefix="kafka-read")
        self._writer = Writer(bootstrap)
        self._resources = Resources(bootstrap, self._admin, self._writer)
        self._topics = Topics(self._admin)
        self._heads: dict[tuple[str, int], tuple[int, int]] = {}
        self.create_topic = self._topics.create
        self.update_topic = self._topics.update
        self.delete_topic = self._topics.delete
        self.partitions = self._topics.partitions
        self.save = self._resources.save
        self.saved = self._resources.load

    async def start(self) -> None:
        """Ask the broker for its topics; raise UNAVAILABLE if none answers, there or where it leads."""
        if fault := await self._fault():
            await self.close()
            raise LiteError(Code.UNAVAILABLE, fault)

    async def _fault(self) -> str | None:
        """Return what keeps clients from the broker; None if nothing does."""
        found = await self._asked()
        if found is None:
            return f"no Kafka broker answers at {self._bootstrap}: start one, or name another"
        led = sorted(f"{node.host}:{node.port}" for node in found.brokers.values())
        if await _one_listens(led):
            return None
        return (
            f"the Kafka broker at {self._bootstrap} leads its clients to {', '.join(led)}, where nothing "
            "answers from here; expected an address that they reach; "
            "remedy: set the broker's advertised.listeners, or name another listener"
        )

    async def _asked(self) -> ClusterMetadata | None:
        """Return what the broker says of itself; None if there is none.

        A client that follows the broker's lead in vain may get no answer, so a new one is tried.
        """
        for client in (self._admin, AdminClient({"bootstrap.servers": self._bootstrap}, logger=log)):
            try:
                return await asyncio.to_thread(client.list_topics, timeout=_CONNECT_SECONDS)
            except KafkaException:
                if not await _one_listens(self._bootstrap.split(",")):
                    return None
        return None

    async def close(self) -> None:
        """Send what was accepted, then close the consumers."""
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._threads.shutdown)

    def topic_names(self, location: str, topic: str) -> Sequence[str]:
        """Return the topic's id and, for a second topic of that id, one with its location: Kafka has none."""
        return topic, f"{topic}.{location}"

    def append(self, topic: str, partition: int, batch: Batch) -> Awaitable[Sequence[int]]:
        """Produce the messages; resolve once the broker has them."""

        def prepare() -> Prepared:
            settings = self._topics.settings(topic)
            records = [to_record(one, broker_time=settings.broker_time) for one in batch.messages]
            return Prepared(records, settings.largest)

        return self._writer.append(topic, partition, prepare)

    async def bounds(self, topic: str, partition: int) -> Bounds:
        """Return the oldest offset and the last stable one, less what is never delivered just below it."""
        ends = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
        oldest, head = await asyncio.gather(*(self._offset(topic, partition, end) for end in ends))
        return Bounds(oldest, await self._deliverable(topic, partition, oldest, head))

    async def _offset(self, topic: str, partition: int, wanted: OffsetSpec) -> int:
        """Return an offset of the partition as a committed reader sees it.

        Where a partition was added or its leader changed, ask until library and broker know the leader.
        """
        place = TopicPartition(topic, partition)
        deadline = time.monotonic() + _LEADER_SECONDS
        while True:
            asked = self._admin.list_offsets({place: wanted}, isolation_level=IsolationLevel.READ_COMMITTED)
            try:
                return int((await asyncio.wrap_future(asked[place])).offset)
            except KafkaException as error:
                if error.args[0].code() not in _OUTDATED or time.monotonic() > deadline:
                    raise refusal(error.args[0]) from None
            await self.partitions(topic)  # asks the broker, and so renews what the library knows of the topic
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _deliverable(self, topic: str, partition: int, oldest: int, head: int) -> int:
        known = self._heads.get((topic, partition))
        if head <= oldest:
            return head
        if known is None or known[0] != head:
            found = await asyncio.to_thread(last_deliverable, self._bootstrap, topic, partition, oldest, head)
            self._heads[topic, partition] = known = (head, found)
        return known[1]

    async def read(self, topic: str, partition: int, offset: int) -> KafkaReader:
        """Return a reader with its own consumer."""
        return KafkaReader(self._bootstrap, self._threads, topic, partition, offset)

    async def offset_at(self, topic: str, partition: int, nanoseconds: int, *, event: bool) -> int | None:
        """Find the offset by Kafka's index of timestamps, or an event time by looking at every record."""
        if event:
            return await first_at(self, topic, partition, nanoseconds, event=True)
        milliseconds = -(-nanoseconds // 1_000_000)
        found = await self._offset(topic, partition, OffsetSpec.for_timestamp(max(0, milliseconds)))
        return found if found >= 0 else None

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Set the consumer group's offsets; Kafka refuses while consumers of that group are connected."""
        if not offsets:
            return
        places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        request = ConsumerGroupTopicPartitions(group, places)
        await coordinated(lambda: self._admin.alter_consumer_group_offsets([request])[group])

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return the consumer group's offsets."""
        count = await self.partitions(topic)
        places = [TopicPartition(topic, partition) for partition in range(count)]
        request = ConsumerGroupTopicPartitions(group, places)
        found = await coordinated(lambda: self._admin.list_consumer_group_offsets([request])[group])
        return {place.partition: place.offset for place in found.topic_partitions if place.offset >= 0}

    async def forget(self, group: str) -> None:
        """Delete the consumer group."""
        try:
            await coordinated(lambda: self._admin.delete_consumer_groups([group])[group])
        except LiteError as error:
            if "GROUP_ID_NOT_FOUND" not in error.message:
                raise


async def _one_listens(addresses: Sequence[str]) -> bool:
    return any(await asyncio.gather(*map(_listens, addresses)))


async def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        connecting = asyncio.open_connection(host.strip("[]"), port)
        _, writer = await asyncio.wait_for(connecting, _ADDRESS_SECONDS)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def open_storage(bootstrap: str) -> KafkaStorage:
    """Return a storage on the broker at ``bootstrap``, not started yet."""
    return KafkaStorage(bootstrap)
