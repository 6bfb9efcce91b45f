"""What keeps the messages: one interface, a file for each storage, chosen by the scheme of its address.

A storage knows topics and consumer groups by name; it knows nothing of projects, gRPC or clients.
``tests/pubsublite/test_storage.py`` runs one contract over every storage.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from pubsublite_emulator.wire import Batch, Block


@dataclass(frozen=True, slots=True)
class Retention:
    """How much a partition keeps: at most ``size`` bytes, and for ``seconds`` if given."""

    size: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """A partition's oldest kept offset and its head, the offset after the last deliverable message."""

    oldest: int
    head: int


class Reader(Protocol):
    """One subscriber's place in a partition."""

    async def next(self) -> Block:
        """Wait for the next messages, in order, none twice; never an empty block."""
        ...

    async def close(self) -> None:
        """Give back what the reader holds."""
        ...


class Storage(Protocol):
    """Partitions of messages, cursors of groups, and the resources' own records.

    A topic that does not exist is ``NOT_FOUND``; what cannot be reached now is ``UNAVAILABLE``.
    """

    durable: bool

    async def start(self) -> None:
        """Connect; raises ``UNAVAILABLE`` naming the address if nothing answers there."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then give back every resource."""
        ...

    def topic_name(self, location: str, topic: str) -> str:
        """Under which name it keeps the topic of that id in that location."""
        ...

    async def create_topic(self, topic: str, partitions: int, retention: Retention) -> None:
        """Create it; one that is there already is adopted if its partition count is the same."""
        ...

    async def update_topic(self, topic: str, partitions: int, retention: Retention) -> None:
        """Grow it to ``partitions`` and set its retention."""
        ...

    async def delete_topic(self, topic: str) -> None:
        """Drop it and its messages."""
        ...

    async def partitions(self, topic: str) -> int:
        """How many partitions it has now."""
        ...

    def append(self, topic: str, partition: int, batch: Batch) -> Awaitable[Sequence[int]]:
        """Queue encoded messages at once, in call order; resolves to their offsets when they are stored."""
        ...

    async def bounds(self, topic: str, partition: int) -> Bounds:
        """What the partition holds; ``head - 1`` can always be delivered."""
        ...

    async def read(self, topic: str, partition: int, offset: int) -> Reader:
        """A reader whose first message is the first one kept at ``offset`` or above."""
        ...

    async def offset_at(self, topic: str, partition: int, nanoseconds: int, *, event: bool) -> int | None:
        """The first offset whose publish (or event) time is not before the given one, if any."""
        ...

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Store the group's next offset for each partition; the last call wins."""
        ...

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """The group's stored offsets by partition; partitions without one are left out."""
        ...

    async def forget(self, group: str) -> None:
        """Drop the group and its offsets; an unknown group is no error."""
        ...

    async def save(self, name: str, record: bytes | None) -> None:
        """Keep (or, with None, drop) a resource's record under its full name."""
        ...

    async def saved(self) -> dict[str, bytes]:
        """Every kept record."""
        ...


def open_storage(address: str) -> Storage:
    """The storage for ``memory`` or ``kafka://HOST:PORT[,HOST:PORT]``, not started yet."""
    scheme, _, rest = address.partition("://")
    if scheme not in ("memory", "kafka") or (scheme == "kafka") != bool(rest) or address == "memory://":
        raise ValueError(f"storage {address!r}: expected memory or kafka://HOST:PORT")
    module = import_module(f"pubsublite_emulator.storage_{scheme}")
    return cast(Storage, module.open_storage(rest))
