"""Messages that were not events, by reason, from the files in `--dead-letter-dir`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from jobs.engine.dead_letter_batches import Batch, Batches

BATCHES = 200
"""The number of newest batches with dead letters that are read."""
LINES = 5_000
"""The most lines that are read of one file of a batch."""


@dataclass(frozen=True)
class Letter:
    """A dead letter as an example: its place in the source, and its content."""

    job: str
    stream: str
    partition: int
    offset: int
    published_at: str
    """RFC 3339; empty if the source does not say."""
    value: str
    """The message's value; in base64 if it is not text."""


@dataclass(frozen=True)
class Reason:
    """Dead letters with the same reason, with the newest as an example."""

    reason: str
    count: int
    example: Letter


class DeadLetterFolder:
    """The folder of all jobs' dead letters; each batch is read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._batches = Batches(folder)
        self._read: dict[Batch, list[Reason]] = {}

    def reasons(self) -> list[Reason]:
        """Return the reasons among the newest batches with dead letters, most frequent first."""
        before, newest = self._read, self._batches.finished(BATCHES)
        read = {batch: before[batch] if batch in before else _reasons(batch) for batch in newest}
        self._read = read
        counts: Counter[str] = Counter()
        examples: dict[str, Letter] = {}
        for reasons in read.values():
            for one in reasons:
                counts[one.reason] += one.count
                examples[one.reason] = one.example
        return [Reason(reason, count, examples[reason]) for reason, count in counts.most_common()]


def _reasons(batch: Batch) -> list[Reason]:
    counts: Counter[str] = Counter()
    examples: dict[str, Letter] = {}
    for reason, letter in filter(None, _letters(batch)):
        counts[reason] += 1
        examples[reason] = letter
    return [Reason(reason, counts[reason], examples[reason]) for reason in counts]


def _letters(batch: Batch) -> Iterator[tuple[str, Letter] | None]:
    for file in batch.folder.glob("*.txt"):
        # The batch may be written again meanwhile: the next look finds the new file.
        with suppress(FileNotFoundError), file.open("rb") as lines:
            yield from (_letter(batch.job, line) for line in islice(lines, LINES))


def _letter(job: str, line: bytes) -> tuple[str, Letter] | None:
    """Return the reason, without the value in question, and the letter; None if the line is not one."""
    try:
        fields = json.loads(line)
        place = fields["stream"], int(fields["partition"]), int(fields["offset"])
        value = fields.get("value") or fields.get("value_base64") or ""
        reason, _, _ = fields["reason"].partition(": ")
        return reason, Letter(job, *place, fields.get("published_at") or "", value)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
