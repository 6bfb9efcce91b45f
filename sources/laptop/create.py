"""Create the streams' topics and subscriptions that are missing."""

from __future__ import annotations

from collections.abc import Sequence

from sources.base import parse
from sources.catalog import STREAMS
from sources.flags import Parser


def command(argv: Sequence[str]) -> int:
    """Run `twinstream create`: print what was made, and return 0 once everything exists."""
    _, source = parse(Parser(prog="twinstream create", description=__doc__), argv, default="kafka")
    made = source.it.create(list(STREAMS.values()), source.options)
    for name in made:
        print(f"made {name}")
    if not made:
        print("nothing to make: all there")
    return 0
