"""The single port: the first bytes of a connection decide where it goes.

* a TLS ClientHello that offers ``h2`` and not ``http/1.1``: gRPC; any other: REST over HTTP/1.1
* ``CONNECT`` to a host the emulator stands in for: a new connection, through a tunnel that leads only here
* ``CONNECT`` to any other host: forwarded, as far as :func:`pubsublite_emulator.access.may_reach` allows
* plain HTTP: the token endpoint, REST, and requests for a proxy to forward, one per connection

Bytes are copied, never decrypted here: TLS is terminated by the server behind.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

from loopback.pages import is_loopback
from pubsublite_emulator.access import emulated, may_reach

log = logging.getLogger("pubsublite_emulator")

_CHUNK = 1 << 18
_HELLO_SECONDS = 30
_HANDSHAKE = 0x16
# A single Spark query opens more than a hundred.
CONNECTIONS = 1_000
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_OF_THE_HOP = (b"host", b"connection", b"proxy-connection", b"keep-alive", b"proxy-authorization")

Address = tuple[str, int]


class _Refused(Exception):
    """A request that the proxy refuses; ``answer`` tells the client why."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        body = f"{reason}\n".encode()
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        self.answer = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Front:
    """Routes connections to the gRPC and HTTP servers behind it."""

    def __init__(self, grpc: Address, rest_tls: Address, rest: Address) -> None:
        self._grpc = grpc
        self._rest_tls = rest_tls
        self._rest = rest
        self._behind = (grpc, rest_tls, rest)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; ``self.port`` is then the actual port."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=_CHUNK, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop the connections that are still open."""
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
            if len(self._open) > CONNECTIONS:
                raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"more than {CONNECTIONS} connections")
            await self._route(reader, writer)
        except _Refused as refused:
            log.info("proxy: %s", refused)
            writer.write(refused.answer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError):
            pass  # the client went away or sent nonsense: nothing to answer
        except asyncio.CancelledError:
            pass  # stopping
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _route(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, inside: bool = False
    ) -> None:
        """Route a connection; ``inside`` a tunnel to the emulator, only the emulator can be reached."""
        async with asyncio.timeout(_HELLO_SECONDS):
            head, target = await self._first(reader)
        if inside and (target is None or target not in self._behind):
            raise _Refused(HTTPStatus.FORBIDDEN, "a tunnel to the emulator leads nowhere else")
        if target is None:
            writer.write(_ESTABLISHED)
            await self._route(reader, writer, inside=True)
        else:
            await self._splice(head, target, reader, writer)

    async def _first(self, reader: asyncio.StreamReader) -> tuple[bytes, Address | None]:
        """Return a client's first bytes and their destination; None means a tunnel to the emulator itself."""
        first = await reader.readexactly(1)
        if first[0] == _HANDSHAKE:
            hello = await _client_hello(first, reader)
            return hello, self._grpc if speaks_grpc(hello) else self._rest_tls
        head = first + await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"CONNECT "):
            return self._plain(head)
        place = urlsplit("//" + head.split(b" ", 2)[1].decode("ascii"))
        name, port = place.hostname or "", place.port or 443
        return head, None if self._is_here(name, port) else (name, port)

    def _plain(self, head: bytes) -> tuple[bytes, Address]:
        """Return a request and its destination: REST, or another host that it is forwarded to.

        A request made to a proxy closes its connection, because the next one may be for another host.
        """
        method, _, after = head.partition(b" ")
        target, _, rest = after.partition(b" ")
        if not target.startswith(b"http://"):
            return head, self._rest
        host, slash, path = target[len(b"http://") :].partition(b"/")
        version, *fields = rest.removesuffix(b"\r\n\r\n").split(b"\r\n")
        kept = [field for field in fields if field.split(b":")[0].lower() not in _OF_THE_HOP]
        line = b"%s %s%s %s" % (method, slash or b"/", path, version)
        own = [line, b"Host: " + host, b"Connection: close", *kept]
        place = urlsplit("//" + host.decode("ascii"))
        name, port = place.hostname or "", place.port or 80
        return b"\r\n".join(own) + b"\r\n\r\n", self._rest if self._is_here(name, port) else (name, port)

    def _is_here(self, name: str, port: int) -> bool:
        return emulated(name) or (port == self.port and is_loopback(name))

    async def _splice(
        self, head: bytes, target: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if target not in self._behind:
            peer = writer.get_extra_info("peername") or ("gone",)
            target = await _allowed(target, peer[0])
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                far_reader, far_writer = await asyncio.open_connection(*target, limit=_CHUNK)
        except (OSError, TimeoutError) as error:
            raise _Refused(
                HTTPStatus.BAD_GATEWAY, f"{target[0]}:{target[1]} cannot be reached: {error}"
            ) from None
        try:
            if head.startswith(b"CONNECT "):
                writer.write(_ESTABLISHED)
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


async def _allowed(target: Address, client: str) -> Address:
    """Return an address of the host that the client may reach, resolved once so that it cannot change."""
    name, port = target
    try:
        async with asyncio.timeout(_HELLO_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError) as error:
        raise _Refused(HTTPStatus.BAD_GATEWAY, f"{name}:{port} cannot be reached: {error}") from None
    for *_, place in found:
        if may_reach(str(place[0]), client):
            return str(place[0]), port
    raise _Refused(
        HTTPStatus.FORBIDDEN, f"{name}:{port} is in a private network, where this proxy does not lead"
    )


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


def speaks_grpc(record: bytes) -> bool:
    """Return whether a TLS ClientHello offers HTTP/2 and no older HTTP.

    gRPC's libraries offer nothing but HTTP/2; curl, Go's net/http and browsers, which call REST, are content
    with HTTP/1.1 where a server does not choose.
    """
    offered = _protocols(record)
    return b"\x02h2" in offered and b"\x08http/1.1" not in offered


def _protocols(record: bytes) -> bytes:
    """Return the names that a TLS ClientHello record offers by ALPN, each after its length.

    Source: RFC 8446 section 4.1.2, RFC 7301 section 3.1.
    """
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
                return record[position + 4 : position + 4 + length]
            position += 4 + length
    except IndexError:
        pass
    return b""
