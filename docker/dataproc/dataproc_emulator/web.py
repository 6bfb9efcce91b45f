"""Requests, answers, and the routes that lead from one to the other."""

from __future__ import annotations

import errno
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

from dataproc_emulator.errors import ApiError

log = logging.getLogger("dataproc_emulator")

_JSON_BYTES = 10 << 20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class Request:
    """One call; ``query`` keeps the last value of a repeated parameter, ``headers`` ignores case."""

    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: BinaryIO

    @property
    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; raise ApiError if it is not one."""
        self.body.seek(0)
        try:
            read = json.loads(self.body.read(_JSON_BYTES) or b"{}")
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict):
            raise ApiError("INVALID_ARGUMENT", "Invalid JSON payload received.")
        return read


@dataclass(frozen=True)
class Response:
    """One answer; ``chunks`` replaces a ``body`` that is too large to hold in memory."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Iterator[bytes] | None = None


Answer = Response | dict[str, Any]
Handler = Callable[..., Answer]


@dataclass(frozen=True)
class Route:
    """Which function answers, and the largest body it accepts; None means as large as the disk."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    limit: int | None


class Routes:
    """Which function answers which path; ``{name}`` in a pattern is a segment, passed on decoded."""

    def __init__(self) -> None:
        self._routes: list[Route] = []

    def add(self, method: str, pattern: str, handler: Handler, limit: int | None = _JSON_BYTES) -> None:
        """Let ``handler(request, *segments)`` answer ``method`` on paths that match ``pattern``."""
        expression = re.sub(r"\{\w+\}", "([^/]+)", pattern)
        self._routes.append(Route(method, re.compile(expression), handler, limit))

    def find(self, method: str, target: str) -> tuple[Route, list[str]]:
        """Return the route of a call and the segments of its path; raise ApiError if there is no route."""
        path = urlsplit(target).path
        for route in self._routes:
            if route.method == method and (match := route.pattern.fullmatch(path)):
                return route, [unquote(segment) for segment in match.groups()]
        raise ApiError("UNIMPLEMENTED", f"{method} {path}: not in this emulator, see UNSUPPORTED.md")

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: BinaryIO) -> Response:
        """Return the answer to a call; whatever its handler raises becomes Google's error JSON."""
        try:
            route, segments = self.find(method, target)
            request = Request(dict(parse_qsl(urlsplit(target).query)), headers, body)
            answer = route.handler(request, *segments)
        except Exception as error:
            return refusal(method, target, error)
        log.debug("%s %s", method, target)
        return answer if isinstance(answer, Response) else _json(answer, 200)


def refusal(method: str, target: str, error: Exception) -> Response:
    """Return the answer to a call that ended in ``error``, logging an unexpected error with its traceback."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        said = f"{error.strerror}: the emulator's directory has no room; remedy: free some and try again"
        error = ApiError("INSUFFICIENT_STORAGE", said)
    if not isinstance(error, ApiError):
        log.error("%s %s failed", method, target, exc_info=error)
        error = ApiError("INTERNAL", f"{type(error).__name__} inside the emulator; its log says where")
    # gcloud asks for many things that do not exist yet: a driver's next output, an upload's target.
    level = logging.DEBUG if error.status == "NOT_FOUND" else logging.INFO
    log.log(level, "%s %s: %d %s", method, target, error.code, error)
    return _json(error.body, error.code)


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(body).encode(), status, {"Content-Type": "application/json; charset=UTF-8"})
