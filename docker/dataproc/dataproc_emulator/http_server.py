"""uvicorn in a thread, with a limit on the number of connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn
from starlette.types import ASGIApp

from loopback.connection import Connection

CONNECTIONS = 512
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class LimitedConnection(Connection):
    """One of at most CONNECTIONS."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.write(_BUSY)
            transport.close()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that accepts connections, which wait until they are served."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=128)  # gcloud uploads many files at once


@contextmanager
def serving(application: ASGIApp, listening: socket.socket) -> Iterator[None]:
    """Serve in a separate thread until the block ends."""
    config = uvicorn.Config(
        application,
        http=LimitedConnection,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, args=([listening],), name="dataproc-emulator", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
