"""Access rules: requests from web pages are refused, and the proxy connects only to permitted addresses."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping

from loopback import pages
from pubsublite_emulator.errors import Code, LiteError

_EMULATED = (
    "*-pubsublite.googleapis.com",
    "pubsublite.googleapis.com",
    "cloudresourcemanager.googleapis.com",
)


def emulated(host: str) -> bool:
    """Return whether the emulator stands in for this Google host."""
    return any(fnmatch.fnmatch(host.lower(), name) for name in _EMULATED)


class Access:
    """Checks the headers of each request; ``name`` and ``port`` are the address that clients are given."""

    def __init__(self) -> None:
        self.name, self.port = "localhost", 0

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise PERMISSION_DENIED if a request comes from a web page."""
        if refused := pages.refusal(headers, self._leads_here, f"{self.name}:{self.port}"):
            raise LiteError(Code.PERMISSION_DENIED, refused)

    def _leads_here(self, authority: str) -> bool:
        try:
            name, port = pages.place(authority, 80)
        except ValueError:
            return False
        return emulated(name) or (port == self.port and (name == self.name or pages.is_loopback(name)))


def may_reach(address: str, client: str) -> bool:
    """Return whether the proxy may connect a client to an address: a public one, or loopback from loopback.

    The proxy takes no client further than the client could go directly: neither to other machines in the
    emulator's network, nor to anything else that listens on the emulator's own machine.
    """
    wanted = pages.address(address)
    return wanted.is_global or (wanted.is_loopback and pages.is_loopback(client))
