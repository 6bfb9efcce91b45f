"""uvicorn on the emulator's own event loop; the front limits the number of connections."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from loopback.connection import Connection
from pubsublite_emulator.errors import invalid
from pubsublite_emulator.web import refusal


class RestConnection(Connection):
    """A connection that refuses what is not HTTP as Google's REST interfaces do."""

    def send_400_response(self, msg: str) -> None:
        """Answer with an error in JSON."""
        body = json.dumps(refusal(invalid(f"not an HTTP request: {msg}")).value).encode()
        head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json; charset=UTF-8\r\n"
        head += f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()


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
            http=RestConnection,
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
