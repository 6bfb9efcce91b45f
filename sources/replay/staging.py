"""Copies of replay files that Spark's file source reads in name order.

The file source orders files by modification time and records their paths in its checkpoint. The files are
therefore copied into a directory of this user, with modification times in name order, at a path that depends
only on the location and the content of the originals.

Copies exist while a process uses them, which locks their directory. Removed copies leave their names behind,
because a checkpoint continues at the same path; the next process removes the copies of one that was killed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from sources.base import SourceError
from sources.replay import files as replay_files

_FIRST_MODIFIED = 1_000_000_000
_NAMES = ".names"
_held: dict[Path, int] = {}
"""The directories that this process uses, each with the open descriptor that locks it."""


def stage(folder: Path) -> Path:
    """Return the directory with the copies of a stream's folder.

    The copies stay until `release` or the end of this process. Their path stays the same while files are only
    added after the last one, and changes as soon as one is changed, removed or inserted in between. This is
    safe if several processes do it at once and if one is killed. Raise SourceError naming file and line if a
    line is not a message, and if something cannot be staged.
    """
    try:
        return _stage(folder)
    except OSError as error:
        raise SourceError(
            f"{error.filename or folder}: {error.strerror}",
            expected=f"replay files that can be read and copied to {tempfile.gettempdir()}",
            remedy="the permissions, or TMPDIR",
        ) from None


def _stage(folder: Path) -> Path:
    originals = {_staged_name(file): file for file in replay_files.files(folder)}
    home = _private_directory() / hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    home.mkdir(exist_ok=True)
    with _alone_in(home):
        generation = _continued(home, list(originals)) or _new(home, list(originals))
        _hold(generation)
        os.utime(generation)
        for position, (name, file) in enumerate(originals.items()):
            if not (generation / name).exists():
                _copy(file, generation / name, _FIRST_MODIFIED + position, folder.name)
    _remove_unused(home.parent)
    return generation


def release() -> None:
    """Remove the copies that this process has made, except those that another process also uses."""
    used, homes = list(_held.values()), {generation.parents[1] for generation in _held}
    _held.clear()
    for descriptor in used:
        os.close(descriptor)
    for home in homes:
        with suppress(FileNotFoundError):
            _remove_unused(home)


def _hold(generation: Path) -> None:
    if generation in _held:
        if os.path.samestat(os.fstat(_held[generation]), generation.stat()):
            return
        os.close(_held.pop(generation))  # of a directory that was removed and recreated
    _held[generation] = os.open(generation, os.O_RDONLY)
    fcntl.flock(_held[generation], fcntl.LOCK_SH)


def _remove_unused(private: Path) -> None:
    """Remove the copies that no process uses; leave what cannot be locked or removed now to the next one."""
    for home in private.iterdir():
        with suppress(OSError), _alone_in(home, fcntl.LOCK_NB):
            for generation in home.glob("*-*"):
                with suppress(BlockingIOError), _unused(generation):
                    _remove(generation)


@contextmanager
def _unused(generation: Path) -> Iterator[None]:
    """Lock a directory exclusively; raise BlockingIOError if a process uses it."""
    descriptor = os.open(generation, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove(generation: Path) -> None:
    copies = list(generation.glob(f"*{replay_files.SUFFIX}"))  # unfinished ones (with a leading dot) included
    if not copies:
        return
    used = generation.stat()
    names = generation / f"{_NAMES}.writing"
    names.write_text("\n".join(sorted(_staged(generation))))
    names.replace(generation / _NAMES)
    for copy in copies:
        copy.unlink()
    os.utime(generation, ns=(used.st_atime_ns, used.st_mtime_ns))


def _staged(generation: Path) -> set[str]:
    """Return the names of all copies that were finished, including removed ones."""
    copies = {copy.name for copy in generation.glob(f"*{replay_files.SUFFIX}") if copy.name[0] != "."}
    with suppress(FileNotFoundError):
        copies.update((generation / _NAMES).read_text().split("\n"))
    return copies


def _staged_name(file: Path) -> str:
    with file.open("rb") as content:
        return f"{file.stem}-{hashlib.file_digest(content, 'sha256').hexdigest()[:16]}{file.suffix}"


def _private_directory() -> Path:
    directory = Path(tempfile.gettempdir()) / f"twinstream-replay-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise SourceError(
            f"{directory} is not a directory that only you can enter",
            expected=f"owner {os.getuid()} and mode 0700",
            remedy="remove it, or set TMPDIR",
        )
    return directory


@contextmanager
def _alone_in(home: Path, how: int = 0) -> Iterator[None]:
    with (home / ".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | how)
        yield


def _continued(home: Path, names: list[str]) -> Path | None:
    """Return the last used of the directories whose copies are or were the first of `names`; None if none."""
    staged = {path: _staged(path) for path in home.glob("*-*")}
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
                f"{file} changed while it was read",
                expected="a finished file",
                remedy="start again",
            )
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
