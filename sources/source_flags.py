"""`--source` and every source's own flags, for the front door's commands."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence

from sources.flags import Parser, add_flag
from sources.source import load


def parse(parser: Parser, names: Sequence[str], argv: Sequence[str], default: str) -> Namespace:
    """The options of a command that takes one of the sources `names`.

    Exits with code 2 and one line for an unknown flag, for a flag of a source that was not chosen, and for
    flags that do not go together. A sink of a source's name takes that source's flags too.
    """
    add_flag(parser, "--source", help="the broker", default=default, choices=tuple(names))
    groups = {name: parser.add_argument_group(f"--source {name}") for name in names}
    for name, group in groups.items():
        load(name).add_arguments(group)
    options = parser.parse_args(argv)
    given = {text.partition("=")[0] for text in argv}
    for name, group in groups.items():
        flags = {flag for action in group._group_actions for flag in action.option_strings}
        if name in (options.source, getattr(options, "sink", None)):
            if fault := load(name).flag_fault(options):
                parser.error(fault)
        elif foreign := given & flags:
            parser.error(f"{min(foreign)}: a flag of --source {name}; the source is {options.source}")
    return options


def whole(text: str) -> int:
    """A whole number of at least 1."""
    if not (text.isdecimal() and int(text)):
        raise ArgumentTypeError(f"{text!r}: expected a whole number >= 1")
    return int(text)


def above_zero(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ArgumentTypeError(f"{text!r}: expected a number above 0")
    return number
