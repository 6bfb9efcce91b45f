"""The log of one partition, in memory: no network, no clock, no locks.

Offsets start at 0 and increase by one per message. Old messages are dropped by size and by age; the newest
always stay, because a reader that was told the head waits for the message before it.
"""

from __future__ import annotations

from bisect import bisect_right

from pubsublite_emulator import wire

# Batches smaller than this share a block, so that single messages do not need a block each.
_COALESCE = 256


class _Stretch:
    """Consecutive messages: batches as they arrived, until the first reader turns them into a block."""

    __slots__ = ("_batches", "_block", "base", "count", "published", "size")

    def __init__(self, base: int) -> None:
        self.base = base
        self.count = 0
        self.size = 0
        self.published = 0
        self._batches: list[tuple[wire.Batch, int]] = []
        self._block: wire.Block | None = None

    def add(self, batch: wire.Batch, now: int) -> None:
        self._batches.append((batch, now))
        self.count += batch.count
        self.size += batch.size
        self.published = now

    def block(self) -> wire.Block:
        """Return all the messages, ready for delivery."""
        if self._batches:
            made = _deliverable(self._batches, self.base + self.count)
            self._block = wire.join(self._block, made) if self._block else made
            self._batches = []
        if self._block is None:
            raise ValueError("a stretch without messages")
        return self._block


def _deliverable(batches: list[tuple[wire.Batch, int]], end: int) -> wire.Block:
    offset = start = end - sum(batch.count for batch, _ in batches)
    frames, sizes = [], []
    for batch, now in batches:
        stamp = wire.timestamp(now)
        for message in batch.messages:
            size = wire.size_bytes(message)
            frames.append(wire.frame(offset, stamp, message, size))
            sizes.append(size)
            offset += 1
    return wire.block(range(start, end), frames, sizes)


class PartitionLog:
    """The messages of one partition, from ``oldest`` (kept) to ``head`` (the next offset to assign)."""

    def __init__(self) -> None:
        self.oldest = 0
        self.head = 0
        self.stored_bytes = 0
        self._stretches: list[_Stretch] = []
        self._bases: list[int] = []

    def append(self, batch: wire.Batch, now: int) -> int:
        """Store messages published at ``now`` (nanoseconds) and return the offset of the first."""
        first = self.head
        if batch.count:
            if not self._stretches or self._stretches[-1].count + batch.count > _COALESCE:
                self._stretches.append(_Stretch(first))
                self._bases.append(first)
            self._stretches[-1].add(batch, now)
            self.stored_bytes += batch.size
            self.head += batch.count
        return first

    def read(self, offset: int) -> wire.Block | None:
        """Return some of the stored messages, from ``offset`` or the oldest kept on; None if none are."""
        if offset >= self.head:
            return None
        index = max(0, bisect_right(self._bases, offset) - 1)
        return self._stretches[index].block().since(offset)

    def trim(self, limit: int, published_before: int | None) -> None:
        """Drop the oldest messages while they exceed ``limit`` bytes or were published too long ago.

        Too long ago means before ``published_before``, in the unit of :meth:`append`.
        """
        drop = 0
        oldest = -1 if published_before is None else published_before
        while drop < len(self._stretches) - 1 and (
            self.stored_bytes > limit or self._stretches[drop].published < oldest
        ):
            self.stored_bytes -= self._stretches[drop].size
            drop += 1
        if drop:
            del self._stretches[:drop], self._bases[:drop]
            self.oldest = self._bases[0]
