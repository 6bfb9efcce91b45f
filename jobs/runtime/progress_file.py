"""A run's batches as a file, for whoever watches the job from outside: a page, a health check."""

from __future__ import annotations

import json
from pathlib import Path

LARGEST = 2_000_000
"""Bytes at which the file becomes `<job>.old.jsonl`, whose predecessor goes."""


class ProgressDirError(Exception):
    """Why the file cannot be written: the value, what was expected and the remedy, in one line."""


class ProgressFile:
    """`<folder>/<job>.jsonl`: a JSON object a batch, the newest last.

    `progress.record` says its fields. The file's modification time says when the query last worked or had
    nothing to do: a file that is a minute old belongs to a job that hangs or is gone.
    """

    def __init__(self, folder: str, job: str) -> None:
        """Raises ProgressDirError where the folder cannot be written."""
        self._path = Path(folder, f"{job}.jsonl")
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.touch()
        except OSError as error:
            raise ProgressDirError(
                f"--progress-dir {folder}: cannot be written ({error}); expected a writable folder"
            ) from None

    def add(self, batch: dict[str, object]) -> None:
        """Append a batch; raises OSError where that fails."""
        if self._path.exists() and self._path.stat().st_size > LARGEST:
            self._path.replace(self._path.with_suffix(".old.jsonl"))
        with self._path.open("a") as file:
            file.write(json.dumps(batch, ensure_ascii=False) + "\n")

    def touch(self) -> None:
        """Note that the query is alive; raises OSError where that fails."""
        self._path.touch()
