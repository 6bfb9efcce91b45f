"""Which of a subscription's subscribers reads which partitions: pure, a function of who is there.

The assignment depends only on the set of client ids, so a client that comes back gets its partitions back. A
partition changes hands in two steps: its old owner first acknowledges that it has let go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Member:
    """A connected subscriber: what it was told, what it may still read, and whether it has answered."""

    assigned: frozenset[int] | None = None
    reading: frozenset[int] = frozenset()
    waiting: bool = False


@dataclass(slots=True)
class Group:
    """The subscribers of one subscription."""

    partitions: int
    members: dict[bytes, Member] = field(default_factory=dict)

    def targets(self) -> dict[bytes, frozenset[int]]:
        """The assignment for the members that are there: round robin in the order of their ids."""
        ids = sorted(self.members)
        return {
            client: frozenset(range(index, self.partitions, len(ids))) for index, client in enumerate(ids)
        }

    def due(self) -> dict[bytes, frozenset[int]]:
        """What to tell whom now; each is then waiting until :meth:`acknowledge`."""
        held = {client: member.reading for client, member in self.members.items()}
        messages = {}
        for client, target in self.targets().items():
            member = self.members[client]
            others: Iterable[frozenset[int]] = (held[other] for other in held if other != client)
            wanted = target.difference(*others)
            if not member.waiting and wanted != member.assigned:
                member.waiting, member.assigned = True, wanted
                member.reading = held[client] = member.reading | wanted
                messages[client] = wanted
        return messages

    def acknowledge(self, client: bytes) -> bool:
        """The client follows its last assignment; False if none was outstanding."""
        member = self.members[client]
        if not member.waiting or member.assigned is None:
            return False
        member.waiting, member.reading = False, member.assigned
        return True
