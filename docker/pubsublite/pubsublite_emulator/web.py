"""REST requests and answers, and the ASGI application that connects them to a handler."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette import requests
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from pubsublite_emulator.access import Access
from pubsublite_emulator.errors import Code, LiteError, invalid

log = logging.getLogger("pubsublite_emulator")

_BODY_BYTES = 1 << 20
_BODY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request: the path decoded, the query with one value per name, the body as bytes."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty body counts as an empty object.

        Raise INVALID_ARGUMENT for anything else.
        """
        try:
            value = json.loads(self.body or b"{}")
        except (ValueError, RecursionError) as error:
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
    """Return an error as Google's REST APIs write it (cloud.google.com/apis/design/errors#http_mapping)."""
    body = {"code": error.code.http, "message": error.message, "status": error.code.name}
    return Answer(error.code.http, {"error": body})


class Application:
    """Serves one handler to the clients that ``access`` admits."""

    def __init__(self, handler: Handler, access: Access) -> None:
        self._handler = handler
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        request = requests.Request(scope, receive)
        try:
            answer = await self._answer(request)
        except requests.ClientDisconnect:
            return
        await JSONResponse(answer.value, answer.status)(scope, receive, send)

    async def _answer(self, request: requests.Request) -> Answer:
        try:
            self._access.check(request.headers)
            async with asyncio.timeout(_BODY_SECONDS):
                body = await _body(request)
            url, query = request.url, dict(request.query_params)
            return await self._handler(Request(request.method, url.path, query, request.headers, body))
        except LiteError as error:
            return refusal(error)
        except TimeoutError:
            return refusal(LiteError(Code.DEADLINE_EXCEEDED, f"no whole body in {_BODY_SECONDS:g} s"))
        except requests.ClientDisconnect:
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            return refusal(LiteError(Code.INTERNAL, "failed inside the emulator; its log says why"))


async def _body(request: requests.Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES:
            raise invalid(f"the body is larger than {_BODY_BYTES} bytes")
    return bytes(body)
