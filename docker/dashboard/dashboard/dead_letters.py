"""What was no event, by reason, from the files of `--dead-letter-dir`."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

BATCHES = 200
"""The newest batches with dead letters that are looked at."""
LINES = 5_000
"""The most lines of one batch that are."""
_BATCH = re.compile("batch=[0-9]+")


@dataclass(frozen=True)
class Letter:
    """A dead letter as an example: where it is in the source, and what it says."""

    job: str
    stream: str
    partition: int
    offset: int
    published_at: str
    """RFC 3339, empty where the source does not say."""
    value: str
    """The message's value; in base64 where it is no text."""


@dataclass(frozen=True)
class Reason:
    """Dead letters of one reason, with the newest as an example."""

    reason: str
    count: int
    example: Letter


class DeadLetterFolder:
    """The folder of all jobs' dead letters; a batch is read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[tuple[int, Path], list[Reason]] = {}

    def reasons(self) -> list[Reason]:
        """The reasons among the newest batches with dead letters, the most frequent first."""
        newest = sorted(self._finished())[-BATCHES:]
        self._read = {batch: self._read.get(batch) or _reasons(batch[1]) for batch in newest}
        counts: Counter[str] = Counter()
        examples: dict[str, Letter] = {}
        for reasons in self._read.values():
            for one in reasons:
                counts[one.reason] += one.count
                examples[one.reason] = one.example
        return [Reason(reason, count, examples[reason]) for reason, count in counts.most_common()]

    def _finished(self) -> Iterator[tuple[int, Path]]:
        """The newest batches' folders that are written to the end, each after the time of that (ns)."""
        for checkpoint in self.folder.glob("*/*/*/"):
            batches = (batch for batch in checkpoint.glob("batch=*") if _BATCH.fullmatch(batch.name))
            for batch in sorted(batches, key=_number)[-BATCHES:]:
                with suppress(FileNotFoundError):  # it is being written
                    yield (batch / "_SUCCESS").stat().st_mtime_ns, batch


def _number(batch: Path) -> int:
    return int(batch.name.partition("=")[2])


def _reasons(batch: Path) -> list[Reason]:
    counts: Counter[str] = Counter()
    examples: dict[str, Letter] = {}
    for reason, letter in filter(None, _letters(batch)):
        counts[reason] += 1
        examples[reason] = letter
    return [Reason(reason, counts[reason], examples[reason]) for reason in counts]


def _letters(batch: Path) -> Iterator[tuple[str, Letter] | None]:
    job = batch.parents[2].name
    for file in batch.glob("*.txt"):
        # The batch may come again meanwhile: the next look finds the new file.
        with suppress(FileNotFoundError), file.open("rb") as lines:
            yield from (_letter(job, line) for line in islice(lines, LINES))


def _letter(job: str, line: bytes) -> tuple[str, Letter] | None:
    """The line's reason, without the value in question, and letter; None where it is no dead letter."""
    try:
        fields = json.loads(line)
        place = fields["stream"], int(fields["partition"]), int(fields["offset"])
        value = fields.get("value") or fields.get("value_base64") or ""
        reason, _, _ = fields["reason"].partition(": ")
        return reason, Letter(job, *place, fields.get("published_at") or "", value)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
