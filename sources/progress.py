"""What a command has done so far, said on standard error."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path

from sources.source import Message


class Progress:
    """Counts messages. One line that changes on a terminal, one line every few seconds elsewhere.

    `alive` is touched when messages have been acknowledged since it was last.
    """

    def __init__(self, verb: str, alive: Path | None = None) -> None:
        self._verb, self._alive = verb, alive
        self._alive_at = 0
        self._started = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self.count = 0
        self.acknowledged = 0
        self.failures: Counter[str] = Counter()

    def add(self, number: int) -> None:
        """Count `number` messages, and show it when it is time."""
        self.count += number
        self.show()

    def acknowledge(self, message: Message, failure: Exception | None) -> None:
        """Count what a publisher says of one message."""
        if failure is None:
            self.acknowledged += 1
        else:
            self.failures[f"{message.stream}: {failure}"] += 1

    def show(self) -> None:
        """Say how far it is, no more often than a person or a log wants to read it."""
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
        """Say the final counts on standard output, and each reason of a failure on standard error."""
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        print(", ".join([self._counted(), *more]))
        for reason, times in self.failures.most_common():
            print(f"failed {times:,} times: {reason}", file=sys.stderr)

    def acknowledgements(self) -> str:
        """How many were stored for good, and how many not."""
        return f"{self.acknowledged:,} acknowledged, {self.failures.total():,} failed"

    def _counted(self) -> str:
        return f"{self.count:,} {self._verb}"
