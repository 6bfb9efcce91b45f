"""The flags of a job, whose values are validated before anything starts."""

from __future__ import annotations

from argparse import _ActionsContainer
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sources.flags import add_flag, count, duration


@dataclass(frozen=True)
class Flag:
    """A command-line flag.

    `shapes_state`: an old checkpoint does not fit another value. `example`: what a plan suggests if the flag
    is missing; `{root}` stands for a folder in the bucket, `{job}` for the job's name.
    """

    name: str
    default: str | None
    help: str
    type: Callable[[str], Any] = str
    choices: tuple[str, ...] | None = None
    shapes_state: bool = True
    example: str = ""

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
