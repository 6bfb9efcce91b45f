"""Fault injection: one queue per RPC, as in librdkafka's ``rdkafka_mock.h`` (``push_request_errors``)."""

from __future__ import annotations

from collections import defaultdict, deque
from threading import Lock
from typing import Literal

from pubsublite_emulator.errors import Code, LiteError

Moment = Literal["request", "response"]


class Faults:
    """Errors that the next messages of an RPC get instead of real answers; can be queued from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._queues: dict[tuple[str, Moment], deque[Code]] = defaultdict(deque)

    def fail_next(self, rpc: str, *codes: str, at: Moment = "request") -> None:
        """Queue one fault for each of ``codes`` on ``rpc`` (``"Publish"``, ``"CommitCursor"``...).

        At ``"request"``, the next message a client sends is refused and has no effect; at ``"response"``, it
        takes effect but the answer is lost. Each fault ends the call it hits.
        """
        with self._lock:
            self._queues[rpc, at].extend(Code[code] for code in codes)

    def check(self, rpc: str, at: Moment) -> None:
        """Raise the next queued fault, if any."""
        queue = self._queues.get((rpc, at))
        if not queue:
            return
        with self._lock:
            code = queue.popleft() if queue else None
        if code is not None:
            raise LiteError(code, f"fault ordered by fail_next({rpc!r}, {code.name!r}, at={at!r})")
