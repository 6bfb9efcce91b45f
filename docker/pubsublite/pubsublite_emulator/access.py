"""Access rules: requests from web pages are refused, and the proxy connects only to permitted addresses.

A web page can send requests to this machine. The Host header gives away a page whose own name was made to
resolve to this machine (DNS rebinding); Origin and Sec-Fetch-Site give away any other page. Google's clients
send neither.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address

from pubsublite_emulator.errors import Code, LiteError

_EMULATED = (
    "*-pubsublite.googleapis.com",
    "pubsublite.googleapis.com",
    "cloudresourcemanager.googleapis.com",
)
_AUTHORITY = re.compile(r"(?:\[([\da-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?", re.ASCII)


def emulated(host: str) -> bool:
    """Return whether the emulator stands in for this Google host."""
    return any(fnmatch.fnmatch(host.lower(), name) for name in _EMULATED)


class Access:
    """Checks the headers of each request; ``name`` and ``port`` are the address that clients are given."""

    def __init__(self) -> None:
        self.name, self.port = "localhost", 0

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise PERMISSION_DENIED if a request comes from a web page."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._leads_here(host):
            raise _denied(f"Host {host!r} is not this emulator; expected {self.name}:{self.port}")
        if origin is not None and not self._leads_here(origin.removeprefix("http://")):
            raise _denied(f"Origin {origin!r}: pages of other sites may not call this emulator")
        if (site := headers.get("sec-fetch-site", "none")) not in ("none", "same-origin"):
            raise _denied(f"Sec-Fetch-Site {site!r}: pages of other sites may not call this emulator")

    def _leads_here(self, authority: str) -> bool:
        match = _AUTHORITY.fullmatch(authority)
        if not match:
            return False
        name = (match[1] or match[2]).lower()
        if emulated(name):
            return True
        return int(match[3] or 80) == self.port and (name == self.name or is_loopback(name))


def is_loopback(name: str) -> bool:
    """Return whether a name or an address means this machine itself."""
    try:
        return name == "localhost" or _address(name).is_loopback
    except ValueError:
        return False


def may_reach(address: str, client: str) -> bool:
    """Return whether the proxy may connect a client to an address: a public one, or loopback from loopback.

    The proxy takes no client further than the client could go directly: neither to other machines in the
    emulator's network, nor to anything else that listens on the emulator's own machine.
    """
    wanted = _address(address)
    return wanted.is_global or (wanted.is_loopback and is_loopback(client))


def _address(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _denied(reason: str) -> LiteError:
    return LiteError(Code.PERMISSION_DENIED, reason)
