"""Fault injection: one queue per RPC, as in librdkafka's ``rdkafka_mock.h`` (``push_request_errors``)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from threading import Lock
from typing import Literal

from pubsublite_emulator.errors import Code, LiteError

Moment = Literal["request", "response"]


class Ordered:
    """The faults of one :meth:`Faults.fail_next`."""

    def __init__(self) -> None:
        self._fired = 0

    def fired(self) -> int:
        """Return how many of them have hit a call so far."""
        return self._fired

    def fire(self) -> None:
        """Count one that hits a call."""
        self._fired += 1


class Faults:
    """Errors that the next messages of an RPC get instead of real answers; can be queued from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._queues: dict[tuple[str, Moment], deque[tuple[Code, Ordered]]] = defaultdict(deque)
        self._rpcs: list[str] = []

    def serve(self, rpcs: Iterable[str]) -> None:
        """Set the names of the RPCs that exist."""
        self._rpcs = sorted(rpcs)

    def fail_next(self, rpc: str, *codes: str, at: Moment = "request") -> Ordered:
        """Queue one fault for each of ``codes`` on ``rpc`` (``"Publish"``, ``"CommitCursor"``...).

        At ``"request"``, the next message a client sends is refused and has no effect; at ``"response"``, it
        takes effect but the answer is lost. Each fault ends the call it hits. Return a handle that counts
        them; raise ValueError for an RPC or a code that does not exist: such a fault would never be seen.
        """
        _one_of("RPC", rpc, self._rpcs)
        for code in codes:
            _one_of("code", code, Code.__members__)
        ordered = Ordered()
        with self._lock:
            self._queues[rpc, at].extend((Code[code], ordered) for code in codes)
        return ordered

    def check(self, rpc: str, at: Moment) -> None:
        """Raise the next queued fault, if any."""
        queue = self._queues.get((rpc, at))
        if not queue:
            return
        with self._lock:
            code, ordered = queue.popleft() if queue else (None, None)
        if code is not None and ordered is not None:
            ordered.fire()
            raise LiteError(code, f"fault ordered by fail_next({rpc!r}, {code.name!r}, at={at!r})")


def _one_of(kind: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        names = ", ".join(known) or "those of an emulator that has been entered"
        raise ValueError(f"fail_next: no {kind} is named {name!r}; expected one of {names}")
