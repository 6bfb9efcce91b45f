"""Long-running operations: work in a thread, which gcloud polls until it is done."""

from __future__ import annotations

import copy
from collections.abc import Callable
from threading import Lock, Thread
from typing import Any
from uuid import uuid4

from dataproc_emulator.errors import ApiError, not_found

Resource = dict[str, Any]


class Operations:
    """The operations of one interface, each with metadata of its form."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._all: dict[str, Resource] = {}

    def begin(
        self, parent: str, metadata: Resource, work: Callable[[], Resource], at_end: Callable[[], Resource]
    ) -> Resource:
        """Start ``work`` and return the operation.

        ``work`` returns the operation's response, or fails by raising ApiError or OSError; then the metadata
        is updated by what ``at_end`` returns.
        """
        name = f"{parent}/operations/{uuid4()}"
        with self._lock:
            self._all[name] = {"name": name, "metadata": metadata, "done": False}
        Thread(target=self._work, args=(name, work, at_end), name=name, daemon=True).start()
        return self.get(name)

    def get(self, name: str) -> Resource:
        """Return the operation as it is now; raise ApiError if it does not exist."""
        with self._lock:
            if name not in self._all:
                raise not_found("Operation", name)
            return copy.deepcopy(self._all[name])

    def list(self, parent: str) -> list[Resource]:
        """Return all operations below ``parent``, the newest first."""
        with self._lock:
            found = [one for name, one in self._all.items() if name.startswith(f"{parent}/operations/")]
            return copy.deepcopy(found[::-1])

    def _work(self, name: str, work: Callable[[], Resource], at_end: Callable[[], Resource]) -> None:
        try:
            outcome: Resource = {"response": work()}
        except (ApiError, OSError) as error:
            outcome = {"error": {"code": 13, "message": str(error)}}
        with self._lock:
            operation = self._all[name]
            operation.update(outcome, done=True)
            operation["metadata"].update(at_end())
