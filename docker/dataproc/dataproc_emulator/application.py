"""The emulator as an ASGI application: large bodies go to disk, and handlers run in threads."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from starlette import requests, responses
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from dataproc_emulator.access import Access
from dataproc_emulator.errors import ApiError
from dataproc_emulator.web import Response, Routes, refusal

_IN_MEMORY = 1 << 20


class Application:
    """Answers, by ``routes``, the requests that pass ``access``.

    A body beyond 1 MiB is kept in an unnamed file in ``spool``. A client that sends nothing for ``patience``
    seconds in the middle of a body is refused.
    """

    def __init__(self, routes: Routes, access: Access, spool: Path, patience: float) -> None:
        self._routes = routes
        self._access = access
        self._spool = spool
        self._patience = patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        request = requests.Request(scope, receive)
        try:
            answer = await self._answer(request)
        except requests.ClientDisconnect:
            return
        await _sent(answer)(scope, receive, send)

    async def _answer(self, request: requests.Request) -> Response:
        method, target = request.method, _target(request)
        try:
            self._access.check(request.headers, method, target)
            route, _ = self._routes.find(method, target)
            with SpooledTemporaryFile(_IN_MEMORY, dir=str(self._spool)) as file:
                body = cast(BinaryIO, file)
                await self._receive(request, body, route.limit)
                return await run_in_threadpool(self._routes.answer, method, target, request.headers, body)
        except (ApiError, OSError) as error:
            return refusal(method, target, error)

    async def _receive(self, request: requests.Request, body: BinaryIO, limit: int | None) -> None:
        stream = aiter(request.stream())
        try:
            while True:
                async with asyncio.timeout(self._patience):
                    chunk = await anext(stream, None)
                if chunk is None:
                    break
                body.write(chunk)
                if limit is not None and body.tell() > limit:
                    raise ApiError("PAYLOAD_TOO_LARGE", f"The body is larger than {limit} bytes.")
        except TimeoutError:
            said = f"The body did not go on for {self._patience:g} s."
            raise ApiError("REQUEST_TIMEOUT", said) from None
        body.seek(0)


def _target(request: requests.Request) -> str:
    """Return path and query as they were sent, because an object's name may hold an encoded slash."""
    path, query = request.scope["raw_path"].decode(), request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else str(path)


def _sent(answer: Response) -> responses.Response:
    if answer.chunks is None:
        return responses.Response(answer.body, answer.status, answer.headers)
    return responses.StreamingResponse(answer.chunks, answer.status, answer.headers)
