"""Objects on their way in: in one request, or in several that can be taken up again."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from dataproc_emulator.buckets import Buckets
from dataproc_emulator.errors import ApiError
from dataproc_emulator.web import Request


@dataclass
class Upload:
    """A resumable upload."""

    bucket: str
    name: str
    identity: str = field(default_factory=lambda: uuid4().hex)
    content: bytearray = field(default_factory=bytearray)

    def take(self, request: Request) -> bool:
        """Take in a request's part; whether that was the last."""
        match = re.fullmatch(
            r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", request.headers.get("Content-Range", "bytes 0-0/*")
        )
        if not match:
            raise ApiError("INVALID_ARGUMENT", "Content-Range must be like 'bytes 0-99/1000'.")
        if match[1] is not None:
            del self.content[int(match[1]) :]  # a part that was sent again
            self.content += request.body
        whole = "Content-Range" not in request.headers
        return whole or match[2] == str(len(self.content))

    @property
    def so_far(self) -> dict[str, str]:
        """The header that says what has come."""
        return {"Range": f"bytes=0-{len(self.content) - 1}"} if self.content else {}


class Uploads:
    """Uploads into ``buckets``. What has not ended is kept in memory and forgotten with the process."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._open: dict[str, Upload] = {}

    def at_once(self, request: Request, bucket: str) -> tuple[str, Path]:
        """Store what one request brings, ``multipart`` or ``media``; gives the object's name and file."""
        metadata, content = _parts(request)
        name = str(metadata.get("name") or request.query.get("name", ""))
        return name, self._buckets.write(bucket, name, content)

    def begin(self, request: Request, bucket: str) -> str:
        """Begin a resumable upload; gives its identity."""
        name = str(request.json.get("name") or request.query.get("name", ""))
        self._buckets.writable(bucket, name)
        upload = Upload(bucket, name)
        self._open[upload.identity] = upload
        return upload.identity

    def existing(self, identity: str) -> Upload:
        """The upload of that identity."""
        try:
            return self._open[identity]
        except KeyError:
            raise ApiError("NOT_FOUND", f"No such upload: {identity}") from None

    def finish(self, upload: Upload) -> tuple[str, Path]:
        """Store it; gives the object's name and file."""
        del self._open[upload.identity]
        return upload.name, self._buckets.write(upload.bucket, upload.name, bytes(upload.content))


def _parts(request: Request) -> tuple[dict[str, object], bytes]:
    """The metadata and the content of a ``multipart/related`` body; any other body is content only."""
    kind = request.headers.get("Content-Type", "")
    match = re.fullmatch(r"multipart/related;.*boundary=(['\"]?)(.+?)\1", kind)
    if not match:
        return {}, request.body
    try:
        _, described, stored, _ = request.body.split(b"--" + match[2].encode())
        return json.loads(_after_headers(described)), _after_headers(stored)
    except (ValueError, IndexError):
        raise ApiError("INVALID_ARGUMENT", "A multipart upload has two parts: JSON and content.") from None


def _after_headers(part: bytes) -> bytes:
    """A part's content: after its headers, and without the line end that belongs to the next boundary."""
    line_end = b"\r\n" if part.startswith(b"\r\n") else b"\n"
    return part.split(line_end * 2, 1)[1].removesuffix(line_end)
