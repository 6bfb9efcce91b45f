"""The ledger of resent dead letters: a file next to them that persists across calls of `resend`."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from jobs.laptop.dead_letters.folder import DeadLetterError, Letter
from sources import instants

NAME = "resent.jsonl"

Identity = tuple[object, ...]


def identity(letter: Letter) -> Identity:
    """Identify a message by its source, place, time and content.

    Two jobs may have kept the same message, or one job twice after a reset; a recreated topic has another
    message at the same place.
    """
    record = letter.record
    published_at = record.published_at and instants.text(record.published_at)
    digest = hashlib.sha256(record.value or b"").hexdigest()
    return letter.source, record.stream, record.partition, record.offset, published_at, digest


class Ledger:
    """The messages that were sent, one line of JSON each; once `add` has returned, they are on disk."""

    _FIELDS = ("source", "stream", "partition", "offset", "published_at", "sha256")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(0)
        content = file.read()
        self._sent: set[Identity] = set()
        for line in content.splitlines():
            with suppress(ValueError, KeyError, TypeError):
                fields = json.loads(line)
                self._sent.add(tuple(fields[name] for name in self._FIELDS))
        if content and not content.endswith(b"\n"):
            file.write(b"\n")  # a crash tore the last line

    def __contains__(self, letter: Letter) -> bool:
        return identity(letter) in self._sent

    def add(self, letters: Sequence[Letter]) -> None:
        """Record that the broker has these letters; raise DeadLetterError if that fails."""
        now = instants.text(datetime.now(UTC))
        for letter in letters:
            fields = dict(zip(self._FIELDS, identity(letter), strict=True))
            self._file.write(json.dumps({**fields, "sent_at": now}).encode() + b"\n")
            self._sent.add(identity(letter))
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise DeadLetterError(
                f"{self._file.name}: cannot be written ({error.strerror})",
                expected="room",
                remedy=(
                    f"make some; the last {len(letters)} that were sent may be sent again by the next call"
                ),
            ) from None


@contextmanager
def opened(folder: Path) -> Iterator[Ledger]:
    """Hold the folder's ledger while the block runs, so that two concurrent calls do not send twice.

    Raise DeadLetterError if another process holds it or the folder cannot be written.
    """
    try:
        file = (folder / NAME).open("a+b")
    except OSError as error:
        raise DeadLetterError(
            f"{folder / NAME}: cannot be written ({error.strerror})",
            expected="a folder that keeps what was sent",
            remedy="its permissions",
        ) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeadLetterError(
                f"{folder / NAME}: another resend works with it",
                expected="one at a time, because two would send twice",
                remedy="wait for its end",
            ) from None
        _sync(folder)
        yield Ledger(file)


def _sync(folder: Path) -> None:
    """Flush the folder to disk too, so that the file's name persists."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
