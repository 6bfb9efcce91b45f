"""Subnetworks: each that is named exists, and only what a rehearsal depends on is kept of it."""

from __future__ import annotations

import re
from threading import Lock
from typing import Any

from dataproc_emulator.errors import ApiError

DEFAULT = "default"
_PATH = re.compile(r"(?:.*/)?projects/([^/]+)/regions/([^/]+)/subnetworks/([^/]+)")


class Subnetworks:
    """From which of them machines without an external address reach Google's services; from none at first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._private: set[tuple[str, str, str]] = set()

    def set_private_access(self, project: str, region: str, name: str, on: bool) -> None:
        """Let such machines reach Google's services, or not."""
        with self._lock:
            (self._private.add if on else self._private.discard)((project, region, name))

    def private_access(self, project: str, region: str, name: str) -> bool:
        """Return whether such machines reach Google's services."""
        return (project, region, name) in self._private

    def check_machines(self, project: str, region: str, machines: dict[str, Any]) -> None:
        """Raise ApiError if a cluster's machines (``gceClusterConfig``) would reach no Google service."""
        named = str(machines.get("subnetworkUri") or DEFAULT)
        place, name = check_region(named, region) if "/" in named else (project, named)
        if machines.get("internalIpOnly") and not self.private_access(place, region, name):
            raise ApiError(
                "INVALID_ARGUMENT",
                f"Subnetwork '{name}' does not support Private Google Access which is required for Dataproc "
                "clusters when 'internal_ip_only' is set to 'true'. Enable Private Google Access on "
                f"subnetwork '{name}' or set 'internal_ip_only' to 'false'.",
            )


def check_region(path: str, region: str) -> tuple[str, str]:
    """Return project and name of a subnetwork; raise ApiError if it is not a path to one of the region."""
    match = _PATH.fullmatch(path)
    if not match or match[2] != region:
        raise ApiError(
            "INVALID_ARGUMENT",
            f"Invalid subnetwork '{path}'; expected projects/PROJECT/regions/{region}/subnetworks/NAME",
        )
    return match[1], match[3]
