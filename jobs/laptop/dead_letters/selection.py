"""The selection of dead letters that a command works on: the flags that several commands share."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterator

from jobs.laptop.dead_letters.folder import DeadLetterFolder, Letter, Report
from sources.catalog import STREAMS
from sources.flags import Parser, add_flag

_ID = re.compile(r"[^/\s]+/[0-9]+/[0-9]+")


def add_folder_flags(parser: Parser) -> None:
    """Add the jobs' own flags for the location of dead letters."""
    add_flag(parser, "--dead-letter-dir", help="directory of dead letters (default: inside the checkpoints)")
    add_flag(parser, "--checkpoint-root", help="directory of all checkpoints", default=".checkpoints")


def add_selection_flags(parser: Parser) -> None:
    """Add the flags that select dead letters; without any, all are selected."""
    parser.add_argument("--job", help="only dead letters of this job")
    parser.add_argument("--stream", help="only dead letters of this stream", choices=tuple(STREAMS))
    parser.add_argument("--reason", help="only dead letters whose reason contains this text")


def add_ids(parser: Parser, name: str) -> None:
    """Add the letters' ids as the flag or argument `name`."""
    parser.add_argument(
        name,
        nargs="+",
        action="extend",
        type=_id,
        metavar="ID",
        help="STREAM/PARTITION/OFFSET, as `list` prints it",
    )


def folder(options: Namespace) -> DeadLetterFolder:
    """Return the folder that the options name; raise DeadLetterError if it cannot be read."""
    return DeadLetterFolder(options.dead_letter_dir, options.checkpoint_root)


def selected(options: Namespace, report: Report, source: str | None = None) -> Iterator[Letter]:
    """Yield the letters that the options select, only of `source` if given; report ids that do not exist."""
    ids = set(getattr(options, "id", None) or ())
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


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ArgumentTypeError(f"{text!r}: expected STREAM/PARTITION/OFFSET, like product-stream/0/4711")
    return text
