"""Storage in this process's memory: quick, bounded, and forgotten when the process ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence

from pubsublite_emulator.errors import not_found
from pubsublite_emulator.log import PartitionLog
from pubsublite_emulator.schema import message
from pubsublite_emulator.storage import Bounds, Retention
from pubsublite_emulator.wire import Batch, Block

# The smallest retention Lite accepts is 30 GiB a partition; a laptop's memory keeps this much of it.
PARTITION_BYTES = 1 << 30
_MessageResponse = message("MessageResponse")


class _Partition:
    """A log and those who wait for its next message."""

    def __init__(self) -> None:
        self.log = PartitionLog()
        self.waiters: set[asyncio.Future[None]] = set()

    def wake(self) -> None:
        waiters, self.waiters = self.waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class _Topic:
    def __init__(self, partitions: int, retention: Retention) -> None:
        self.retention = retention
        self.partitions = [_Partition() for _ in range(partitions)]


class _MemoryReader:
    def __init__(self, partition: _Partition, offset: int) -> None:
        self._partition = partition
        self._offset = offset

    async def next(self) -> Block:
        while (block := self._partition.log.read(self._offset)) is None:
            waiter = asyncio.get_running_loop().create_future()
            self._partition.waiters.add(waiter)
            try:
                await waiter
            finally:
                self._partition.waiters.discard(waiter)
        self._offset = block.offsets[-1] + 1
        return block

    async def close(self) -> None:
        """Nothing is held."""


class MemoryStorage:
    """See :class:`pubsublite_emulator.storage.Storage`."""

    durable = False

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self._groups: dict[str, dict[int, int]] = {}

    async def start(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Everything is forgotten with the process."""

    def topic_name(self, location: str, topic: str) -> str:
        """One topic for each location."""
        return f"{location}/{topic}"

    def _topic(self, topic: str) -> _Topic:
        found = self._topics.get(topic)
        if found is None:
            raise not_found(f"topic {topic}")
        return found

    def _partition(self, topic: str, partition: int) -> _Partition:
        return self._topic(topic).partitions[partition]

    async def create_topic(self, topic: str, partitions: int, retention: Retention) -> None:
        """Create an empty topic."""
        self._topics[topic] = _Topic(partitions, retention)

    async def update_topic(self, topic: str, partitions: int, retention: Retention) -> None:
        """Grow and set retention."""
        found = self._topic(topic)
        found.retention = retention
        found.partitions += [_Partition() for _ in range(partitions - len(found.partitions))]

    async def delete_topic(self, topic: str) -> None:
        """Drop the topic."""
        self._topics.pop(topic, None)

    async def partitions(self, topic: str) -> int:
        """The partition count."""
        return len(self._topic(topic).partitions)

    def append(self, topic: str, partition: int, batch: Batch) -> Awaitable[Sequence[int]]:
        """Store at once."""
        found = self._topic(topic)
        place, now = found.partitions[partition], time.time_ns()
        first = place.log.append(batch, now)
        kept = found.retention.seconds
        since = None if kept is None else now - int(kept * 1_000_000_000)
        place.log.trim(min(found.retention.size, PARTITION_BYTES), since)
        place.wake()
        stored: asyncio.Future[Sequence[int]] = asyncio.get_running_loop().create_future()
        stored.set_result(range(first, first + batch.count))
        return stored

    async def bounds(self, topic: str, partition: int) -> Bounds:
        """The log's bounds."""
        log = self._partition(topic, partition).log
        return Bounds(log.oldest, log.head)

    async def read(self, topic: str, partition: int, offset: int) -> _MemoryReader:
        """A reader over the log."""
        return _MemoryReader(self._partition(topic, partition), offset)

    async def offset_at(self, topic: str, partition: int, nanoseconds: int, *, event: bool) -> int | None:
        """Found by looking at every message: neither time is ordered within a partition."""
        log = self._partition(topic, partition).log
        offset = log.oldest
        while (block := log.read(offset)) is not None:
            for sequenced in _MessageResponse.FromString(block.messages()).messages:
                published = sequenced.publish_time
                own = sequenced.message.event_time if sequenced.message.HasField("event_time") else published
                if (own if event else published).ToNanoseconds() >= nanoseconds:
                    return int(sequenced.cursor.offset)
            offset = block.offsets[-1] + 1
        return None

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Keep the offsets."""
        self._topic(topic)
        self._groups.setdefault(group, {}).update(offsets)

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """The kept offsets."""
        self._topic(topic)
        return dict(self._groups.get(group, {}))

    async def forget(self, group: str) -> None:
        """Drop them."""
        self._groups.pop(group, None)

    async def save(self, name: str, record: bytes | None) -> None:
        """Nothing outlives the process."""

    async def saved(self) -> dict[str, bytes]:
        """Nothing outlived the last process."""
        return {}


def open_storage(_rest: str) -> MemoryStorage:
    """An empty storage."""
    return MemoryStorage()
