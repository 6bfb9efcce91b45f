"""The dead letters that jobs have kept (`jobs/engine/dead_letters.py`), read back as messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jobs.engine import reasons
from jobs.engine.dead_letter_batches import Batch, Batches
from sources.base import Record
from sources.catalog import STREAMS
from sources.fault import Fault
from sources.replay import files as replay_files

IN_CHECKPOINT = "dead-letters"

Report = Callable[[str], None]
"""Takes a one-line message about something that could not be read, mended or sent."""


class DeadLetterError(Fault):
    """The reason a command cannot work: finding, expectation and remedy in one line."""


@dataclass(frozen=True)
class Letter:
    """A message that was not a valid event, as the job's source stored it, and the reason."""

    job: str
    source: str
    file: Path
    reason: str
    record: Record

    @property
    def id(self) -> str:
        """Return the message's place: `product-stream/0/4711` is offset 4711 of partition 0."""
        return f"{self.record.stream}/{self.record.partition}/{self.record.offset}"

    @property
    def kind(self) -> str:
        """Return the reason without the offending value."""
        return reasons.kind(self.reason)


class DeadLetterFolder:
    """All jobs' dead letters: below `--dead-letter-dir` or, without it, in the checkpoints below their root.

    Raise DeadLetterError if the folder does not exist or is not on this machine.
    """

    def __init__(self, dead_letter_dir: str | None, checkpoint_root: str) -> None:
        flag = "--dead-letter-dir" if dead_letter_dir else "--checkpoint-root"
        name = dead_letter_dir or checkpoint_root
        if re.match(r"(?!file:)[a-z0-9]+:/", name):
            raise DeadLetterError(
                f"{flag} {name}: not a folder on this machine",
                expected="one",
                remedy=(f"copy it here (gcloud storage cp --recursive {name} DIR) and give {flag} DIR"),
            )
        self.path = Path(re.sub("^file:/+", "/", name))
        self._batches = Batches(self.path, "*" if dead_letter_dir else IN_CHECKPOINT)
        if not self.path.is_dir():
            raise DeadLetterError(
                f"{flag} {name}: no such folder",
                expected="the one that the jobs were given",
                remedy="their --dead-letter-dir or, without one, their --checkpoint-root",
            )

    def letters(self, report: Report) -> Iterator[Letter]:
        """Yield every letter, batch by batch in the order they ended, and report each broken line."""
        for batch in self._batches.finished():
            # The batch may be rewritten or removed in the meantime.
            with suppress(FileNotFoundError):
                yield from _letters(batch, report)


def _letters(batch: Batch, report: Report) -> Iterator[Letter]:
    for file in sorted(batch.folder.glob("*.txt")):
        with file.open("rb") as lines:
            for at, line in enumerate(lines, 1):
                try:
                    reason, record = _decoded(line)
                except (ValueError, KeyError, TypeError) as broken:
                    why = f"{broken.args[0]!r} is missing" if isinstance(broken, KeyError) else broken
                    report(f"{file}, line {at}: {why}; expected a dead letter as a JSON object")
                else:
                    yield Letter(batch.job, batch.source, file, reason, record)


def _decoded(line: bytes) -> tuple[str, Record]:
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise TypeError(f"{type(fields).__name__} is not an object")
    stream, reason = fields["stream"], fields["reason"]
    if stream not in STREAMS:  # the stream's name becomes that of a folder or topic
        raise ValueError(f"stream {stream!r} is none of {', '.join(STREAMS)}")
    if not isinstance(reason, str):
        raise TypeError(f"reason {reason!r} is not a string")
    return reason, replay_files.decode(line, stream)
