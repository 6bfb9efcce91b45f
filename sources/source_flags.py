"""`--source` and each source's own flags, for the commands that take them."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace, _ArgumentGroup
from collections.abc import Mapping, Sequence

from sources.base import load
from sources.flags import Parser, add_flag


def parse(parser: Parser, names: Sequence[str], argv: Sequence[str], default: str) -> Namespace:
    """Return the options of a command that takes one of the sources `names`.

    Exit with code 2 and one line if a flag is unknown, if it belongs to a source that was not chosen, or if
    flags do not go together.
    """
    add_flag(parser, "--source", help="source or broker", default=default, choices=tuple(names))
    flags = add_flags(parser, names)
    options = parser.parse_args(argv)
    if wrong := fault(flags, options, given(argv)):
        parser.error(wrong)
    return options


def add_flags(parser: Parser, names: Sequence[str]) -> dict[str, set[str]]:
    """Add the flags of each of the sources `names`, and return the flags' names by source."""
    return {name: _add_flags(parser.add_argument_group(f"--source {name}"), name) for name in names}


def given(argv: Sequence[str]) -> set[str]:
    """Return the flags among the words of a command line."""
    return {text.partition("=")[0] for text in argv}


def fault(flags: Mapping[str, set[str]], options: Namespace, given: set[str]) -> str | None:
    """Return the first fault in the sources' flags, which `add_flags` gave by source; None if there is none.

    A sink with a source's name takes that source's flags too.
    """
    for name, own in flags.items():
        if name in (options.source, getattr(options, "sink", None)):
            if wrong := load(name).flag_fault(options):
                return wrong
        elif foreign := given & own:
            return f"{min(foreign)}: a flag of --source {name}; the source is {options.source}"
    return None


def _add_flags(group: _ArgumentGroup, name: str) -> set[str]:
    load(name).add_arguments(group)
    return {flag for action in group._group_actions for flag in action.option_strings}


def whole(text: str) -> int:
    """Parse a whole number of at least 1; raise ArgumentTypeError for anything else."""
    if not (text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"{text!r}: expected a whole number >= 1")
    return int(text)


def above_zero(text: str) -> float:
    """Parse a number above 0; raise ArgumentTypeError for anything else."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"{text!r}: expected a number above 0")
    return number
