"""The log of one partition, in memory: no network, no clock, no locks.

Offsets start at 0 and grow by one a message. Old blocks are dropped by size and by age; the newest block
always stays, because a reader that was told of the head waits for the message before it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from pubsublite_emulator import wire

# Batches smaller than this share a block, so that single messages do not cost a block each.
_COALESCE = 256


class PartitionLog:
    """Messages of one partition from ``oldest`` (kept) to ``head`` (the next offset to be assigned)."""

    def __init__(self) -> None:
        self.oldest = 0
        self.head = 0
        self.stored_bytes = 0
        self._blocks: list[wire.Block] = []
        self._bases: list[int] = []
        self._times: list[int] = []

    def append(self, messages: Sequence[bytes], now: int) -> int:
        """Store encoded messages published at ``now`` (nanoseconds); returns the first one's offset."""
        first, stamp = self.head, wire.timestamp(now)
        sizes = list(map(wire.size_bytes, messages))
        offsets = range(first, first + len(messages))
        frames = [
            wire.frame(offset, stamp, message, size)
            for offset, message, size in zip(offsets, messages, sizes, strict=True)
        ]
        self._add(wire.block(offsets, frames, sizes), now)
        self.head += len(messages)
        return first

    def _add(self, block: wire.Block, now: int) -> None:
        self.stored_bytes += len(block.data)
        if self._blocks and len(self._blocks[-1].offsets) + len(block.offsets) <= _COALESCE:
            self._blocks[-1] = wire.join(self._blocks[-1], block)
            self._times[-1] = now
        else:
            self._blocks.append(block)
            self._bases.append(block.offsets[0])
            self._times.append(now)

    def read(self, offset: int) -> wire.Block | None:
        """The stored messages from ``offset`` (or from the oldest kept) on, one block; None at the head."""
        if offset >= self.head:
            return None
        index = max(0, bisect_right(self._bases, offset) - 1)
        return self._blocks[index].since(offset)

    def trim(self, limit: int, published_before: int | None) -> None:
        """Drop the oldest blocks while more than ``limit`` bytes are kept or they are older than wanted."""
        drop = 0
        oldest = -1 if published_before is None else published_before
        while drop < len(self._blocks) - 1 and (self.stored_bytes > limit or self._times[drop] < oldest):
            self.stored_bytes -= len(self._blocks[drop].data)
            drop += 1
        if drop:
            del self._blocks[:drop], self._bases[:drop], self._times[:drop]
            self.oldest = self._bases[0]
