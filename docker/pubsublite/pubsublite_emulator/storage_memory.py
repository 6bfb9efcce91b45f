"""Storage in this process's memory: fast, bounded, and lost when the process ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping, Sequence

from pubsublite_emulator.errors import not_found
from pubsublite_emulator.log import PartitionLog
from pubsublite_emulator.scan import first_at
from pubsublite_emulator.storage import Bounds, Retention
from pubsublite_emulator.wire import Batch, Block

# The smallest retention Lite accepts is 30 GiB per partition; in a laptop's memory, only this much is kept.
PARTITION_BYTES = 1 << 30


class _Partition:
    """A log and the waiters for its next message."""

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
        """Do nothing, because nothing is held."""


class MemoryStorage:
    """See :class:`pubsublite_emulator.storage.Storage`."""

    durable = False

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self._groups: dict[str, dict[int, int]] = {}

    async def start(self) -> None:
        """Do nothing, because there is nothing to connect to."""

    async def close(self) -> None:
        """Do nothing, because everything is lost with the process."""

    def topic_names(self, location: str, topic: str) -> Sequence[str]:
        """Return a separate name for each location."""
        return (f"{location}/{topic}",)

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
        """Grow the topic and set its retention."""
        found = self._topic(topic)
        found.retention = retention
        found.partitions += [_Partition() for _ in range(partitions - len(found.partitions))]

    async def delete_topic(self, topic: str) -> None:
        """Delete the topic."""
        self._topics.pop(topic, None)

    async def partitions(self, topic: str) -> int:
        """Return the partition count."""
        return len(self._topic(topic).partitions)

    def append(self, topic: str, partition: int, batch: Batch) -> Awaitable[Sequence[int]]:
        """Store the messages at once."""
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
        """Return the log's bounds."""
        log = self._partition(topic, partition).log
        return Bounds(log.oldest, log.head)

    async def read(self, topic: str, partition: int, offset: int) -> _MemoryReader:
        """Return a reader over the log."""
        return _MemoryReader(self._partition(topic, partition), offset)

    async def offset_at(self, topic: str, partition: int, nanoseconds: int, *, event: bool) -> int | None:
        """Find the offset by looking at every message."""
        return await first_at(self, topic, partition, nanoseconds, event=event)

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Store the offsets."""
        self._topic(topic)
        self._groups.setdefault(group, {}).update(offsets)

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return the stored offsets."""
        self._topic(topic)
        return dict(self._groups.get(group, {}))

    async def forget(self, group: str) -> None:
        """Delete the group and its offsets."""
        self._groups.pop(group, None)

    async def save(self, name: str, record: bytes | None) -> None:
        """Do nothing, because nothing outlives the process."""

    async def saved(self) -> dict[str, bytes]:
        """Return nothing, because nothing outlived the last process."""
        return {}


def open_storage(_rest: str) -> MemoryStorage:
    """Return an empty storage."""
    return MemoryStorage()
