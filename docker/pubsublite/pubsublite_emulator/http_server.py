"""uvicorn on the emulator's own event loop, with the limits that it leaves to others.

The number of connections is limited by the front.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from pubsublite_emulator.errors import invalid
from pubsublite_emulator.web import refusal

HEAD_SECONDS = 15.0


class Connection(H11Protocol):
    """A connection that is closed if a request's head takes longer than HEAD_SECONDS to arrive in full."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection and start its deadline."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Receive data, and start or cancel the deadline."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline of a connection that is gone."""
        self._rest()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, in the form that Google's REST interfaces use."""
        body = json.dumps(refusal(invalid(f"not an HTTP request: {msg}")).value).encode()
        head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=UTF-8\r\n"
        head += f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._rest()  # a request is being answered
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _rest(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Quiet(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program."""
        yield


class HttpServer:
    """Serves one application over plain or TLS connections on loopback ports."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application
        self._serving: dict[uvicorn.Server, asyncio.Task[None]] = {}

    async def listen(self, **tls: Any) -> tuple[str, int]:
        """Listen on a loopback port, with uvicorn's settings for TLS, and return host and port."""
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        config = uvicorn.Config(
            self._application,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=1,
            **tls,
        )
        server = _Quiet(config)
        self._serving[server] = asyncio.create_task(server.serve([listening]))
        host, port = listening.getsockname()
        return host, port

    async def stop(self) -> None:
        """Stop listening and drop the connections that are still open."""
        for server in self._serving:
            server.should_exit = True
        await asyncio.gather(*self._serving.values())
