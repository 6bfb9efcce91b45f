"""Requests to a local Dataproc as a program other than gcloud sends them."""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection
from typing import Any, Protocol

from dataproc_emulator.files import Files


class Serving(Protocol):
    """A local Dataproc in this process or another."""

    @property
    def address(self) -> str: ...
    @property
    def files(self) -> Files: ...


def connect(dataproc: Serving) -> socket.socket:
    host, port = dataproc.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=30)


def bearer(dataproc: Serving) -> str:
    return f"Bearer {dataproc.files.token.read_text()}"


def call(
    dataproc: Serving, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, Any]:
    """Send a request with the token, unless a header says otherwise; return its status and JSON."""
    connection = HTTPConnection(dataproc.address, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body, {"Authorization": bearer(dataproc), **named})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"null")
    finally:
        connection.close()


def said(answer: tuple[int, Any]) -> tuple[int, str]:
    """Return the status and message of a refusal."""
    return answer[0], answer[1]["error"]["message"]
