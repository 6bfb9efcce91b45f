"""HTTP/1.1, as much of it as gcloud, curl and the auth libraries speak."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pubsublite_emulator.errors import Code, LiteError, invalid

log = logging.getLogger("pubsublite_emulator")

_HEAD_LIMIT = 1 << 16
_BODY_LIMIT = 32 << 20
_IDLE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Request:
    """One request: path decoded, query with one value a name, body as bytes."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty is an empty one."""
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise invalid(f"the body is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise invalid("the body is not a JSON object")
        return value


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON value."""

    status: int
    value: Any


Handler = Callable[[Request], Awaitable[Answer]]


def refusal(error: LiteError) -> Answer:
    """An error as Google's REST APIs write it (cloud.google.com/apis/design/errors#http_mapping)."""
    body = {"code": error.code.http, "message": error.message, "status": error.code.name}
    return Answer(error.code.http, {"error": body})


class HttpServer:
    """Serves one handler over plain or TLS connections."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Task[None]] = set()

    async def listen(self, tls: Any = None) -> tuple[str, int]:
        """Listen on a port of loopback's; returns host and port."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=tls, limit=_HEAD_LIMIT)
        self._servers.append(server)
        host, port = server.sockets[0].getsockname()[:2]
        return host, port

    async def stop(self) -> None:
        """Stop listening and drop what is still open."""
        for server in self._servers:
            server.close()
        for task in list(self._open):
            task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=2)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError, asyncio.CancelledError):
            pass  # a client that went away, or stopping
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                request = await _read(reader)
        except (ValueError, LiteError) as error:
            _write(writer, refusal(invalid(f"not an HTTP request: {error}")), close=True)
            return False
        _write(writer, await self._answer(request), close=False)
        await writer.drain()
        return request.headers.get("connection", "").lower() != "close"

    async def _answer(self, request: Request) -> Answer:
        try:
            return await self._handler(request)
        except LiteError as error:
            return refusal(error)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return refusal(LiteError(Code.INTERNAL, "failed inside the emulator; its log says why"))


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.split("\r\n")
    method, target, _version = line.split(" ")
    headers = {}
    for entry in filter(None, rest):
        name, _, value = entry.partition(":")
        headers[name.strip().lower()] = value.strip()
    url = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    return Request(method, unquote(url.path), query, headers, await _body(reader, headers))


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= _BODY_LIMIT:
            raise ValueError(f"content-length {length}: expected 0 to {_BODY_LIMIT}")
        return await reader.readexactly(length)
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        if not 0 < size <= _BODY_LIMIT - len(body):
            raise ValueError(f"chunk of {size} bytes")
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return body


def _write(writer: asyncio.StreamWriter, answer: Answer, *, close: bool) -> None:
    body = json.dumps(answer.value).encode()
    phrase = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else "Error"
    head = (
        f"HTTP/1.1 {answer.status} {phrase}\r\nContent-Type: application/json; charset=UTF-8\r\n"
        f"Content-Length: {len(body)}\r\n{'Connection: close' + chr(13) + chr(10) if close else ''}\r\n"
    )
    writer.write(head.encode() + body)
