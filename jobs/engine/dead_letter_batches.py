"""The batches of dead letters on disk (`jobs/engine/dead_letters.py`).

The web page uses this module too, in a separate image that has only the standard library.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NAME = re.compile(r"batch=([0-9]{1,18})")
"""The name of a batch's folder; the group is its number."""
_TICK = 1_000_000_000
"""Nanoseconds within which a second change of a folder may leave its modification time unchanged."""


@dataclass(frozen=True, order=True)
class Batch:
    """A fully written batch, finished at `ended` (ns since 1970); batches sort by that time."""

    ended: int
    number: int
    folder: Path

    @property
    def job(self) -> str:
        """Return the job that kept the batch."""
        return self.folder.parts[-4]

    @property
    def source(self) -> str:
        """Return the source that the batch was read from."""
        return self.folder.parts[-3]


class Batches:
    """The batches below `folder`/JOB/SOURCE/`checkpoint`, where `checkpoint` is a folder name or `*` for all.

    However often the batches are requested, a checkpoint's folder is listed only if it has changed.
    """

    def __init__(self, folder: Path, checkpoint: str = "*") -> None:
        self._folder, self._pattern = folder, f"*/*/{checkpoint}/"
        self._listed: dict[Path, tuple[int, list[int]]] = {}

    def finished(self, most: int | None = None) -> list[Batch]:
        """Return the finished batches, all or only the `most` newest, in the order they ended."""
        newest = slice(-most if most else None, None)
        return sorted(batch for one in self._folder.glob(self._pattern) for batch in self._of(one, newest))[
            newest
        ]

    def _of(self, checkpoint: Path, newest: slice) -> Iterator[Batch]:
        with suppress(FileNotFoundError):  # the checkpoint has just been reset
            for number in self._numbers(checkpoint)[newest]:
                batch = checkpoint / f"batch={number}"
                with suppress(FileNotFoundError, NotADirectoryError):  # it is being written or removed
                    yield Batch((batch / "_SUCCESS").stat().st_mtime_ns, number, batch)

    def _numbers(self, checkpoint: Path) -> list[int]:
        """Return the numbers of all batches in ascending order."""
        now, changed = time.time_ns(), checkpoint.stat().st_mtime_ns
        before, numbers = self._listed.get(checkpoint, (None, []))
        if changed != before:
            with os.scandir(checkpoint) as entries:
                numbers = sorted(int(match[1]) for one in entries if (match := NAME.fullmatch(one.name)))
            if now - changed > _TICK:
                self._listed[checkpoint] = changed, numbers
        return numbers
