"""The jobs' reports on every batch, from the files in `--progress-dir`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

TAIL = 500_000
"""Bytes that are read of a job's newest lines: some two thousand batches."""


@dataclass(frozen=True)
class Batch:
    """A line of the file; times are UTC."""

    time: datetime
    number: int
    rows_in: int
    rows_out: int
    late: int
    dead: int
    state_rows: int
    seconds: float
    watermark: datetime | None
    newest: datetime | None
    """The newest event time of the batch; None if it had no event."""
    waiting: str | None
    """Why the job emitted nothing, in its own words."""


@dataclass(frozen=True)
class JobProgress:
    """A job's newest batches on its current checkpoint, oldest first."""

    job: str
    last_sign: datetime
    """When the query last gave a sign of life, by working or by having nothing to do."""
    batches: tuple[Batch, ...]

    @property
    def watermark(self) -> datetime | None:
        """Return the watermark of the last batch: no later batch changes a window that ends by then."""
        return self.batches[-1].watermark if self.batches else None

    @property
    def newest_event(self) -> datetime | None:
        """Return the newest event time of all batches."""
        return max((batch.newest for batch in self.batches if batch.newest), default=None)


class ProgressFolder:
    """The folder of all jobs' files; a file is read again only when it has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, tuple[tuple[int, int], tuple[Batch, ...]]] = {}

    def jobs(self) -> dict[str, JobProgress]:
        """Return the progress of every job that has a file, by job."""
        files = [file for file in self.folder.glob("*.jsonl") if not file.name.endswith(".old.jsonl")]
        progress = (self._progress(file) for file in sorted(files))
        return {one.job: one for one in progress if one}

    def _progress(self, file: Path) -> JobProgress | None:
        try:
            status = file.stat()
            version = status.st_ino, status.st_size
            if file.stem not in self._read or self._read[file.stem][0] != version:
                self._read[file.stem] = version, _present_run(_batches(file))
        except FileNotFoundError:  # it has just been renamed to the old file
            return None
        last_sign = datetime.fromtimestamp(status.st_mtime, UTC)
        return JobProgress(file.stem, last_sign, self._read[file.stem][1])


def _batches(file: Path) -> list[Batch]:
    lines = _last_lines(file, TAIL)
    old = file.with_suffix(".old.jsonl")
    missing = TAIL - sum(map(len, lines))
    if missing > 0 and old.exists():
        lines = _last_lines(old, missing) + lines
    return [batch for line in lines if (batch := _batch(line))]


def _last_lines(file: Path, most: int) -> list[bytes]:
    """Return the lines in the file's last bytes: the first may be cut off, the last may be half written."""
    with file.open("rb") as content:
        content.seek(max(0, file.stat().st_size - most))
        return content.read().split(b"\n")


def _batch(line: bytes) -> Batch | None:
    """Return the line's batch; None if the line is not a batch."""
    try:
        fields = json.loads(line)
        return Batch(
            time=datetime.fromisoformat(fields["time"]),
            number=int(fields["batch"]),
            rows_in=int(fields["in"]),
            rows_out=int(fields["out"]),
            late=int(fields["late"]),
            dead=int(fields["dead"]),
            state_rows=int(fields["state_rows"]),
            seconds=float(fields["seconds"]),
            watermark=_time(fields["watermark"]),
            newest=_time(fields["newest"]),
            waiting=fields["waiting"],
        )
    except (ValueError, KeyError, TypeError):
        return None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _present_run(batches: Iterable[Batch]) -> tuple[Batch, ...]:
    """Return the batches since the last whose number did not increase: there a fresh checkpoint began."""
    batches = tuple(batches)
    starts = [at for at, (one, next_one) in enumerate(pairwise(batches), 1) if next_one.number <= one.number]
    return batches[starts[-1] :] if starts else batches
