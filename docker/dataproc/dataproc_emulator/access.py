"""Access rules: a caller must hold the token and use one of the emulator's names; web pages are refused.

No page can read the token.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping

from dataproc_emulator.errors import ApiError
from loopback import pages

EXCHANGE = "/token"
"""The path of the token endpoint, whose callers prove who they are by a signature instead of a token."""


class Access:
    """Checks the headers of each request.

    ``hosts`` are the names, other than those of loopback, that lead to the emulator, each with its port if
    that differs from ``port``, on which the emulator listens. ``admits`` tells, for another token, a method
    and a target, whether that request may be answered too.
    """

    def __init__(
        self,
        token: str,
        port: int,
        hosts: Iterable[str] = (),
        admits: Callable[[str, str, str], bool] = lambda token, method, target: False,
    ) -> None:
        self._token = token
        self._admits = admits
        self._port = port
        self._places = {pages.place(host, port) for host in hosts}
        self._ports = {port, *(place[1] for place in self._places)}

    def check(self, headers: Mapping[str, str], method: str = "GET", target: str = "") -> None:
        """Raise ApiError unless a request for ``target`` with these headers may be answered."""
        name = f"localhost:{self._port}, or a name given by serve --allow-host"
        if refused := pages.refusal(headers, self._leads_here, name):
            raise ApiError("PERMISSION_DENIED", refused)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = given if scheme == "Bearer" else ""
        own = hmac.compare_digest(token.encode(), self._token.encode())
        if not (own or target == EXCHANGE or self._admits(token, method, target)):
            raise ApiError(
                "UNAUTHENTICATED",
                "The request has no valid token; expected the one in the file 'token' of the emulator's "
                'directory; remedy: eval "$(python -m dataproc_emulator env)"',
            )

    def _leads_here(self, authority: str) -> bool:
        try:
            name, port = pages.place(authority, 80)
        except ValueError:
            return False
        return (name, port) in self._places or (pages.is_loopback(name) and port in self._ports)
