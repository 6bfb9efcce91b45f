"""The commands of a deployment, as users copy them and as `submit` runs them."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

JOB_ID = "JOB_ID"
_WIDTH = 110


@dataclass(frozen=True)
class Step:
    """A command and its purpose; it is not run if `unless` succeeds, because its result is already there.

    `names_job`: its output is the submitted job's id, which later commands take as `$JOB_ID`.
    """

    purpose: str
    command: tuple[str, ...]
    unless: tuple[str, ...] = ()
    names_job: bool = False

    @property
    def shell(self) -> str:
        """Return the command for a POSIX shell, in lines of readable length."""
        line = _wrapped(quoted(word) for word in self.command)
        return f"{JOB_ID}=$({line})" if self.names_job else line

    @property
    def lines(self) -> list[str]:
        """Return the purpose as comments, followed by the command."""
        purpose = textwrap.wrap(
            self.purpose, 100, initial_indent="# - ", subsequent_indent="#   ", break_on_hyphens=False
        )
        return [*purpose, self.shell]


@dataclass(frozen=True)
class Section:
    """Steps that belong together; `switch`: the flag that makes `submit` run them, '' for always.

    `by_hand`: they are to be run by hand, at some later time.
    """

    title: str
    steps: tuple[Step, ...]
    switch: str = ""
    by_hand: bool = False


def quoted(word: str) -> str:
    """Return a word for a POSIX shell; a flag stays readable, because only its value is quoted."""
    if word == f"${JOB_ID}":
        return f'"{word}"'
    flag, equals, value = word.partition("=")
    named = equals and flag.startswith("--") and shlex.quote(flag) == flag
    return f"{flag}={shlex.quote(value)}" if named else shlex.quote(word)


def _wrapped(words: Iterable[str]) -> str:
    lines: list[str] = []
    line = ""
    for word in words:
        if line and len(line) + len(word) > _WIDTH:
            lines, line = [*lines, line], "   "
        line = f"{line} {word}" if line else word
    return " \\\n".join([*lines, line])
