"""Refusals: the canonical codes of Google's APIs and the exception that carries one to the client."""

from __future__ import annotations

from enum import Enum

DOMAIN = "pubsublite.googleapis.com"


class Code(Enum):
    """A canonical status: its gRPC number and the HTTP status Google maps it to (google/rpc/code.proto)."""

    CANCELLED = (1, 499)
    UNKNOWN = (2, 500)
    INVALID_ARGUMENT = (3, 400)
    DEADLINE_EXCEEDED = (4, 504)
    NOT_FOUND = (5, 404)
    ALREADY_EXISTS = (6, 409)
    PERMISSION_DENIED = (7, 403)
    RESOURCE_EXHAUSTED = (8, 429)
    FAILED_PRECONDITION = (9, 400)
    ABORTED = (10, 409)
    OUT_OF_RANGE = (11, 400)
    UNIMPLEMENTED = (12, 501)
    INTERNAL = (13, 500)
    UNAVAILABLE = (14, 503)
    DATA_LOSS = (15, 500)
    UNAUTHENTICATED = (16, 401)

    @property
    def number(self) -> int:
        """Return the gRPC status number."""
        return self.value[0]

    @property
    def http(self) -> int:
        """Return the HTTP status."""
        return self.value[1]


class LiteError(Exception):
    """An answer that ends a call: ``code``, ``message`` and, for stream signals, ``reason``.

    ``reason`` (``RESET``, ``DUPLICATE_SUBSCRIBER_CONNECTIONS``) reaches the client as an ``ErrorInfo`` in
    ``grpc-status-details-bin``, which is where both client libraries look for it.
    """

    def __init__(self, code: Code, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason


def invalid(message: str) -> LiteError:
    """Return the error for a request that can never succeed as written."""
    return LiteError(Code.INVALID_ARGUMENT, message)


def not_found(name: str) -> LiteError:
    """Return the error for a resource that does not exist: permanent, so that no client retries forever."""
    return LiteError(Code.NOT_FOUND, f"{name} does not exist in this emulator; create it first")


def exists(name: str) -> LiteError:
    """Return the error for a resource that already exists."""
    return LiteError(Code.ALREADY_EXISTS, f"{name} already exists")
