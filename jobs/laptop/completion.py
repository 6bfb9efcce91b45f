"""The shell's completion of `twinstream`, by argcomplete: commands, jobs, flags and their values.

A shell asks for it by running the program with the line so far in its environment
(https://kislyuk.github.io/argcomplete/).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from typing import Any

from jobs.laptop.commands import modules

_STARTS_AT = "_ARGCOMPLETE"
"""The variable that says at which word, counted from 1, the line of the parser begins."""
OF_A_JOB = ("run", "plan", "submit", "cutover")
OF_DEAD_LETTERS = ("list", "show", "export", "resend")


def is_asked_for() -> bool:
    """Return whether the shell has run the program to complete a line."""
    return _STARTS_AT in os.environ


def answer(commands: Mapping[str, Callable[[list[str]], int]]) -> int:
    """Tell the shell what the line may continue with, and end the process; nothing without argcomplete."""
    try:
        from argcomplete.lexers import split_line
    except ImportError:
        return 1
    *_, words, _ = split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))
    name = words[1] if len(words) > 1 else ""
    names = {"dead-letters": OF_DEAD_LETTERS, **dict.fromkeys(OF_A_JOB, tuple(modules()))}.get(name, ())
    if name not in commands:
        _complete(_one_of(commands))
    if names and len(words) < 3:
        _starting_at(2)
        _complete(_one_of(names))
    # The command makes its parser, which answers instead of parsing.
    argparse.ArgumentParser.parse_known_args = _answered  # type: ignore[assignment,method-assign]
    _starting_at(3 if names else 2)
    return commands[name](words[2:])


def _one_of(names: Any) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("name", choices=list(names))
    return parser


def _answered(parser: argparse.ArgumentParser, *_: object) -> None:
    argparse.ArgumentParser.parse_known_args = _PARSE  # type: ignore[method-assign]
    _complete(parser)


_PARSE = argparse.ArgumentParser.parse_known_args


def _starting_at(word: int) -> None:
    os.environ[_STARTS_AT] = str(word)


def _complete(parser: argparse.ArgumentParser) -> None:
    import argcomplete

    argcomplete.autocomplete(parser, always_complete_options="long")
