"""Copies of replay files that Spark's file source reads in name order.

The file source orders by modification time and remembers paths in its checkpoint. So the files are copied
into a directory of this user's, with modification times in name order, at a path that depends on nothing but
where the originals lie and what is in them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sources import replay_files
from sources.source import SourceError

_FIRST_MODIFIED = 1_000_000_000


def stage(folder: Path) -> Path:
    """The directory with the copies of a stream's folder.

    Its path stays the same while files are only added after the last one, and is another as soon as one was
    changed, removed or put in between. Safe when several processes do it at once and when one is killed.
    Raises SourceError naming file and line for a line that is no message, and for what cannot be staged.
    """
    try:
        return _stage(folder)
    except OSError as error:
        raise SourceError(
            f"{error.filename or folder}: {error.strerror}; expected replay files that can be read and "
            f"copied to {tempfile.gettempdir()}; remedy: the permissions, or TMPDIR"
        ) from None


def _stage(folder: Path) -> Path:
    originals = {_staged_name(file): file for file in replay_files.files(folder)}
    home = _private_directory() / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    home.mkdir(exist_ok=True)
    with _alone_in(home):
        generation = _continued(home, list(originals)) or _new(home, list(originals))
        os.utime(generation)
        for position, (name, file) in enumerate(originals.items()):
            if not (generation / name).exists():
                _copy(file, generation / name, _FIRST_MODIFIED + position, folder.name)
    return generation


def _staged_name(file: Path) -> str:
    with file.open("rb") as content:
        return f"{file.stem}-{hashlib.file_digest(content, 'sha256').hexdigest()[:16]}{file.suffix}"


def _private_directory() -> Path:
    directory = Path(tempfile.gettempdir()) / f"twinstream-replay-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise SourceError(
            f"{directory} is not a directory that only you can enter; expected owner {os.getuid()} and mode "
            "0700; remedy: remove it, or set TMPDIR"
        )
    return directory


@contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    with (home / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _continued(home: Path, names: list[str]) -> Path | None:
    """Of the directories whose copies are the first ones of `names`, the one that was used last."""
    staged = {path: {file.name for file in path.glob(f"*{replay_files.SUFFIX}")} for path in home.glob("*-*")}
    fitting = [path for path, found in staged.items() if found == set(names[: len(found)])]
    return max(fitting, key=lambda path: path.stat().st_mtime_ns, default=None)


def _new(home: Path, names: list[str]) -> Path:
    content = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
    free = next(path for number in count(1) if not (path := home / f"{content}-{number}").exists())
    free.mkdir()
    return free


def _copy(file: Path, target: Path, modified: int, stream: str) -> None:
    content = file.read_bytes()
    for _ in replay_files.parse(file, content, stream):
        pass
    unfinished = target.with_name(f".{target.name}")
    try:
        unfinished.write_bytes(content)
        os.utime(unfinished, (modified, modified))
        if _staged_name(file).removeprefix(file.stem) != target.name.removeprefix(file.stem):
            raise SourceError(
                f"{file} changed while it was read; expected a finished file; remedy: start again"
            )
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
