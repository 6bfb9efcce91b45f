"""gRPC around the services: raw bytes in, raw bytes out, one log line for each client action."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from pubsublite_emulator.errors import DOMAIN, Code, LiteError, invalid
from pubsublite_emulator.faults import Faults
from pubsublite_emulator.schema import LITE, Message, message

log = logging.getLogger("pubsublite_emulator")

_Struct = message("google.protobuf.Struct")
_Status = message("google.rpc.Status")
_ErrorInfo = message("google.rpc.ErrorInfo")
_RESOURCE_FIELDS = ("parent", "name", "topic", "subscription", "reservation")


@dataclass(frozen=True, slots=True)
class Unary:
    """A unary method: the request's class and the coroutine that answers it."""

    request: Message
    method: Callable[[Message], Awaitable[Message]]


Stream = Callable[["Call"], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Service:
    """One RPC service: its name without the package, and its methods by name."""

    name: str
    unary: Mapping[str, Unary]
    streams: Mapping[str, Stream]
    package: str = LITE


def parse(kind: Message, raw: bytes) -> Message:
    """Parse ``raw`` as a message of class ``kind``; raise INVALID_ARGUMENT if it is not one."""
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise invalid(f"not a {kind.DESCRIPTOR.name}: {error}") from None


def client_name(metadata: Mapping[str, str]) -> str:
    """Return the client's name, from ``x-goog-pubsub-context`` (a base64 Struct) or else its user agent."""
    try:
        context = _Struct.FromString(base64.b64decode(metadata["x-goog-pubsub-context"], validate=True))
        fields = context.fields
        names = [fields[name].string_value for name in ("language", "framework") if name in fields]
        versions = [
            fields[name].number_value for name in ("major_version", "minor_version") if name in fields
        ]
        return "-".join(names) + "/" + ".".join(f"{version:.0f}" for version in versions)
    except (KeyError, ValueError, DecodeError):
        return metadata.get("user-agent", "unknown").split(" ")[0]


class Call:
    """A stream as a session sees it: bytes to read and write, and the client's name."""

    def __init__(self, rpc: str, context: Any, faults: Faults) -> None:
        self.rpc = rpc
        self.client = client_name(dict(context.invocation_metadata() or ()))
        self._context = context
        self._faults = faults

    async def read(self) -> bytes | None:
        """Return the client's next message; None once it has half-closed."""
        raw = await self._context.read()
        if raw is grpc.aio.EOF:
            return None
        self._faults.check(self.rpc, "request")
        return bytes(raw)

    async def write(self, data: bytes) -> None:
        """Send a message, waiting while the client does not read; raise CANCELLED if the client is gone."""
        self._faults.check(self.rpc, "response")
        try:
            await self._context.write(data)
        except (asyncio.InvalidStateError, grpc.aio.BaseError) as error:
            raise LiteError(Code.CANCELLED, f"the client went away: {error}") from None

    def log(self, text: str, *values: object) -> None:
        """Log one line about what this client did."""
        log.info("%s %s " + text, self.client, self.rpc, *values)


def describe(request: Message) -> str:
    """Return the resource that a request is about, for the log."""
    fields = request.DESCRIPTOR.fields_by_name
    ids = [getattr(request, name) for name in fields if name.endswith("_id")]
    for name in _RESOURCE_FIELDS:
        value = getattr(request, name) if name in fields else ""
        if resource := value if isinstance(value, str) else value.name:
            return "/".join([resource, *ids]) + (
                f" partition {request.partition}" if "partition" in fields else ""
            )
    return ""


def unsupported(client: str, call: str) -> LiteError:
    """Log and return the answer to a call that the emulator does not know."""
    error = LiteError(Code.UNIMPLEMENTED, f"{call} is not emulated; see UNSUPPORTED.md")
    log.warning("%s: %s", client, error.message)
    return error


def _status_details(error: LiteError) -> tuple[tuple[str, bytes], ...]:
    if not error.reason:
        return ()
    status = _Status(code=error.code.number, message=error.message)
    status.details.add().Pack(_ErrorInfo(reason=error.reason, domain=DOMAIN))
    return (("grpc-status-details-bin", status.SerializeToString()),)


def _broken(rpc: str) -> LiteError:
    return LiteError(Code.INTERNAL, f"{rpc} failed inside the emulator; its log says why")


async def _abort(context: Any, error: LiteError) -> None:
    await context.abort(grpc.StatusCode[error.code.name], error.message, _status_details(error))


class Router(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Finds the method of a call; answers an unknown one with UNIMPLEMENTED and its name."""

    def __init__(self, services: list[Service], faults: Faults) -> None:
        self.unary: dict[str, Unary] = {}
        self._faults = faults
        self._handlers: dict[str, Any] = {}
        self._sessions: set[asyncio.Task[None]] = set()
        self._stopping = False
        for service in services:
            prefix = f"/{service.package}.{service.name}/"
            for name, unary in service.unary.items():
                self.unary[name] = unary
                self._handlers[prefix + name] = self._unary_handler(name, unary)
            for name, session in service.streams.items():
                self._handlers[prefix + name] = self._stream_handler(name, session)
        faults.serve(name.rsplit("/", 1)[1] for name in self._handlers)

    def service(self, details: Any) -> Any:
        """Return the handler for ``details.method``."""
        return self._handlers.get(details.method) or self._unsupported(details.method)

    async def answer(self, name: str, request: Message, client: str) -> Message:
        """Run the unary method ``name`` for ``client``, which may have come by gRPC or REST."""
        try:
            self._faults.check(name, "request")
            response = await self.unary[name].method(request)
            self._faults.check(name, "response")
        except LiteError as error:
            log.info("%s %s %s: %s %s", client, name, describe(request), error.code.name, error.message)
            raise
        except Exception:
            log.exception("%s %s %s failed", client, name, describe(request))
            raise _broken(name) from None
        log.info("%s %s %s: OK", client, name, describe(request))
        return response

    async def stop(self) -> None:
        """End every stream with UNAVAILABLE, on which clients reconnect."""
        self._stopping = True
        sessions = list(self._sessions)
        for session in sessions:
            session.cancel()
        if sessions:
            await asyncio.wait(sessions, timeout=2)

    def _unary_handler(self, name: str, unary: Unary) -> Any:
        async def handle(raw: bytes, context: Any) -> bytes:
            try:
                request = parse(unary.request, raw)
                client = client_name(dict(context.invocation_metadata() or ()))
                return bytes((await self.answer(name, request, client)).SerializeToString())
            except LiteError as error:
                await _abort(context, error)
                raise

        return grpc.unary_unary_rpc_method_handler(handle)

    def _stream_handler(self, name: str, session: Stream) -> Any:
        async def handle(_requests: Any, context: Any) -> None:
            call = Call(name, context, self._faults)
            task = asyncio.create_task(self._run(call, session))
            self._sessions.add(task)
            task.add_done_callback(self._sessions.discard)
            try:
                await task
            except LiteError as error:
                call.log("ended: %s %s", error.code.name, error.message)
                await _abort(context, error)

        return grpc.stream_stream_rpc_method_handler(handle)

    async def _run(self, call: Call, session: Stream) -> None:
        try:
            await session(call)
        except LiteError:
            raise
        except asyncio.CancelledError:
            if self._stopping:
                raise LiteError(Code.UNAVAILABLE, "the emulator is stopping") from None
            raise
        except Exception:
            log.exception("%s %s failed", call.client, call.rpc)
            raise _broken(call.rpc) from None

    @staticmethod
    def _unsupported(method: str) -> Any:
        async def handle(_requests: Any, context: Any) -> None:
            client = client_name(dict(context.invocation_metadata() or ()))
            await _abort(context, unsupported(client, method))

        return grpc.stream_stream_rpc_method_handler(handle)
