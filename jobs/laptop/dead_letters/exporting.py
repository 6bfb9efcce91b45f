"""The export of dead letters as replay files, which `--source replay` reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from jobs.laptop.dead_letters.folder import DeadLetterError, Letter, Report
from jobs.laptop.dead_letters.mending import Filter, NotMended, mended
from sources.base import Record
from sources.catalog import STREAMS
from sources.replay import files as replay_files

MESSAGES_PER_FILE = 1000


class Exporter:
    """A writer to `directory/STREAM/NNNN.jsonl` that keeps the letters' places and times.

    Raise DeadLetterError if the directory already holds a stream's files, because offsets would occur twice.
    """

    def __init__(self, directory: Path, filter: Filter | None, report: Report) -> None:
        self._directory, self._filter, self._report = directory, filter, report
        self._waiting: dict[str, list[Record]] = {}
        self.written = self.left = 0
        if there := next((one for one in map(directory.joinpath, STREAMS) if one.is_dir()), None):
            raise DeadLetterError(
                f"{there} is there",
                expected="a new directory",
                remedy="another --replay-dir",
            )

    def export(self, letters: Iterable[Letter]) -> None:
        """Write the mended letters and report each that cannot be mended; raise OSError if writing fails."""
        for letter in letters:
            try:
                record = mended(letter, self._filter)
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
