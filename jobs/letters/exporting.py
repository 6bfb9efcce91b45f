"""Writes dead letters as replay files, which `--source replay` reads."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

from jobs.letters.folder import DeadLetterError, Letter, Report
from jobs.letters.mending import NotMended, mended
from sources import replay_files
from sources.catalog import STREAMS
from sources.source import Record

MESSAGES_PER_FILE = 1000


class Exporter:
    """Writes to `directory/STREAM/NNNN.jsonl`, the places and times as they were.

    Raises DeadLetterError if the directory holds a stream's files already: their offsets would come twice.
    """

    def __init__(self, directory: Path, options: Namespace, report: Report) -> None:
        self._directory, self._options, self._report = directory, options, report
        self._waiting: dict[str, list[Record]] = {}
        self.written = self.left = 0
        if there := next((one for one in map(directory.joinpath, STREAMS) if one.is_dir()), None):
            raise DeadLetterError(f"{there} is there; expected a new directory; remedy: another --replay-dir")

    def export(self, letters: Iterable[Letter]) -> None:
        """Write the letters, mended; report each that cannot be mended. Raises OSError."""
        for letter in letters:
            try:
                record = mended(letter, self._options)
            except NotMended as why:
                self._report(f"{letter.id}: not written: {why}")
                continue
            if record is None:
                self.left += 1
                continue
            waiting = self._waiting.setdefault(record.stream, [])
            waiting.append(record)
            if len(waiting) == MESSAGES_PER_FILE:
                self._write(record.stream)
        for stream in list(self._waiting):
            self._write(stream)

    def _write(self, stream: str) -> None:
        records = self._waiting.pop(stream)
        replay_files.write(replay_files.following(self._directory / stream), records)
        self.written += len(records)
