"""Retention of dead letters: a running job removes batches of them that have expired.

A batch's dead letters are removed together, the oldest batch first; a batch's age is that of its `_SUCCESS`.
Readers ignore what a killed removal leaves behind, and the next removal deletes it.
"""

from __future__ import annotations

import re
import threading
import time
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from jobs.engine import files
from jobs.engine.dead_letter_batches import NAME
from sources.durations import duration, to_timedelta

UNLIMITED = "unlimited"
INTERVAL = 3600.0
"""Seconds between two checks."""


def retention(text: str) -> str:
    """Validate a retention: `unlimited`, or how long dead letters are kept."""
    if text == UNLIMITED:
        return text
    try:
        return duration(text)
    except ArgumentTypeError:
        raise ArgumentTypeError(
            f"{text!r}: expected {UNLIMITED} or a time above zero like '30 days'"
        ) from None


class DeadLetterRetention:
    """Removal of expired dead letters while the block runs, in a separate thread so that no batch waits.

    `folder` holds this checkpoint's batches. `shared`: its sibling folders belong to the job's other
    checkpoints, including reset ones, and are cleaned too. `say` receives the fields of a log line.
    """

    def __init__(
        self,
        spark: SparkSession,
        folder: str,
        checkpoint: str,
        keep: str,
        *,
        shared: bool,
        say: Callable[..., None],
    ) -> None:
        self._spark, self._folder, self._checkpoint = spark, folder, checkpoint
        self._keep, self._shared, self._say = keep, shared, say
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="dead-letter-retention", daemon=True)

    def __enter__(self) -> Self:
        if self._keep != UNLIMITED:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.ident:
            self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(INTERVAL)

    def look(self) -> None:
        """Remove what has expired and log how much; log a failure too, because the next check tries again."""
        removed = 0
        try:
            for batch in self._expired():
                if self._stop.is_set():
                    break
                removed += files.delete(self._spark, batch)
        except (OSError, Py4JError) as error:
            self._say(dead_letter_retention=str(error))
        if removed:
            self._say(removed_dead_letter_batches=removed, older_than=self._keep)

    def _expired(self) -> Iterator[str]:
        oldest = (time.time() - to_timedelta(self._keep).total_seconds()) * 1000
        # The last planned batch may be written again; those before it are final.
        planned = map(int, filter(str.isdecimal, files.names(self._spark, f"{self._checkpoint}/offsets")))
        yield from self._expired_in(self._folder, oldest, max(planned, default=0))
        if self._shared:
            root, _, own = self._folder.rpartition("/")
            for name in set(files.names(self._spark, root)) - {own}:
                yield from self._expired_in(f"{root}/{name}", oldest, None)

    def _expired_in(self, folder: str, oldest: float, before: int | None) -> Iterator[str]:
        """Yield the batches up to the newest expired one, relying on numbers that rise with time.

        A batch without `_SUCCESS`, as a kill leaves it, counts as old as the next one that has it.
        """
        waiting = []
        for number in self._numbers(folder):
            if before is not None and number >= before:
                break
            waiting.append(f"{folder}/batch={number}")
            ended = files.version(self._spark, f"{waiting[-1]}/_SUCCESS")
            if ended is None:
                continue
            if ended[0] > oldest:
                break
            yield from waiting
            waiting.clear()

    def _numbers(self, folder: str) -> list[int]:
        here = Path(re.sub("^file:/+", "/", folder))  # listing many names takes Hadoop ten times as long
        names = [one.name for one in here.iterdir()] if here.is_dir() else files.names(self._spark, folder)
        return sorted(int(match[1]) for name in names if (match := NAME.fullmatch(name)))
