"""The contents of the emulator's directory. Objects, token and gcloud configuration outlive a run."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# A folder without this file was not made by an emulator, and what is in it is left alone.
_MARK = ".made-by-dataproc-emulator"


@dataclass(frozen=True, slots=True)
class Files:
    """The paths in a directory."""

    directory: Path

    @property
    def buckets(self) -> Path:
        """Return the path with a folder per bucket; ``gs://b/a/c.txt`` is the file ``b/a/c.txt`` in it."""
        return self.directory / "gs"

    @property
    def uploads(self) -> Path:
        """Return the path of uploads that have not ended."""
        return self.directory / "uploads"

    @property
    def jobs(self) -> Path:
        """Return the path with a folder per job.

        In it are the job's entry file (alone), its zips and jars, and the driver's working directory.
        """
        return self.directory / "jobs"

    @property
    def spark(self) -> Path:
        """Return the path of logs, settings and scratch files of master and worker."""
        return self.directory / "spark"

    @property
    def kafka(self) -> Path:
        """Return the path with a folder per Managed Kafka cluster, ``NAME.LOCATION.PROJECT``.

        In it are the node's data and log, and the file ``address``; ``ca.pem`` beside is their authority.
        """
        return self.directory / "kafka"

    @property
    def accounts(self) -> Path:
        """Return the path of the credentials of the machines' service accounts."""
        return self.directory / "accounts"

    @property
    def gcloud(self) -> Path:
        """Return the path of an empty configuration for gcloud."""
        return self.directory / "gcloud"

    @property
    def token(self) -> Path:
        """Return the path of the token that every request must carry, a file that gcloud reads; made once."""
        return self.directory / "token"

    @property
    def ready(self) -> Path:
        """Return the path of the line that a running emulator printed, JSON."""
        return self.directory / "emulator.json"


@contextmanager
def claimed(directory: Path) -> Iterator[Files]:
    """Hold the directory for one emulator during the block; its objects and token are kept from run to run.

    Raise FileExistsError while another emulator uses it, and if something that no emulator made is in a place
    that it needs, because accounts, jobs, kafka, spark and uploads are cleared.
    """
    wanted = Files(directory.resolve())
    cleared = (wanted.accounts, wanted.jobs, wanted.kafka, wanted.spark, wanted.uploads)
    _refuse_foreign(wanted.buckets, *cleared)
    files = prepare_client(directory)
    with _locked(files):
        for folder in (files.buckets, *cleared):
            _make(folder)
        for folder in cleared:
            _clear(folder)
        try:
            yield files
        finally:
            files.ready.unlink(missing_ok=True)


def prepare_client(directory: Path, token: str = "") -> Files:
    """Make what gcloud needs; with the emulator in a container, the directory holds nothing more.

    A ``token`` replaces an existing one. Raise FileExistsError if something that no emulator made is in the
    way.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = Files(directory.resolve())
    _refuse_foreign(files.gcloud)
    if not (files.directory / _MARK).exists():
        _refuse_foreign(files.token, files.ready)
        (files.directory / _MARK).touch()
    _make(files.gcloud)
    if token:
        with _locked(files):
            _write_secret(files.token, token)
    elif not files.token.exists() or not files.token.stat().st_size:
        _write_secret(files.token, secrets.token_urlsafe(32))
    return files


@contextmanager
def _locked(files: Files) -> Iterator[None]:
    """Hold the directory; the lock goes away with the process, however that ends."""
    with (files.directory / _MARK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileExistsError(_taken(files)) from None
        yield


def _refuse_foreign(*places: Path) -> None:
    """Raise FileExistsError for anything that no emulator made, except an empty folder."""
    for place in places:
        if place.is_dir() and ((place / _MARK).exists() or not any(place.iterdir())):
            continue
        if place.exists():
            raise FileExistsError(
                f"{place} is not a Dataproc emulator's; expected nothing there, or what an emulator has "
                "made; remedy: another --directory"
            )


def _make(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / _MARK).touch()


def _taken(files: Files) -> str:
    try:
        where = f" at {json.loads(files.ready.read_bytes())['address']}"
    except (OSError, ValueError, KeyError):
        where = ""  # it does not answer yet
    return f"an emulator runs over {files.directory}{where}; remedy: another directory"


def _clear(folder: Path) -> None:
    for left in folder.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        elif left.name != _MARK:
            left.unlink(missing_ok=True)


def _write_secret(path: Path, content: str) -> None:
    """Write a file atomically, readable by the owner alone."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(content)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
