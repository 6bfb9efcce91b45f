"""Long-running operations: work in a thread, which gcloud polls until it is done."""

from __future__ import annotations

import copy
from collections.abc import Callable
from threading import Lock, Thread
from typing import Any
from uuid import uuid4

from dataproc_emulator.errors import ApiError, not_found
from dataproc_emulator.times import stamp

_GOOGLE = "type.googleapis.com/google.cloud.dataproc.v1"


class Operations:
    """Operations on clusters."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._all: dict[str, dict[str, Any]] = {}

    def begin(
        self, parent: str, kind: str, cluster: dict[str, Any], work: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Start ``work`` and return the operation.

        ``work`` returns the operation's response, or fails by raising ApiError or OSError.
        """
        name = f"{parent}/operations/{uuid4()}"
        metadata = {
            "@type": f"{_GOOGLE}.ClusterOperationMetadata",
            "clusterName": cluster["clusterName"],
            "clusterUuid": cluster["clusterUuid"],
            "operationType": kind,
            "status": {"state": "RUNNING", "innerState": "RUNNING", "stateStartTime": stamp()},
        }
        with self._lock:
            self._all[name] = {"name": name, "metadata": metadata, "done": False}
        Thread(target=self._work, args=(name, work), name=name, daemon=True).start()
        return self.get(name)

    def get(self, name: str) -> dict[str, Any]:
        """Return the operation as it is now; raise ApiError if it does not exist."""
        with self._lock:
            if name not in self._all:
                raise not_found("Operation", name)
            return copy.deepcopy(self._all[name])

    def _work(self, name: str, work: Callable[[], dict[str, Any]]) -> None:
        try:
            outcome: dict[str, Any] = {"response": work()}
        except (ApiError, OSError) as error:
            outcome = {"error": {"code": 13, "message": str(error)}}
        with self._lock:
            operation = self._all[name]
            operation.update(outcome, done=True)
            operation["metadata"]["status"] = {
                "state": "DONE",
                "innerState": "DONE",
                "stateStartTime": stamp(),
            }
