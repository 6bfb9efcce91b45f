"""Buckets as folders and objects as files, which jobs can also reach as ``gs://`` (see ``hadoop``)."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from dataproc_emulator import hadoop
from dataproc_emulator.errors import ApiError
from dataproc_emulator.files import Files

PUBLIC = "spark-lib"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")


class Buckets:
    """All buckets. What a job writes is an object as soon as its file exists."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._locations: dict[str, str] = {}
        self._lock = Lock()
        hadoop.mount(files, self.names())

    def names(self) -> list[str]:
        """Return the names of all buckets, Google's public one included, sorted."""
        return sorted(path.name for path in self._files.buckets.iterdir() if path.is_dir())

    def create(self, name: str, location: str) -> None:
        """Create a bucket; raise ApiError if its name is invalid or taken."""
        if not _NAME.fullmatch(name):
            raise ApiError("INVALID_ARGUMENT", f"Invalid bucket name: '{name}'")
        with self._lock:
            if (self._files.buckets / name).exists():
                raise ApiError("ALREADY_EXISTS", f"The requested bucket name is not available: {name}")
            (self._files.buckets / name).mkdir()
            try:
                hadoop.mount(self._files, self.names())
            except OSError:
                (self._files.buckets / name).rmdir()
                raise
            self._locations[name] = location

    def delete(self, name: str) -> None:
        """Delete an empty bucket; raise ApiError if it is not empty."""
        if next(self.objects(name, ""), None):
            raise ApiError("ALREADY_EXISTS", "The bucket you tried to delete is not empty.")
        with self._lock:
            for folder, _, _ in os.walk(self.folder(name), topdown=False):
                Path(folder).rmdir()
            hadoop.mount(self._files, self.names())

    def location(self, name: str) -> str:
        """Return the location given when the bucket was created in this run, otherwise US."""
        return self._locations.get(name, "US")

    def folder(self, name: str) -> Path:
        """Return the bucket's folder; raise ApiError if it does not exist."""
        folder = self._files.buckets / name
        if not _NAME.fullmatch(name) or not folder.is_dir():
            raise ApiError("NOT_FOUND", f"The specified bucket does not exist: {name}")
        return folder

    def path(self, bucket: str, name: str) -> Path:
        """Return the file of an object, which may not exist; raise ApiError for names no file can have."""
        if not _is_file_name(name):
            raise ApiError("INVALID_ARGUMENT", f"Object name {name!r} cannot be the name of a file here.")
        return self.folder(bucket) / name

    def existing(self, bucket: str, name: str) -> Path:
        """Return the file of an object; raise ApiError if it does not exist."""
        path = self.folder(bucket) / name
        if not _is_file_name(name) or not path.is_file():
            raise ApiError("NOT_FOUND", f"No such object: {bucket}/{name}")
        return path

    def from_uri(self, uri: str) -> Path:
        """Return the file of ``gs://bucket/object``; raise ApiError if it does not exist."""
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        return self.existing(bucket, name)

    def objects(self, bucket: str, prefix: str) -> Iterator[str]:
        """Yield the names of the bucket's objects that begin with ``prefix``, in no particular order."""
        root = self.folder(bucket)
        inside, slash, _ = prefix.rpartition("/")
        if slash and not _is_file_name(inside):
            return  # no object has such a name, and the folder it leads to is not the bucket's own
        for folder, _, names in os.walk(root / inside):
            for name in names:
                known = str(Path(folder, name).relative_to(root))
                if known.startswith(prefix):
                    yield known

    def writable(self, bucket: str, name: str) -> Path:
        """Return the file of an object to write or remove; raise ApiError for Google's public bucket."""
        if bucket == PUBLIC:
            raise ApiError("PERMISSION_DENIED", f"gs://{PUBLIC} is Google's: it can only be read.")
        return self.path(bucket, name)

    def write(self, bucket: str, name: str, content: BinaryIO) -> Path:
        """Store an object whole and return its file: nobody sees half of it, and a failure leaves nothing."""
        path = self.writable(bucket, name)
        handle, temporary = tempfile.mkstemp(dir=self._files.uploads)
        try:
            with os.fdopen(handle, "wb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            self._put(Path(temporary), path, self.folder(bucket))
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise ApiError(
                "INVALID_ARGUMENT", f"{name}: an object and a folder of one name cannot both be files here."
            ) from None
        finally:
            Path(temporary).unlink(missing_ok=True)
        return path

    def _put(self, temporary: Path, path: Path, root: Path) -> None:
        with self._lock:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary.replace(path)
            except OSError:
                _drop_empty_folders(path, root)
                raise

    def remove(self, bucket: str, name: str) -> None:
        """Delete an object and the folders that held nothing else."""
        self.writable(bucket, name)
        path = self.existing(bucket, name)
        with self._lock:
            path.unlink()
            _drop_empty_folders(path, self.folder(bucket))


def _drop_empty_folders(path: Path, root: Path) -> None:
    for folder in path.relative_to(root).parents[:-1]:
        try:
            (root / folder).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return  # stop at the first folder that holds something else


def _is_file_name(name: str) -> bool:
    parts = name.split("/")
    return not any(part in ("", ".", "..") or "\0" in part or len(part.encode()) > 255 for part in parts)


def md5(path: Path) -> str:
    """Return the file's MD5 as Cloud Storage writes it."""
    status = path.stat()
    return _md5(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _md5(path: Path, _modified: int, size: int) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as content:
        digest.update(content.read(size))
    return base64.b64encode(digest.digest()).decode()
