"""A run's batches as a file, for outside observers of the job: a web page, a health check."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sources.fault import Fault

LARGEST = 2_000_000
"""Size in bytes at which the file is renamed to `<job>.old.jsonl`, replacing its predecessor."""


class ProgressDirError(Fault):
    """The reason the file cannot be written: value, expectation and remedy in one line."""


class ProgressFile:
    """The file `<folder>/<job>.jsonl`: one JSON object per batch, the newest last.

    `progress.record` documents its fields. The file's modification time tells when the query last worked or
    was idle: a file that is a minute old belongs to a job that hangs or is gone.
    """

    def __init__(self, folder: str, job: str) -> None:
        """Create the folder and the file; raise ProgressDirError if the folder cannot be written."""
        self._path = Path(folder, f"{job}.jsonl")
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.touch()
        except OSError as error:
            raise ProgressDirError(
                f"--progress-dir {folder}: cannot be written ({error})",
                expected="a writable folder",
            ) from None

    def add(self, batch: dict[str, object]) -> None:
        """Append a batch as a whole; raise OSError if that fails."""
        if self._path.exists() and self._path.stat().st_size > LARGEST:
            self._path.replace(self._path.with_suffix(".old.jsonl"))
        line = (json.dumps(batch, ensure_ascii=False) + "\n").encode()
        with self._path.open("ab", buffering=0) as file:
            size, written = os.fstat(file.fileno()).st_size, 0
            try:
                while written < len(line):
                    written += file.write(line[written:])
            except OSError:
                file.truncate(size)  # half a line would spoil the next one too
                raise

    def touch(self) -> None:
        """Record that the query is alive; raise OSError if that fails."""
        self._path.touch()
