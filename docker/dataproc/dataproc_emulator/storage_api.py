"""The Cloud Storage JSON interface: what gcloud calls for buckets and objects."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dataproc_emulator.buckets import PUBLIC, Buckets, md5
from dataproc_emulator.errors import ApiError
from dataproc_emulator.times import stamp
from dataproc_emulator.uploads import Uploads
from dataproc_emulator.web import Request, Response, Routes

_BUCKET = "/storage/v1/b/{bucket}"
_OBJECT = f"{_BUCKET}/o/{{object}}"
_CHUNK = 1 << 20


class StorageApi:
    """Answers from what is in ``buckets`` now; unfinished uploads are in ``uploads``."""

    def __init__(self, buckets: Buckets, uploads: Path) -> None:
        self._buckets = buckets
        self._uploads = Uploads(buckets, uploads)

    def add_to(self, routes: Routes) -> None:
        """Add the interface's paths to ``routes``."""
        routes.add("GET", "/storage/v1/b", self._list_buckets)
        routes.add("POST", "/storage/v1/b", self._create_bucket)
        routes.add("GET", _BUCKET, lambda _, bucket: self._bucket(bucket))
        routes.add("DELETE", _BUCKET, self._delete_bucket)
        routes.add("GET", f"{_BUCKET}/o", self._list_objects)
        routes.add("GET", f"{_BUCKET}/storageLayout", self._layout)
        routes.add("GET", _OBJECT, self._get_object)
        routes.add("GET", f"/download{_OBJECT}", self._get_object)
        routes.add("DELETE", _OBJECT, self._delete_object)
        routes.add("POST", f"{_OBJECT}/rewriteTo/b/{{bucket}}/o/{{object}}", self._rewrite)
        for prefix in ("/upload", "/resumable/upload"):
            routes.add("POST", f"{prefix}{_BUCKET}/o", self._upload, limit=None)
            routes.add("PUT", f"{prefix}{_BUCKET}/o", self._continue_upload, limit=None)

    def _list_buckets(self, _: Request) -> dict[str, Any]:
        own = [self._bucket(name) for name in self._buckets.names() if name != PUBLIC]
        return {"kind": "storage#buckets", "items": own}

    def _create_bucket(self, request: Request) -> dict[str, Any]:
        name = str(request.json.get("name", ""))
        self._buckets.create(name, str(request.json.get("location", "US")).upper())
        return self._bucket(name)

    def _delete_bucket(self, _: Request, name: str) -> Response:
        self._buckets.delete(name)
        return Response(status=204)

    def _bucket(self, name: str) -> dict[str, Any]:
        status = self._buckets.folder(name).stat()
        return {
            "kind": "storage#bucket",
            "id": name,
            "name": name,
            "location": self._buckets.location(name),
            "storageClass": "STANDARD",
            "metageneration": "1",
            "timeCreated": stamp(status.st_ctime),
            "updated": stamp(status.st_mtime),
            "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
        }

    def _layout(self, _: Request, name: str) -> dict[str, Any]:
        self._buckets.folder(name)
        return {"kind": "storage#storageLayout", "bucket": name, "location": self._buckets.location(name)}

    def _list_objects(self, request: Request, bucket: str) -> dict[str, Any]:
        prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
        items, prefixes = [], set()
        for name in sorted(self._buckets.objects(bucket, prefix)):
            first, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
            if found:
                prefixes.add(prefix + first + delimiter)
            else:
                items.append(_resource(request, bucket, name, self._buckets.path(bucket, name)))
        return {"kind": "storage#objects", "items": items, "prefixes": sorted(prefixes)}

    def _get_object(self, request: Request, bucket: str, name: str) -> Response | dict[str, Any]:
        path = self._buckets.existing(bucket, name)
        if request.query.get("alt") != "media":
            return _resource(request, bucket, name, path)
        return _content(path, request.headers.get("range", ""))

    def _delete_object(self, _: Request, bucket: str, name: str) -> Response:
        self._buckets.remove(bucket, name)
        return Response(status=204)

    def _rewrite(
        self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str
    ) -> dict[str, Any]:
        with self._buckets.existing(bucket, name).open("rb") as content:
            path = self._buckets.write(to_bucket, to_name, content)
        size = str(path.stat().st_size)
        return {
            "kind": "storage#rewriteResponse",
            "done": True,
            "objectSize": size,
            "totalBytesRewritten": size,
            "resource": _resource(request, to_bucket, to_name, path),
        }

    def _upload(self, request: Request, bucket: str) -> Response | dict[str, Any]:
        if request.query.get("uploadType") == "resumable":
            where = f"http://{request.headers['host']}/upload/storage/v1/b/{bucket}/o"
            return Response(headers={"Location": f"{where}?upload_id={self._uploads.begin(request, bucket)}"})
        return _resource(request, bucket, *self._uploads.at_once(request, bucket))

    def _continue_upload(self, request: Request, bucket: str) -> Response | dict[str, Any]:
        upload, whole = self._uploads.take(request)
        if not whole:
            return Response(status=308, headers=upload.so_far)
        return _resource(request, bucket, *self._uploads.finish(upload))


def _resource(request: Request, bucket: str, name: str, path: Path) -> dict[str, Any]:
    """Return an object's description, with a link to the host that the request named."""
    media = f"http://{request.headers['host']}/download/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
    status = path.stat()
    generation = str(status.st_mtime_ns // 1000)
    return {
        "kind": "storage#object",
        "id": f"{bucket}/{name}/{generation}",
        "name": name,
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "contentType": mimetypes.guess_type(name)[0] or "application/octet-stream",
        "storageClass": "STANDARD",
        "size": str(status.st_size),
        "mediaLink": f"{media}?generation={generation}&alt=media",
        "md5Hash": md5(path),
        "etag": generation,
        "timeCreated": stamp(status.st_mtime),
        "updated": stamp(status.st_mtime),
    }


def _content(path: Path, wanted: str) -> Response:
    size = path.stat().st_size
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    if not (match := re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)):
        headers["Content-Length"] = str(size)
        return Response(headers=headers, chunks=_chunks(path, 0, size))
    first, last = int(match[1]), min(int(match[2] or size), size - 1)
    if first > last:
        raise ApiError("RANGE_NOT_SATISFIABLE", f"The object has {size} bytes; asked for {wanted}.")
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    headers["Content-Length"] = str(last - first + 1)
    return Response(status=206, headers=headers, chunks=_chunks(path, first, last - first + 1))


def _chunks(path: Path, first: int, size: int) -> Iterator[bytes]:
    """Yield ``size`` bytes of a file, from ``first`` on; the file may grow meanwhile."""
    with path.open("rb") as file:
        file.seek(first)
        while size and (chunk := file.read(min(size, _CHUNK))):
            yield chunk
            size -= len(chunk)
