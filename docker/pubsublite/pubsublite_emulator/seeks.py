"""Seeks: an administrator moves a subscription (SeekSubscription).

A partition that nobody reads is moved at once. A partition that is being read gets the RESET signal: its
subscriber drops what it has, flushes its pending commits, and reconnects asking for the committed cursor,
which is its consent (google-cloud-go PR 4208). Until then the target is set aside, so that those late commits
cannot overwrite it. The service itself also waits for subscribers that are offline; see UNSUPPORTED.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pubsublite_emulator.catalog import Resource
from pubsublite_emulator.errors import Code, LiteError
from pubsublite_emulator.operations import Operations, shown
from pubsublite_emulator.readers import Readers
from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.storage import Storage

_SeekResponse = message("SeekSubscriptionResponse")


@dataclass(slots=True)
class _Seek:
    operation: Message
    targets: dict[int, int]


class Seeks:
    """The seeks that are waiting for subscribers, one per subscription."""

    def __init__(self, storage: Storage, readers: Readers, operations: Operations) -> None:
        self._storage = storage
        self._readers = readers
        self._operations = operations
        self._pending: dict[str, _Seek] = {}

    async def begin(
        self, subscription: Resource, topic: Resource, targets: Mapping[int, int], project: str
    ) -> Message:
        """Move ``subscription`` to the ``targets``, offsets by partition.

        Return the operation as it begins, not done, to a caller that uses ``project``: Google's Go suite
        demands that of a seek's answer (google-cloud-go pubsublite, validateNewSeekOperation).
        """
        key = subscription.path.key
        if older := self._pending.pop(key, None):
            reason = "a newer seek of the subscription took its place"
            self._operations.fail(older.operation, Code.ABORTED, reason)
        operation = self._operations.start(subscription.path, "seek")
        begun = shown(operation, project)
        live = self._readers.partitions(key) & set(targets)
        idle = {partition: offset for partition, offset in targets.items() if partition not in live}
        self._pending[key] = seek = _Seek(operation, {partition: targets[partition] for partition in live})
        await self._storage.commit(subscription.group, topic.stored, idle)
        self._readers.end(key, LiteError(Code.ABORTED, "a seek moved the subscription", reason="RESET"))
        self._settle(key, seek)
        return begun

    async def follow(self, subscription: Resource, topic: Resource, partition: int) -> None:
        """Apply a seek that waited for this subscriber, which now asks for the committed cursor.

        A cancelled seek moves nothing any more.
        """
        seek = self._pending.get(subscription.path.key)
        if seek is None or seek.operation.done or partition not in seek.targets:
            return
        offset = seek.targets.pop(partition)
        await self._storage.commit(subscription.group, topic.stored, {partition: offset})
        self._settle(subscription.path.key, seek)

    async def resume(self, subscription: Resource, topic: Resource, partition: int) -> int:
        """Return the offset at which a subscriber goes on: the committed one, within what the topic holds."""
        await self.follow(subscription, topic, partition)
        bounds = await self._storage.bounds(topic.stored, partition)
        committed = await self._storage.committed(subscription.group, topic.stored)
        return min(max(committed.get(partition, 0), bounds.oldest), bounds.head)

    def drop(self, subscription: Resource) -> None:
        """Abort the seek of a subscription that was deleted."""
        if seek := self._pending.pop(subscription.path.key, None):
            self._operations.fail(seek.operation, Code.ABORTED, "the subscription was deleted")

    def _settle(self, key: str, seek: _Seek) -> None:
        if not seek.targets and self._pending.get(key) is seek:
            del self._pending[key]
            self._operations.finish(seek.operation, _SeekResponse())
