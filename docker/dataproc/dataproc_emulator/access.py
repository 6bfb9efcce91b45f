"""Access rules: a caller must hold the token and use one of the emulator's names; web pages are refused.

A web page can send requests to this machine. The Host header gives away a page whose own name was made to
resolve to this machine (DNS rebinding), Origin and Sec-Fetch-Site give away any other page, and no page can
read the token.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from dataproc_emulator.errors import ApiError

_AUTHORITY = re.compile(r"(?:\[([\da-fA-F:.]+)\]|([\w.-]+))(?::(\d{1,5}))?", re.ASCII)


class Access:
    """Checks the headers of each request.

    ``hosts`` are the names, other than those of loopback, that lead to the emulator, each with its port if
    that differs from ``port``, on which the emulator listens.
    """

    def __init__(self, token: str, port: int, hosts: Iterable[str] = ()) -> None:
        self._token = f"Bearer {token}".encode()
        self._port = port
        self._places = {_place(host, port) for host in hosts}
        self._ports = {port, *(place[1] for place in self._places)}

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise ApiError unless a request with these headers may be answered."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._leads_here(host):
            expected = f"expected localhost:{self._port}, or a name given by serve --allow-host"
            raise ApiError("PERMISSION_DENIED", f"Host {host!r} is not this emulator; {expected}")
        if origin is not None and not self._leads_here(origin.removeprefix("http://")):
            raise _foreign(f"Origin {origin!r}")
        if (site := headers.get("sec-fetch-site", "none")) not in ("none", "same-origin"):
            raise _foreign(f"Sec-Fetch-Site {site!r}")
        if not hmac.compare_digest(headers.get("authorization", "").encode(), self._token):
            raise ApiError(
                "UNAUTHENTICATED",
                "The request has no valid token; expected the one in the file 'token' of the emulator's "
                'directory; remedy: eval "$(python -m dataproc_emulator env)"',
            )

    def _leads_here(self, authority: str) -> bool:
        try:
            name, port = _place(authority, 80)
        except ValueError:
            return False
        return (name, port) in self._places or (_is_loopback(name) and port in self._ports)


def _place(authority: str, port: int) -> tuple[str, int]:
    """Return name and port of ``NAME[:PORT]``; raise ValueError for anything else."""
    match = _AUTHORITY.fullmatch(authority)
    if not match:
        raise ValueError(f"{authority!r}: expected HOST or HOST:PORT")
    return (match[1] or match[2]).lower(), int(match[3] or port)


def _is_loopback(name: str) -> bool:
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def _foreign(header: str) -> ApiError:
    return ApiError("PERMISSION_DENIED", f"{header}: pages of other sites may not call this emulator")
