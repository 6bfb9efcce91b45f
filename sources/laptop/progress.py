"""A command's progress, shown on standard error."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from sources.base import Message


class Progress:
    """A counter of messages, shown as one changing line on a terminal, elsewhere as a line every few seconds.

    The file `alive` is touched if messages have been acknowledged since it was last touched.
    """

    def __init__(self, verb: str, alive: Path | None = None) -> None:
        self._verb, self._alive = verb, alive
        self._alive_at = 0
        self._started = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self.count = 0
        self.acknowledged = 0
        self.failures: Counter[str] = Counter()
        self._examples: dict[str, Exception] = {}

    def add(self, number: int) -> None:
        """Count `number` messages, and show the progress if it is due."""
        self.count += number
        self.show()

    def acknowledge(self, message: Message, failure: Exception | None) -> None:
        """Count one message as acknowledged, or as failed for the reason given."""
        if failure is None:
            self.acknowledged += 1
        else:
            kind = f"{message.stream}: {type(failure).__name__}"
            self.failures[kind] += 1
            self._examples.setdefault(kind, failure)

    def show(self) -> None:
        """Show the progress, no more often than a reader or a log needs it."""
        if self._alive and self.acknowledged > self._alive_at:
            self._alive_at = self.acknowledged
            self._alive.touch()
        now = time.monotonic()
        if now - self._shown < (0.2 if self._terminal else 5):
            return
        self._shown = now
        line = f"{self._counted()} ({self.count / (now - self._started):,.0f}/s)"
        start, end = ("\r", "\033[K") if self._terminal else ("", "\n")
        print(start, line, sep="", end=end, file=sys.stderr, flush=True)

    def finish(self, *more: str) -> None:
        """Print the final counts on standard output, and each kind of failure on standard error."""
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        print(", ".join([self._counted(), *more]))
        for kind, times in self.failures.most_common():
            print(f"failed {times:,} times: {kind}, such as: {self._examples[kind]}", file=sys.stderr)

    def acknowledgements(self) -> str:
        """Return how many messages were stored for good, and how many failed."""
        return f"{self.acknowledged:,} acknowledged, {self.failures.total():,} failed"

    def _counted(self) -> str:
        return f"{self.count:,} {self._verb}"
