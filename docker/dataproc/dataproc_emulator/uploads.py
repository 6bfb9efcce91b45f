"""Uploads of objects: in one request, or in several that can be resumed."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from dataproc_emulator.buckets import Buckets
from dataproc_emulator.errors import ApiError
from dataproc_emulator.web import Request

_CHUNK = 1 << 20
_DESCRIPTION_BYTES = 1 << 16


@dataclass(frozen=True)
class Upload:
    """A resumable upload; ``file`` holds what has arrived."""

    bucket: str
    name: str
    identity: str
    file: Path

    def take(self, request: Request) -> bool:
        """Store a request's part; return whether it was the last."""
        sent = request.headers.get("content-range")
        match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", sent or "bytes 0-0/*")
        if not match:
            raise ApiError("INVALID_ARGUMENT", "Content-Range must be like 'bytes 0-99/1000'.")
        if match[1] is not None:
            if int(match[1]) > self._size:
                return False  # a part is missing; the answer says from where
            with self.file.open("r+b") as file:
                file.truncate(int(match[1]))  # a part that was resent
                file.seek(0, 2)
                shutil.copyfileobj(request.body, file, _CHUNK)
        return sent is None or match[2] == str(self._size)

    @property
    def so_far(self) -> dict[str, str]:
        """Return the header that says what has arrived."""
        return {"Range": f"bytes=0-{self._size - 1}"} if self._size else {}

    @property
    def _size(self) -> int:
        return self.file.stat().st_size


class Uploads:
    """Uploads into ``buckets``. Unfinished ones are in ``folder`` and are forgotten with the process."""

    def __init__(self, buckets: Buckets, folder: Path) -> None:
        self._buckets = buckets
        self._folder = folder
        self._open: dict[str, Upload] = {}

    def at_once(self, request: Request, bucket: str) -> tuple[str, Path]:
        """Store a one-request upload, ``multipart`` or ``media``; return the object's name and file."""
        metadata = _description(request)
        name = str(metadata.get("name") or request.query.get("name", ""))
        return name, self._buckets.write(bucket, name, request.body)

    def begin(self, request: Request, bucket: str) -> str:
        """Begin a resumable upload and return its identity."""
        name = str(request.json.get("name") or request.query.get("name", ""))
        self._buckets.writable(bucket, name)
        identity = uuid4().hex
        upload = Upload(bucket, name, identity, self._folder / f"{identity}.part")
        upload.file.touch()
        self._open[identity] = upload
        return identity

    def take(self, request: Request) -> tuple[Upload, bool]:
        """Store a part; return the upload and whether it is complete. An upload that fails is forgotten."""
        identity = request.query.get("upload_id", "")
        upload = self._open.get(identity)
        if upload is None:
            raise ApiError("NOT_FOUND", f"No such upload: {identity}")
        try:
            return upload, upload.take(request)
        except OSError:
            self._forget(upload)
            raise

    def finish(self, upload: Upload) -> tuple[str, Path]:
        """Store the uploaded object; return its name and file."""
        try:
            with upload.file.open("rb") as content:
                return upload.name, self._buckets.write(upload.bucket, upload.name, content)
        finally:
            self._forget(upload)

    def _forget(self, upload: Upload) -> None:
        self._open.pop(upload.identity, None)
        upload.file.unlink(missing_ok=True)


def _description(request: Request) -> dict[str, object]:
    """Return what a ``multipart/related`` body says about the object, cutting the body to its content.

    Raise ApiError for a body that does not have two parts, JSON and content.
    """
    kind = request.headers.get("content-type", "")
    match = re.fullmatch(r"multipart/related;.*boundary=(['\"]?)(.+?)\1", kind)
    if not match:
        return {}
    boundary = b"--" + match[2].encode()
    head = request.body.read(_DESCRIPTION_BYTES)
    try:
        _, described, stored = head.split(boundary, 2)
        begin = len(head) - len(stored) + _after_headers(stored)
        metadata = json.loads(described[_after_headers(described) :])
        line_end = b"\r\n" if stored.startswith(b"\r\n") else b"\n"
        _keep(request.body, begin, _end(request.body, line_end + boundary))
    except ValueError:
        raise ApiError("INVALID_ARGUMENT", "A multipart upload has two parts: JSON and content.") from None
    if not isinstance(metadata, dict):
        raise ApiError("INVALID_ARGUMENT", "A multipart upload's first part is a JSON object.")
    return metadata


def _after_headers(part: bytes) -> int:
    """Return where a part's content begins; raise ValueError if it has none."""
    line_end = b"\r\n" if part.startswith(b"\r\n") else b"\n"
    return part.index(line_end * 2) + 2 * len(line_end)


def _end(body: BinaryIO, closing: bytes) -> int:
    """Return where the content ends, before the line that closes the last part.

    Raise ValueError if there is no such line.
    """
    tail_begin = max(0, body.seek(0, 2) - len(closing) - 64)
    body.seek(tail_begin)
    return tail_begin + body.read().rindex(closing)


def _keep(body: BinaryIO, begin: int, end: int) -> None:
    """Cut a body off at ``end`` and continue reading at ``begin``; raise ValueError without content."""
    if end < begin:
        raise ValueError("no content")
    body.truncate(end)
    body.seek(begin)
