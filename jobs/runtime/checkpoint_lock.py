"""A lock on a checkpoint: a file on this machine's disk, released when its process ends, however it ends.

The file lies next to the checkpoint, not inside it, so that the lock can be taken before anything in the
checkpoint is read, and its holder may delete the whole checkpoint.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jobs.runtime.checkpoint import CheckpointError


@contextmanager
def held(checkpoint: str) -> Iterator[None]:
    """Hold a checkpoint's lock while the block runs.

    A checkpoint whose parent folder is not on this machine (`gs://`) has no lock: gcloud knows which jobs run
    on Dataproc. Raise CheckpointError if another process holds the lock.
    """
    lock = _lock(checkpoint)
    if not lock.parent.is_dir():
        yield
        return
    try:
        file = lock.open("a+")
    except OSError as error:
        raise CheckpointError(
            f"{lock}: cannot be written ({error.strerror}); expected a writable folder, see --checkpoint-root"
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(checkpoint, lock) from None
        file.truncate(0)
        print(os.getpid(), file=file, flush=True)
        yield


def is_held(checkpoint: str) -> bool:
    """Return whether a run holds the checkpoint; False also if that is unknown (`gs://`)."""
    with suppress(FileNotFoundError, NotADirectoryError), _lock(checkpoint).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _lock(checkpoint: str) -> Path:
    return Path(re.sub("^file:/+", "/", checkpoint) + ".lock")


def _in_use(checkpoint: str, lock: Path) -> CheckpointError:
    process = lock.read_text().strip()
    return CheckpointError(
        f"{checkpoint}: a running job works on it (process {process}); expected one at a time, because two "
        f"break each other's state; remedy: stop that one (kill {process}), or give another --checkpoint-root"
    )
