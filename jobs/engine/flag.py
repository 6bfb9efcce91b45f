"""The flags of a job, whose values are validated before anything starts."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError, _ActionsContainer
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sources.flags import add_flag

_UNITS = {"millisecond": 1, "second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
_DURATION = re.compile(rf"(\d+) ({'|'.join(_UNITS)})s?")


def to_timedelta(duration: str) -> timedelta:
    """Return the length of a duration such as `10 minutes`; raise ValueError for any other text."""
    if not (match := _DURATION.fullmatch(duration.strip())):
        raise ValueError(f"{duration!r}: expected a number and a unit, like '30 seconds' or '10 minutes'")
    return timedelta(milliseconds=int(match[1]) * _UNITS[match[2]])


def duration(text: str) -> str:
    """Validate a duration above zero and return it as Spark takes it."""
    try:
        length = to_timedelta(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    if not length:
        raise ArgumentTypeError(f"{text!r}: expected more than nothing, like '30 seconds'")
    return text.strip()


def count(text: str) -> int:
    """Parse a whole number of at least one."""
    if not (text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"{text!r}: expected a whole number of at least 1")
    return int(text)


@dataclass(frozen=True)
class Flag:
    """A command-line flag; `shapes_state` if an old checkpoint does not fit another value."""

    name: str
    default: str | None
    help: str
    type: Callable[[str], Any] = str
    choices: tuple[str, ...] | None = None
    shapes_state: bool = True

    @staticmethod
    def window(default: str) -> Flag:
        """Return `--window`, the length of a window."""
        return Flag.duration("--window", default, "length of each window")

    @staticmethod
    def duration(name: str, default: str, help: str) -> Flag:
        """Return a flag that takes a duration such as `10 minutes`."""
        return Flag(name, default, help, duration)

    @staticmethod
    def count(name: str, default: str, help: str) -> Flag:
        """Return a flag that takes a whole number of at least one."""
        return Flag(name, default, help, count)

    @staticmethod
    def choice(name: str, default: str, choices: tuple[str, ...], help: str) -> Flag:
        """Return a flag that takes one of `choices`."""
        return Flag(name, default, help, choices=choices)

    @property
    def dest(self) -> str:
        """Return the flag's name among the parsed options."""
        return self.name.removeprefix("--").replace("-", "_")

    def add_to(self, group: _ActionsContainer) -> None:
        """Add the flag to a parser or group."""
        add_flag(group, self.name, help=self.help, default=self.default, type=self.type, choices=self.choices)
