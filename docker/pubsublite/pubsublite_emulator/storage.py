"""Message storage: one interface, one file per storage, chosen by the scheme of its address.

A storage knows topics and consumer groups by name; it knows nothing about projects, gRPC or clients.
``tests/pubsublite/test_storage.py`` runs one contract against every storage.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from pubsublite_emulator.wire import Batch, Block


@dataclass(frozen=True, slots=True)
class Retention:
    """How much a partition keeps: at most ``size`` bytes, and for at most ``seconds`` if given."""

    size: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """A partition's oldest kept offset and its head, the offset after the last deliverable message."""

    oldest: int
    head: int


class Reader(Protocol):
    """One subscriber's position in a partition."""

    async def next(self) -> Block:
        """Return the next messages, waiting for them: in order, none twice, never an empty block."""
        ...

    async def close(self) -> None:
        """Release what the reader holds."""
        ...


class Storage(Protocol):
    """Partitions of messages, cursors of groups, and the resources' own records.

    Methods raise ``NOT_FOUND`` for a topic that does not exist, ``UNAVAILABLE`` for what is out of reach now.
    """

    durable: bool

    async def start(self) -> None:
        """Connect; raise ``UNAVAILABLE``, naming the address, if nothing answers there."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then release every resource."""
        ...

    def topic_names(self, location: str, topic: str) -> Sequence[str]:
        """Return the names under which the topic with that id in that location may be stored, best first."""
        ...

    async def create_topic(self, topic: str, partitions: int, retention: Retention) -> None:
        """Create the topic, or adopt an existing one if its partition count is the same."""
        ...

    async def update_topic(self, topic: str, partitions: int, retention: Retention) -> None:
        """Grow the topic to ``partitions`` and set its retention."""
        ...

    async def delete_topic(self, topic: str) -> None:
        """Delete the topic and its messages."""
        ...

    async def partitions(self, topic: str) -> int:
        """Return how many partitions the topic has now."""
        ...

    def append(self, topic: str, partition: int, batch: Batch) -> Awaitable[Sequence[int]]:
        """Queue encoded messages at once, in call order; resolve to their offsets once they are stored."""
        ...

    async def bounds(self, topic: str, partition: int) -> Bounds:
        """Return the bounds of what the partition holds; ``head - 1`` can always be delivered."""
        ...

    async def read(self, topic: str, partition: int, offset: int) -> Reader:
        """Return a reader whose first message is the first one kept at ``offset`` or above."""
        ...

    async def offset_at(self, topic: str, partition: int, nanoseconds: int, *, event: bool) -> int | None:
        """Return the first offset whose publish (or event) time is not before the given one, if any."""
        ...

    async def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Store the group's next offset for each partition; the last call wins."""
        ...

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return the group's stored offsets by partition, leaving out partitions without one."""
        ...

    async def forget(self, group: str) -> None:
        """Delete the group and its offsets; an unknown group is not an error."""
        ...

    async def save(self, name: str, record: bytes | None) -> None:
        """Store a resource's record under its full name or, if it is None, delete the stored one."""
        ...

    async def saved(self) -> dict[str, bytes]:
        """Return every stored record, by name."""
        ...


def open_storage(address: str) -> Storage:
    """Return the storage for ``memory`` or ``kafka://HOST:PORT[,HOST:PORT]``, not started yet.

    Raise ValueError for any other address.
    """
    scheme, _, rest = address.partition("://")
    if scheme not in ("memory", "kafka") or (scheme == "kafka") != bool(rest) or address == "memory://":
        raise ValueError(f"storage {address!r}: expected memory or kafka://HOST:PORT")
    module = import_module(f"pubsublite_emulator.storage_{scheme}")
    return cast(Storage, module.open_storage(rest))
