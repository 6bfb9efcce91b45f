"""Whether a request may come from a web page, which can send requests to the machine that shows it.

The Host header gives away a page whose own name was made to resolve to this machine (DNS rebinding); Origin
and Sec-Fetch-Site give away any other page. Programs send neither of the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address

_AUTHORITY = re.compile(r"(?:\[([\da-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?", re.ASCII)


def refusal(headers: Mapping[str, str], leads_here: Callable[[str], bool], name: str) -> str | None:
    """Return why a request with these headers is refused; None if no page of another site has sent it.

    `leads_here` tells whether an authority, such as `localhost:8123`, is this server; `name` is one that is.
    """
    host, origin = headers.get("host", ""), headers.get("origin")
    if not leads_here(host):
        return f"Host {host!r} is not this emulator; expected {name}"
    if origin is not None and not leads_here(origin.removeprefix("http://")):
        return f"Origin {origin!r}: pages of other sites may not call this emulator"
    if (site := headers.get("sec-fetch-site", "none")) not in ("none", "same-origin"):
        return f"Sec-Fetch-Site {site!r}: pages of other sites may not call this emulator"
    return None


def place(authority: str, port: int) -> tuple[str, int]:
    """Return name and port of `NAME[:PORT]`; raise ValueError for anything else."""
    match = _AUTHORITY.fullmatch(authority)
    if not match:
        raise ValueError(f"{authority!r}: expected HOST or HOST:PORT")
    return (match[1] or match[2]).lower(), int(match[3] or port)


def is_loopback(name: str) -> bool:
    """Return whether a name or an address means this machine itself."""
    try:
        return name == "localhost" or address(name).is_loopback
    except ValueError:
        return False


def address(text: str) -> IPv4Address | IPv6Address:
    """Return the address, that of IPv4 if it is mapped into IPv6; raise ValueError for anything else."""
    found = ip_address(text.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found
