"""Create the streams' topics and subscriptions that are missing."""

from __future__ import annotations

from collections.abc import Sequence

from sources.base import load, names
from sources.catalog import STREAMS
from sources.flags import Parser
from sources.source_flags import parse


def command(argv: Sequence[str]) -> int:
    """Run `twinstream create`: print what was made, and return 0 once everything exists."""
    options = parse(Parser(prog="twinstream create", description=__doc__), names(), argv, default="kafka")
    made = load(options.source).create(list(STREAMS.values()), options)
    for name in made:
        print(f"made {name}")
    if not made:
        print("nothing to make: all there")
    return 0
