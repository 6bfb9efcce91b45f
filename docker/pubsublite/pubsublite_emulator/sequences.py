"""Idempotent publishing: each message of a producer is stored once, however often the client sends it.

A producer is a client id on one partition. Its messages are numbered from 0; after a reconnect, a client
resends what was not acknowledged. The state lives as long as the process, and the numbers of producers and of
messages in it are bounded.

The Python client (1.13, ``single_partition_publisher.py``) resends without the number, that is, as 0. A batch
numbered 0 on a later stream is therefore treated as a repetition only if its payload equals that of the
messages stored under 0 and up; dropping it in any other case would lose messages.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pubsublite_emulator.wire import Batch

log = logging.getLogger("pubsublite_emulator")

_REMEMBERED_MESSAGES = 20_000
_REMEMBERED_PRODUCERS = 1_000

Append = Callable[[Batch], Awaitable[Sequence[int]]]


@dataclass(frozen=True, slots=True)
class _Stored:
    """One stored message; its offset is entry ``index`` of what ``offsets`` resolves to."""

    payload: int
    offsets: asyncio.Future[Sequence[int]]
    index: int


class Producer:
    """The sequence of one client id on one partition."""

    def __init__(self) -> None:
        self.streams = 0
        self._next = 0
        self._stored: OrderedDict[int, _Stored] = OrderedDict()

    def append(self, batch: Batch, append: Append) -> Awaitable[Sequence[int | None]]:
        """Store what is new in ``batch``; resolve to all its offsets, with None for a forgotten one."""
        first = batch.first_sequence_number
        if first > self._next:
            log.warning("publish sequence jumps from %d to %d: accepted", self._next, first)
        numbers = range(first, first + batch.count)
        unnumbered = first == 0 and self._next > 0 and self.streams > 1
        new = [
            index
            for index, number in enumerate(numbers)
            if not self._repeats(number, batch.messages[index], unnumbered)
        ]
        known = [self._stored.get(number) for number in numbers]
        fresh = (
            asyncio.ensure_future(append(Batch([batch.messages[index] for index in new]))) if new else None
        )
        if fresh is not None and not unnumbered:
            self._remember([(numbers[index], batch.messages[index]) for index in new], fresh)
        return asyncio.ensure_future(_offsets(known, new, fresh))

    def _repeats(self, number: int, message: bytes, unnumbered: bool) -> bool:
        if number >= self._next:
            return False
        stored = self._stored.get(number)
        return not unnumbered or (stored is not None and stored.payload == hash(message))

    def _remember(self, added: Sequence[tuple[int, bytes]], offsets: asyncio.Future[Sequence[int]]) -> None:
        for index, (number, message) in enumerate(added):
            self._stored[number] = _Stored(hash(message), offsets, index)
        while len(self._stored) > _REMEMBERED_MESSAGES:
            self._stored.popitem(last=False)
        self._next = max(self._next, added[-1][0] + 1)
        offsets.add_done_callback(lambda done: self._forget(added[0][0], done))

    def _forget(self, first: int, done: asyncio.Future[Sequence[int]]) -> None:
        """Forget messages that could not be stored: the client's next attempt counts as the first."""
        if not done.cancelled() and done.exception() is None:
            return
        for number in [number for number in self._stored if number >= first]:
            del self._stored[number]
        self._next = min(self._next, first)


async def _offsets(
    known: Sequence[_Stored | None], new: Sequence[int], fresh: asyncio.Future[Sequence[int]] | None
) -> Sequence[int | None]:
    found: list[int | None] = []
    for stored in known:
        found.append((await asyncio.shield(stored.offsets))[stored.index] if stored else None)
    if fresh is not None:
        for index, offset in zip(new, await asyncio.shield(fresh), strict=True):
            found[index] = offset
    return found


class Producers:
    """The producers seen most recently."""

    def __init__(self) -> None:
        self._producers: OrderedDict[tuple[bytes, str, int], Producer] = OrderedDict()

    def open(self, client_id: bytes, topic: str, partition: int) -> Producer:
        """Return the producer for a stream that opens now."""
        key = (client_id, topic, partition)
        producer = self._producers.setdefault(key, Producer())
        self._producers.move_to_end(key)
        producer.streams += 1
        while len(self._producers) > _REMEMBERED_PRODUCERS:
            self._producers.popitem(last=False)
        return producer
