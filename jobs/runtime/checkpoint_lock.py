"""Who works on a checkpoint: a lock on this machine's disk, which goes with its process however that ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from jobs.runtime.checkpoint import CheckpointError

LOCK = "in-use.lock"


@contextmanager
def held(checkpoint: str) -> Iterator[None]:
    """Hold a checkpoint for the block; raises CheckpointError where another run holds it.

    One that is not on a disk (`gs://`) has no lock: of jobs on Dataproc gcloud knows which run.
    """
    folder = _on_disk(checkpoint)
    with (folder / LOCK).open("a") if folder else nullcontext() as file:
        if file is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CheckpointError(
                    f"{checkpoint}: a running job works on it; expected one run at a time, for two break "
                    "each other's state; remedy: stop that one, or give another --checkpoint-root"
                ) from None
        yield


def is_held(checkpoint: str) -> bool:
    """Whether a run works on the checkpoint; False too where that cannot be told (`gs://`)."""
    try:
        with held(checkpoint):
            return False
    except CheckpointError:
        return True


def _on_disk(path: str) -> Path | None:
    """The folder; None where this machine has none: a path may be one of the cluster's file system."""
    folder = Path(path.removeprefix("file://"))
    return folder if folder.is_dir() else None
