"""A user's filter that turns a dead letter's value into an event's: a command or a Python function."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from jobs.laptop.dead_letters.folder import Letter
from jobs.laptop.dead_letters.selection import ID, Selection, letter_id
from sources.base import Record
from sources.flags import flag

Filter = Callable[[bytes], bytes | None]
"""Returns the new value; None leaves the letter as it is. It may raise any exception."""


class NotMended(Exception):
    """The reason a filter produced nothing to send."""


def by_command(text: str) -> Filter:
    """Return the filter that runs a program for each value; raise ArgumentTypeError if there is none."""
    expected = "expected a program that reads the old value from standard input and writes the new one"
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r}: {error}; {expected}") from None
    if not words or not shutil.which(words[0]):
        raise ArgumentTypeError(f"{text!r}: no such program; {expected}")

    def mend(value: bytes) -> bytes:
        ran = subprocess.run(words, input=value, capture_output=True, check=False)
        if ran.returncode:
            said = ran.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise NotMended(f"the filter ended with {ran.returncode}: {said[-1]}")
        return ran.stdout

    return mend


def by_function(text: str) -> Filter:
    """Return the filter that calls a function for each value; raise ArgumentTypeError if there is none."""
    file, _, name = text.rpartition(":")
    if not file.endswith(".py") or not Path(file).is_file():
        raise ArgumentTypeError(f"{text!r}: no such file; expected FILE.py:NAME")
    function = _loaded(file, name)

    def mend(value: bytes) -> bytes | None:
        try:
            new = function(value)
        except Exception as error:  # any exception of the user's function concerns only one letter
            raise NotMended(f"{name} raised {error!r}") from None
        if not isinstance(new, bytes | None):
            raise NotMended(f"{name} returned {type(new).__name__}; expected bytes or None")
        return new

    return mend


def _loaded(file: str, name: str) -> Callable[[bytes], object]:
    module = ModuleType("dead_letters_filter")
    sys.modules[module.__name__] = module  # a dataclass looks its module up there
    try:
        SourceFileLoader(module.__name__, file).exec_module(module)
    except Exception as error:  # a user's file may raise anything
        raise ArgumentTypeError(f"{file}: cannot be imported ({error!r}); expected Python") from None
    function = getattr(module, name, None)
    if not callable(function):
        raise ArgumentTypeError(f"{file}: no function {name!r}; expected FILE.py:NAME")
    return function  # type: ignore[no-any-return]


@dataclass(frozen=True)
class MendOptions(Selection):
    """Which dead letters to take, and how to mend them."""

    id: tuple[str, ...] = flag(f"only these dead letters: {ID}", parse=letter_id, many=True)
    filter: Filter | None = flag(
        "program with its arguments that reads the old value and writes the new one; runs without a shell; "
        "if it fails, the dead letter is skipped and reported",
        parse=by_command,
    )
    function: Filter | None = flag(
        "Python function, FILE.py:NAME, that returns the new value (bytes) for the old one, or None to skip "
        "it",
        parse=by_function,
    )

    @property
    def mend(self) -> Filter | None:
        """Return what mends the letters; None if they are to stay as they are."""
        return self.filter or self.function


def mended(letter: Letter, filter: Filter | None) -> Record | None:
    """Return the letter's message with the filter's new value, or unchanged if there is no filter.

    Return None if the filter leaves the letter or returns the old value, which would be a dead letter again.
    The filter gets an empty value for a message without one. Raise NotMended with the reason if it fails.
    """
    if filter is None:
        return letter.record
    old = letter.record.value or b""
    new = filter(old)
    if new == b"" and old:
        raise NotMended("the filter wrote nothing; expected the new value")
    return None if new is None or new == old else replace(letter.record, value=new)
