"""A proxy at the machine's border: it lets nothing out and remembers who wanted to leave.

What a Pub/Sub Lite emulator answers for, and what is meant for this machine, goes on to the emulator's own
proxy; any other host is refused.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from urllib.parse import urlsplit

LITE = "pubsublite.googleapis.com"
_HEAD_BYTES = 1 << 16
_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class Border:
    """The running proxy; `crossed` are the first lines of the requests that wanted to leave."""

    port: int = 0
    crossed: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Return what leads gcloud, and any program that asks for a proxy, here."""
        address = f"http://127.0.0.1:{self.port}"
        return {
            "CLOUDSDK_PROXY_TYPE": "http",
            "CLOUDSDK_PROXY_ADDRESS": "127.0.0.1",
            "CLOUDSDK_PROXY_PORT": str(self.port),
            **dict.fromkeys(("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"), address),
        }


@contextmanager
def border(beyond: str) -> Iterator[Border]:
    """Run the proxy in front of an emulator's, `beyond` (HOST:PORT)."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        found = Border(listening.getsockname()[1])
        Thread(target=_accept, args=(listening, found, beyond), daemon=True).start()
        yield found
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)


def _accept(listening: socket.socket, found: Border, beyond: str) -> None:
    with suppress(OSError):
        while True:
            client, _ = listening.accept()
            Thread(target=_serve, args=(client, found, beyond), daemon=True).start()


def _serve(client: socket.socket, found: Border, beyond: str) -> None:
    with client, suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
            if not (chunk := client.recv(_HEAD_BYTES)):
                return
            head += chunk
        line = head.partition(b"\r\n")[0].decode("latin-1")
        host = asked_host(line)
        if host not in ("127.0.0.1", "localhost") and not host.endswith(LITE):
            found.crossed.append(line)
            client.sendall(_REFUSED)
            return
        name, port = beyond.rsplit(":", 1)
        with socket.create_connection((name, int(port)), timeout=30) as on:
            on.settimeout(None)
            on.sendall(head)
            back = Thread(target=_copy, args=(on, client), daemon=True)
            back.start()
            _copy(client, on)
            back.join()


def asked_host(line: str) -> str:
    """Return the host of a request's first line, as a client sends it to a proxy."""
    method, target, *_ = [*line.split(" "), "", ""]
    place = urlsplit(f"//{target}" if method == "CONNECT" else target)
    return place.hostname or ""


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(1 << 16):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
