"""Requests, answers and the way from one to the other, over plain HTTP/1.1."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from dataproc_emulator.errors import ApiError

log = logging.getLogger("dataproc_emulator")


@dataclass(frozen=True)
class Request:
    """One call; ``query`` keeps the last of parameters of one name."""

    query: Mapping[str, str]
    headers: Message[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as a JSON object; raises ApiError where it is none."""
        try:
            read = json.loads(self.body or b"{}")
        except ValueError:
            read = None
        if not isinstance(read, dict):
            raise ApiError("INVALID_ARGUMENT", "Invalid JSON payload received.")
        return read


@dataclass(frozen=True)
class Response:
    """One answer."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = Response | dict[str, Any]
Handler = Callable[..., Answer]


class Routes:
    """Which function answers which path; ``{name}`` in a pattern is a segment, handed over decoded."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """Answer ``method`` on paths like ``pattern`` by ``handler(request, *segments)``."""
        expression = re.sub(r"\{\w+\}", "([^/]+)", pattern)
        self._routes.append((method, re.compile(expression), handler))

    def answer(self, method: str, target: str, headers: Message[str, str], body: bytes) -> Response:
        """The answer to a call; every ApiError becomes Google's error JSON."""
        parts = urlsplit(target)
        request = Request(dict(parse_qsl(parts.query)), headers, body)
        try:
            handler, segments = self._find(method, parts.path)
            answer = handler(request, *segments)
        except ApiError as error:
            # gcloud asks for much that is not there yet: a driver's next output, an upload's target.
            level = logging.DEBUG if error.status == "NOT_FOUND" else logging.INFO
            log.log(level, "%s %s: %d %s", method, target, error.code, error)
            return _json(error.body, error.code)
        log.debug("%s %s", method, target)
        return answer if isinstance(answer, Response) else _json(answer, 200)

    def _find(self, method: str, path: str) -> tuple[Handler, list[str]]:
        for known, pattern, handler in self._routes:
            if known == method and (match := pattern.fullmatch(path)):
                return handler, [unquote(segment) for segment in match.groups()]
        raise ApiError("UNIMPLEMENTED", f"{method} {path}: not in this emulator, see UNSUPPORTED.md")


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(body).encode(), status, {"Content-Type": "application/json; charset=UTF-8"})


def serve(routes: Routes, host: str, port: int) -> ThreadingHTTPServer:
    """A server that listens and does not answer yet: call its ``serve_forever``."""

    class _Connection(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = routes.answer(self.command, self.path, self.headers, body)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    class _Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128  # gcloud uploads many files at once

    return _Server((host, port), _Connection)
