"""Calls as bytes, for what Google's clients would never send."""

import queue
from collections.abc import Iterator
from typing import Any, Protocol, Self

import grpc
from google.cloud.pubsublite.types import SubscriptionPath

from pubsublite_emulator.files import Files
from pubsublite_emulator.schema import LITE, message

SECONDS = 30
AssignRequest = message("PartitionAssignmentRequest")


class Serving(Protocol):
    """An emulator in this process or another."""

    address: str
    files: Files


class Channel:
    """A gRPC channel straight to an emulator."""

    def __init__(self, emulator: Serving) -> None:
        credentials = grpc.ssl_channel_credentials(emulator.files.ca.read_bytes())
        options = [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)]
        self.grpc = grpc.secure_channel(emulator.address, credentials, options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.grpc.close()

    def unary(self, service: str, method: str, request: Any, answer: str) -> Any:
        call = self.grpc.unary_unary(f"/{LITE}.{service}/{method}")
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        return message(answer).FromString(call(raw, timeout=SECONDS))

    def stream(self, service: str, method: str, answer: str) -> "Stream":
        return Stream(self.grpc.stream_stream(f"/{LITE}.{service}/{method}"), message(answer))


class Stream:
    """A bidirectional call: `send` messages or bytes, `receive` answers, `rest` or `refused` for its end."""

    def __init__(self, method: Any, answer: Any) -> None:
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._answer = answer
        self._call = method(self._iterate(), timeout=SECONDS)

    def _iterate(self) -> Iterator[bytes]:
        while (raw := self._requests.get()) is not None:
            yield raw

    def send(self, request: Any) -> Self:
        self._requests.put(request if isinstance(request, bytes) else request.SerializeToString())
        return self

    def receive(self) -> Any:
        return self._answer.FromString(next(self._call))

    def rest(self) -> list[Any]:
        """Say that nothing more will be sent, and return what the server still answers until it ends too."""
        self._requests.put(None)
        return [self._answer.FromString(raw) for raw in self._call]

    def refused(self) -> grpc.StatusCode:
        """Read to the end, and return the status with which the server ended the call."""
        try:
            for _ in self._call:
                pass
        except grpc.RpcError:
            pass
        return self._call.code()

    def details(self) -> Any:
        """Return the rich status that came with the end."""
        trailers = dict(self._call.trailing_metadata())
        return message("google.rpc.Status").FromString(trailers["grpc-status-details-bin"])

    def close(self) -> None:
        self._requests.put(None)
        self._call.cancel()


def joining(channel: Channel, subscription: SubscriptionPath, client_id: bytes) -> Stream:
    """Return the stream of a subscriber that asks for its share of the partitions."""
    stream = channel.stream("PartitionAssignmentService", "AssignPartitions", "PartitionAssignment")
    return stream.send(AssignRequest(initial={"subscription": str(subscription), "client_id": client_id}))
