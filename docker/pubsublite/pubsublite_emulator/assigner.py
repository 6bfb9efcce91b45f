"""Which subscriber of a subscription reads which partitions: a pure function of who is connected.

The assignment depends only on the set of client ids, so a client that reconnects gets its partitions back. A
partition changes hands in two steps: its old owner first acknowledges that it has let go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Member:
    """A connected subscriber: its last assignment, what it may still read, and whether it owes an answer.

    ``overdue`` means that the other subscribers no longer wait for its answer.
    """

    assigned: frozenset[int] | None = None
    reading: frozenset[int] = frozenset()
    waiting: bool = False
    overdue: bool = False


@dataclass(slots=True)
class Group:
    """The subscribers of one subscription."""

    partitions: int
    members: dict[bytes, Member] = field(default_factory=dict)

    def targets(self) -> dict[bytes, frozenset[int]]:
        """Return the assignment for the current members: round robin in the order of their ids."""
        ids = sorted(self.members)
        return {
            client: frozenset(range(index, self.partitions, len(ids))) for index, client in enumerate(ids)
        }

    def due(self) -> dict[bytes, frozenset[int]]:
        """Return the assignments to send now, by client; each then waits until :meth:`acknowledge`.

        No client is sent a second one before that, because Google's clients treat it as a fatal error
        (python-pubsublite assigner_impl.py, java-pubsublite ConnectedAssignerImpl).
        """
        targets, messages = self.targets(), {}
        held = {
            client: member.reading & targets[client] if member.overdue else member.reading
            for client, member in self.members.items()
        }
        for client, target in targets.items():
            member = self.members[client]
            others: Iterable[frozenset[int]] = (held[other] for other in held if other != client)
            wanted = target.difference(*others)
            if not member.waiting and wanted != member.assigned:
                member.waiting, member.assigned = True, wanted
                member.reading = held[client] = member.reading | wanted
                messages[client] = wanted
        return messages

    def acknowledge(self, client: bytes) -> bool:
        """Record that the client follows its last assignment; return False if none was outstanding."""
        member = self.members.get(client)
        if member is None or not member.waiting or member.assigned is None:
            return False
        # Others have been given what an overdue subscriber should have released.
        kept = self.targets()[client] if member.overdue else member.assigned
        member.waiting, member.overdue, member.reading = False, False, member.assigned & kept
        return True

    def give_up(self, client: bytes) -> None:
        """Let others have what the client should have released, although it has not acknowledged that yet."""
        self.members[client].overdue = True
