"""Command-line flags, each of which can take its default from an environment variable named in `--help`."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, NoReturn

PREFIX = "TWINSTREAM_"
_UNITS = {"millisecond": 1, "second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
_DURATION = re.compile(rf"(\d+) ({'|'.join(_UNITS)})s?")


class Parser(argparse.ArgumentParser):
    """An argument parser that takes no abbreviations and reports errors in one line, with exit code 2."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(allow_abbrev=False, **keywords)

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Return the options; for an unknown argument, exit with code 2 and name the flag most like it."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            like = nearest(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{like}")
        return options

    def error(self, message: str) -> NoReturn:
        """Print the message in one line and exit with code 2."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the known word that is most like this one; "" if none is."""
    like = get_close_matches(word, list(known), 1)
    return f"; did you mean {like[0]}?" if like else ""


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
        raise argparse.ArgumentTypeError(str(error)) from None
    if not length:
        raise argparse.ArgumentTypeError(f"{text!r}: expected more than nothing, like '30 seconds'")
    return text.strip()


def count(text: str) -> int:
    """Parse a whole number of at least one."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number of at least 1")
    return int(text)


def variable(flag: str) -> str:
    """Return the environment variable that holds a flag's default: TWINSTREAM_SINK_PATH for `--sink-path`."""
    return PREFIX + flag.removeprefix("--").replace("-", "_").upper()


def add_flag(
    group: argparse._ActionsContainer,
    flag: str,
    *,
    help: str,
    default: str | None = None,
    type: Callable[[str], Any] = str,
    choices: tuple[str, ...] | None = None,
    formerly: str | None = None,
) -> None:
    """Add `flag` to `group`; its default comes from the environment, otherwise it is `default`.

    `formerly` is the flag's old name, which keeps working on the command line, with a notice, and in the
    environment.

    `type` converts the text to the value, for defaults as well, and raises argparse.ArgumentTypeError for bad
    text, naming the value and what was expected.
    """
    name = variable(flag)
    shown = f"default: {default}; " if default is not None else ""
    old_text = os.environ.get(variable(formerly)) if formerly else None
    text = os.environ.get(name) or old_text or default
    if text is not None and choices and text not in choices:
        raise SystemExit(f"{name}={text!r}: expected one of {', '.join(choices)}")
    told = f"{help.replace('%', '%%')} ({shown}env {name})"
    names = (flag, formerly) if formerly else (flag,)
    group.add_argument(*names, action=_Store, type=type, choices=choices, default=text, help=told)


class _Store(argparse.Action):
    """An action that stores the value, and prints the flag's current name if its old one was used."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        name = self.option_strings[0]
        if option_string not in (None, name):
            print(f"{parser.prog}: {option_string} is called {name} now", file=sys.stderr)
        setattr(namespace, self.dest, values)
