"""The selection of dead letters that a command works on: the flags that several commands share."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from jobs.laptop.dead_letters.folder import DeadLetterFolder, Letter, Report
from sources.catalog import STREAMS
from sources.flags import flag

_ID = re.compile(r"[^/\s]+/[0-9]+/[0-9]+")


def letter_id(text: str) -> str:
    """Validate a dead letter's id; raise ArgumentTypeError."""
    if not _ID.fullmatch(text):
        raise ArgumentTypeError(f"{text!r}: expected STREAM/PARTITION/OFFSET, like product-stream/0/4711")
    return text


ID = "STREAM/PARTITION/OFFSET, as `list` prints it"


@dataclass(frozen=True)
class Selection:
    """Where dead letters are, and which of them; by default all."""

    dead_letter_dir: str | None = flag("directory of dead letters (default: inside the checkpoints)")
    checkpoint_root: str = flag("directory of all checkpoints", default=".checkpoints")
    job: str | None = flag("only dead letters of this job")
    stream: str | None = flag("only dead letters of this stream", choices=tuple(STREAMS))
    reason: str | None = flag("only dead letters whose reason contains this text")


def folder(options: Selection) -> DeadLetterFolder:
    """Return the folder that the options name; raise DeadLetterError if it cannot be read."""
    return DeadLetterFolder(options.dead_letter_dir, options.checkpoint_root)


def selected(
    options: Selection, report: Report, ids: Collection[str] = (), source: str | None = None
) -> Iterator[Letter]:
    """Yield the letters that the options select, only of these ids and of `source` if they are given.

    Report ids that do not exist.
    """
    missing = set(ids)
    for letter in folder(options).letters(report):
        if (
            (not ids or letter.id in ids)
            and options.job in (None, letter.job)
            and options.stream in (None, letter.record.stream)
            and (options.reason is None or options.reason in letter.reason)
            and source in (None, letter.source)
        ):
            missing.discard(letter.id)
            yield letter
    for one in sorted(missing):
        report(f"{one}: no such dead letter; expected an id that `twinstream dead-letters list` prints")
