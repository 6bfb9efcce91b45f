"""The one port: whatever a client speaks first decides where it goes.

* a TLS ClientHello that offers ``h2``: gRPC; any other: REST over HTTP/1.1
* ``CONNECT`` to a host the emulator stands for: the tunnel is a new connection; to any other: passed on
* plain HTTP: the token endpoint, REST, and requests that a proxy passes on

Bytes are copied, never decrypted here: TLS ends in the server behind.
"""

from __future__ import annotations

import asyncio
import fnmatch
import logging
from contextlib import suppress

log = logging.getLogger("pubsublite_emulator")

_EMULATED = (
    "*-pubsublite.googleapis.com",
    "pubsublite.googleapis.com",
    "cloudresourcemanager.googleapis.com",
)
_CHUNK = 1 << 18
_HEAD_LIMIT = 1 << 16
_HELLO_SECONDS = 30
_HANDSHAKE = 0x16

Address = tuple[str, int]


class Front:
    """Routes connections to the gRPC and the HTTP server behind it."""

    def __init__(self, grpc: Address, rest_tls: Address, rest: Address) -> None:
        self._grpc = grpc
        self._rest_tls = rest_tls
        self._rest = rest
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; ``self.port`` is the real port."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=_CHUNK, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop what is still open."""
        if self._server is not None:
            self._server.close()
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
            await self._route(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError):
            pass  # a client that went away or spoke nonsense: nothing to answer
        except asyncio.CancelledError:
            pass  # stopping
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _route(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HELLO_SECONDS):
            head, target = await self._first(reader)
        if target is None:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await self._route(reader, writer)
        else:
            await self._splice(head, target, reader, writer)

    async def _first(self, reader: asyncio.StreamReader) -> tuple[bytes, Address | None]:
        """What a client says first, and where that leads; None: into a tunnel to the emulator itself."""
        first = await reader.readexactly(1)
        if first[0] == _HANDSHAKE:
            hello = await _client_hello(first, reader)
            return hello, self._grpc if offers_h2(hello) else self._rest_tls
        head = first + await reader.readuntil(b"\r\n\r\n")
        return (head, _tunnel(head)) if head.startswith(b"CONNECT ") else self._plain(head)

    def _plain(self, head: bytes) -> tuple[bytes, Address]:
        method, _, after = head.partition(b" ")
        target, _, rest = after.partition(b" ")
        if not target.startswith(b"http://"):
            return head, self._rest
        host, slash, path = target[len(b"http://") :].partition(b"/")
        name, _, port = host.decode("ascii").partition(":")
        line = b"%s %s%s %s" % (method, slash or b"/", path, rest)
        if _emulated(name):
            return line, self._rest
        return line, (name, int(port or 80))

    async def _splice(
        self, head: bytes, target: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connect = head.startswith(b"CONNECT ")
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                far_reader, far_writer = await asyncio.open_connection(*target, limit=_CHUNK)
        except (OSError, TimeoutError) as error:
            log.info("proxy: %s:%d cannot be reached: %s", *target, error)
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            return
        try:
            if connect:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                far_writer.write(head)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_copy(reader, far_writer))
                tasks.create_task(_copy(far_reader, writer))
        except* OSError:
            pass
        finally:
            far_writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await far_writer.wait_closed()


def _tunnel(head: bytes) -> Address | None:
    """Where a CONNECT leads; None for a host the emulator stands for."""
    host, _, port = head.split(b" ", 2)[1].decode("ascii").rpartition(":")
    return None if _emulated(host) else (host.strip("[]"), int(port))


def _emulated(host: str) -> bool:
    return any(fnmatch.fnmatch(host.lower(), name) for name in _EMULATED)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        with suppress(OSError):
            writer.write_eof()


async def _client_hello(first: bytes, reader: asyncio.StreamReader) -> bytes:
    header = first + await reader.readexactly(4)
    return header + await reader.readexactly(int.from_bytes(header[3:5], "big"))


def offers_h2(record: bytes) -> bool:
    """Whether a TLS record with a ClientHello offers HTTP/2 by ALPN (RFC 8446 section 4.1.2, RFC 7301)."""
    try:
        position = 5 + 4 + 2 + 32  # record header, handshake header, version, random
        position += 1 + record[position]
        position += 2 + int.from_bytes(record[position : position + 2], "big")
        position += 1 + record[position]
        end = position + 2 + int.from_bytes(record[position : position + 2], "big")
        position += 2
        while position + 4 <= min(end, len(record)):
            kind = int.from_bytes(record[position : position + 2], "big")
            length = int.from_bytes(record[position + 2 : position + 4], "big")
            if kind == 16:
                return b"\x02h2" in record[position + 4 : position + 4 + length]
            position += 4 + length
    except IndexError:
        pass
    return False
