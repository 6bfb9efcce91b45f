"""The step that a job's run has reached, by the files it leaves: the same before and after a SIGKILL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from jobs.engine.checkpoint import CONTRACT

OPERATORS = 2
"""Stateful operators of the discounts job: deduplication and aggregation."""


class Step(StrEnum):
    """The last thing a run did, in the order of its life; each batch begins at `PLANNED` or `AGAIN`."""

    STARTING = "before the lock"
    LOCKED = "lock taken, no contract"
    CONTRACT_HALF = "contract half written"
    CONTRACT = "contract written, no query"
    QUERY = "query begun, no batch"
    AGAIN = "started again, nothing written yet"
    LISTED = "input listed, no batch of it"
    PLANNED = "batch planned"
    STATE_HALF = "state half written"
    STATE = "state written, no row"
    TABLE_HALF = "table half made"
    DATA = "rows in the table, not in its log"
    LOGGED = "rows in the table's log"
    TIDY_HALF = "joined rows in the table, not in its log"
    TIDY = "table tidied"
    ROWS_HALF = "rows half written"
    ROWS = "rows written"
    SENT = "rows sent"
    LETTERS_HALF = "dead letters half written"
    LETTERS = "dead letters written"
    COMMIT_HALF = "commit half written"
    COMMITTED = "batch committed"


IN_BATCH = frozenset(list(Step)[list(Step).index(Step.PLANNED) :])
"""The steps of a batch."""

SinkStep = Callable[[int, int], Step | None]
"""The step of a sink for a batch number, by what is newer than a time; None: not started."""


class Traces:
    """The traces of a checkpoint's runs. `sink`: the step function of its sink.

    A file counts for the running process if it is newer than the lock, and for the running batch if it is
    also newer than the commit of the batch before: what a killed run has left is older.
    """

    def __init__(self, checkpoint: Path, sink: SinkStep) -> None:
        self._checkpoint, self._sink = checkpoint, sink
        self._lock = Path(f"{checkpoint}.lock")

    def locked_by(self, pid: int) -> bool:
        """Return whether that process holds the lock, or was the last to hold it."""
        with suppress(FileNotFoundError):
            return self._lock.read_text() == f"{pid}\n"
        return False

    def step(self, pid: int) -> Step:
        """Return the step that the run of that process has reached, or had reached at its end."""
        if not self.locked_by(pid):
            return Step.STARTING
        started = changed(self._lock)
        if not (self._checkpoint / CONTRACT).exists():
            half = (self._checkpoint / f"{CONTRACT}.writing").exists()
            return Step.CONTRACT_HALF if half else Step.LOCKED
        if self._newest() <= started:
            return Step.AGAIN
        if not (self._checkpoint / "metadata").exists():
            return Step.CONTRACT
        return self._in_query(started)

    def _newest(self) -> int:
        files = (self._checkpoint / name for name in (CONTRACT, "metadata", "offsets", "commits"))
        return max(map(changed, (*files, *self._folders("sources/*"), *self._folders("state/*/*"))))

    def _folders(self, pattern: str) -> Iterator[Path]:
        return self._checkpoint.glob(pattern)

    def _in_query(self, started: int) -> Step:
        committed = self._last("commits")
        since = max(started, changed(self._checkpoint / "commits" / str(committed)))
        batch = self._last("offsets")
        if batch == committed:
            listed = any(map(_newer(since), self._folders("sources/*/*")))
            if not listed and batch < 0:
                return Step.QUERY
            return Step.LISTED if listed else Step.COMMITTED
        if any(map(_newer(since), self._folders(f"commits/.{batch}.*"))):
            return Step.COMMIT_HALF
        letters = written_folder(self._checkpoint / "dead-letters" / f"batch={batch}", since)
        if letters is not None:
            return Step.LETTERS if letters else Step.LETTERS_HALF
        return self._sink(batch, since) or self._state(batch, since)

    def batches(self, log: str) -> list[int]:
        """Return the numbers of the batches in a log of the checkpoint, sorted."""
        return sorted(int(file) for file in names(self._checkpoint / log) if file.isdecimal())

    def logged(self, log: str, batch: int, line: int = 1) -> Any:
        """Return a line of a batch's file in a log, which is JSON; line 0 is a version."""
        return json.loads((self._checkpoint / log / str(batch)).read_text().splitlines()[line])

    def _last(self, log: str) -> int:
        """Return the newest batch in a log, -1 if there is none."""
        return max(self.batches(log), default=-1)

    def _state(self, batch: int, since: int) -> Step:
        newer = _newer(since)
        written = [file for file in self._folders(f"state/*/[0-9]*/{batch + 1}.delta") if newer(file)]
        if not written:
            half = any(map(newer, self._folders(f"state/*/[0-9]*/.{batch + 1}.delta*")))
            return Step.STATE_HALF if half else Step.PLANNED
        return Step.STATE if len(written) == OPERATORS * self._partitions(batch) else Step.STATE_HALF

    def _partitions(self, batch: int) -> int:
        return int(self.logged("offsets", batch)["conf"]["spark.sql.shuffle.partitions"])


def delta_step(table: Path) -> SinkStep:
    """Return the step function of a Delta table: a batch is one commit, joining small files another."""
    log = table / "_delta_log"

    def step(batch: int, since: int) -> Step | None:
        every = [name for name in names(log) if name.endswith(".json") and not name.startswith(("_", "."))]
        commits = [at for name in every if (at := changed(log / name)) > since]
        parts = (name for name in names(table) if name.startswith("part-"))
        data = [at for name in parts if (at := changed(table / name)) > since]
        if not commits:
            return (Step.DATA if every else Step.TABLE_HALF) if data else None
        if data and max(data) > max(commits):
            return Step.TIDY_HALF
        tidied = len(commits) > 1 or changed(log / "_last_checkpoint") > since
        return Step.TIDY if tidied else Step.LOGGED

    return step


def parquet_step(folder: Path) -> SinkStep:
    """Return the step function of the Parquet sink: a batch is one folder."""

    def step(batch: int, since: int) -> Step | None:
        written = written_folder(folder / f"batch={batch}", since)
        return None if written is None else Step.ROWS if written else Step.ROWS_HALF

    return step


def written_folder(folder: Path, since: int) -> bool | None:
    """Return whether Spark has written the whole folder since then; None: it has not begun."""
    if changed(folder / "_SUCCESS") > since:
        return True
    return False if changed(folder) > since else None


def changed(file: Path) -> int:
    """Return when the file last changed, in nanoseconds; 0 if it does not exist."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def names(folder: Path) -> list[str]:
    """Return the names in a folder; none if it does not exist."""
    try:
        return [file.name for file in folder.iterdir()]
    except FileNotFoundError:
        return []


def _newer(since: int) -> Callable[[Path], bool]:
    return lambda file: changed(file) > since
