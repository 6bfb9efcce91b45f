"""Command-line flags: every one may take its default from an environment variable that `--help` names."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

PREFIX = "TWINSTREAM_"


class Parser(argparse.ArgumentParser):
    """An argument parser that takes no abbreviations and says what is wrong in one line, with exit code 2."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(allow_abbrev=False, **keywords)

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 and one line."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def variable(flag: str) -> str:
    """The environment variable that holds a flag's default: `--sink-path` is TWINSTREAM_SINK_PATH."""
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
    """Add `flag` to `group`; its default is the environment's, else `default`.

    `formerly`: the flag's old name, which keeps working on the command line, with a notice, and in the
    environment.

    `type` turns the text into the value and raises argparse.ArgumentTypeError, naming the value and what was
    expected, for bad text; it is applied to defaults as well.
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
    """Keep the value, and say the flag's present name if it was given by its old one."""

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
