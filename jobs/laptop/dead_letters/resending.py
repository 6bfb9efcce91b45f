"""Resending of dead letters to their stream, each once, however often it is called.

A message is recorded in the ledger after the broker has acknowledged it. Messages that are acknowledged but
not yet recorded when the process or the machine dies are sent again by the next call, and so is a message
whose acknowledgment was lost: the jobs count an `event_id` that is repeated within the watermark only once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import partial

from jobs.laptop.dead_letters.folder import Letter, Report
from jobs.laptop.dead_letters.ledger import Identity, Ledger, identity
from jobs.laptop.dead_letters.mending import Filter, NotMended, mended
from sources.base import Message, Publisher, Record

AT_ONCE = 500
"""Letters that are sent before they are recorded: the most that are sent again after a crash."""


@dataclass
class Sent:
    """The numbers of letters sent now, sent by an earlier call, left by the filter, and not sendable."""

    sent: int = 0
    before: int = 0
    left: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return (
            f"{self.sent:,} sent, {self.before:,} sent before, {self.left:,} left by the filter, "
            f"{self.failed:,} failed"
        )


class Resender:
    """A sender of letters by a publisher; `report` gets a line for each that could not be mended or sent."""

    def __init__(self, publisher: Publisher, ledger: Ledger, filter: Filter | None, report: Report) -> None:
        self._publisher, self._ledger, self._filter, self._report = publisher, ledger, filter, report
        self._waiting: dict[Identity, tuple[Letter, Message]] = {}
        self._acknowledged: list[Letter] = []
        self.counts = Sent()

    def send(self, letters: Iterable[Letter], stop: Callable[[], bool]) -> None:
        """Send the letters not yet sent; after `stop`, only those already mended.

        Raise SourceError, or DeadLetterError if the ledger cannot be written.
        """
        for letter in letters:
            if letter in self._ledger or identity(letter) in self._waiting:
                self.counts.before += 1
                continue
            message = self._message(letter, stop)
            if stop():
                break
            if message:
                self._waiting[identity(letter)] = letter, message
            if len(self._waiting) == AT_ONCE:
                self._send_waiting()
        self._send_waiting()

    def _message(self, letter: Letter, stop: Callable[[], bool]) -> Message | None:
        try:
            record = mended(letter, self._filter)
        except NotMended as why:
            if not stop():  # Ctrl-C ends the filter's program too
                self._fail(letter, str(why))
            return None
        self.counts.left += record is None
        return record and _message(record)

    def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        try:
            try:
                for letter, message in waiting.values():
                    self._publisher.publish([message], partial(self._settle, letter))
            finally:
                self._publisher.flush()
        finally:
            noted, self._acknowledged = self._acknowledged, []
            self._ledger.add(noted)

    def _settle(self, letter: Letter, _: Message, failure: Exception | None) -> None:
        if failure is not None:
            return self._fail(letter, str(failure))
        self.counts.sent += 1
        self._acknowledged.append(letter)
        return None

    def _fail(self, letter: Letter, why: str) -> None:
        self.counts.failed += 1
        self._report(f"{letter.id}: not sent: {why}")


def _message(record: Record) -> Message:
    """Return the record as a publisher takes it: without its place and time at the broker."""
    return Message(**{field.name: getattr(record, field.name) for field in fields(Message)})
