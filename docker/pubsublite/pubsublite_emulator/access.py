"""Which requests come from no page of a browser, and which addresses the proxy leads to.

A page can send requests to this machine. The Host header tells one whose own name was made to lead here (DNS
rebinding); Origin and Sec-Fetch-Site tell any other. Clients of Google's send neither.
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
    """Whether the emulator stands for this host of Google's."""
    return any(fnmatch.fnmatch(host.lower(), name) for name in _EMULATED)


class Access:
    """Checks the headers of each request; ``name`` and ``port`` are what clients are told."""

    def __init__(self) -> None:
        self.name, self.port = "localhost", 0

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise PERMISSION_DENIED for a page's request."""
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
    """Whether a name or an address means the machine itself."""
    try:
        return name == "localhost" or _address(name).is_loopback
    except ValueError:
        return False


def may_reach(address: str, client: str) -> bool:
    """Whether the proxy leads a client to an address: a public one, or loopback from loopback itself.

    The proxy takes nobody further than they could go directly: neither to other machines of the emulator's
    network, nor to what else listens on its own.
    """
    wanted = _address(address)
    return wanted.is_global or (wanted.is_loopback and is_loopback(client))


def _address(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def _denied(reason: str) -> LiteError:
    return LiteError(Code.PERMISSION_DENIED, reason)
