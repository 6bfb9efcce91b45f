"""Reading what a partition holds now, message by message."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.storage import Storage

_MessageResponse = message("MessageResponse")


async def messages(
    storage: Storage, topic: str, partition: int, start: int = 0, end: int | None = None
) -> AsyncGenerator[Message]:
    """Yield each ``SequencedMessage`` from ``start`` to ``end`` (exclusive), at most to the head."""
    bounds = await storage.bounds(topic, partition)
    end = bounds.head if end is None else min(end, bounds.head)
    if max(start, bounds.oldest) >= end:
        return
    reader = await storage.read(topic, partition, max(start, bounds.oldest))
    try:
        while True:
            block = await reader.next()
            for found in _MessageResponse.FromString(block.messages()).messages:
                if found.cursor.offset >= end:
                    return
                yield found
            if block.offsets[-1] + 1 >= end:
                return
    finally:
        await reader.close()


async def first_at(
    storage: Storage, topic: str, partition: int, nanoseconds: int, *, event: bool
) -> int | None:
    """Return the first offset whose publish (or event) time is not before ``nanoseconds``, if any.

    Look at every message, because neither time is ordered within a partition.
    """
    time_of = event_time if event else publish_time
    async with aclosing(messages(storage, topic, partition)) as found:
        async for one in found:
            if time_of(one) >= nanoseconds:
                return int(one.cursor.offset)
    return None


def publish_time(sequenced: Message) -> int:
    """Return a ``SequencedMessage``'s publish time in nanoseconds since 1970."""
    return int(sequenced.publish_time.ToNanoseconds())


def event_time(sequenced: Message) -> int:
    """Return a ``SequencedMessage``'s event time, or without one its publish time, in the same unit."""
    own = sequenced.message
    return int(own.event_time.ToNanoseconds()) if own.HasField("event_time") else publish_time(sequenced)
