"""The sources' commands: `python -m sources COMMAND`, and `twinstream COMMAND`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from sources.base import SourceError

COMMANDS = {
    "publish": ("sources.laptop.publish", "publish a scenario's events"),
    "record": ("sources.laptop.record", "record a live stream as replay files"),
    "create": ("sources.laptop.create", "create the streams' topics and subscriptions"),
    "bundle": ("sources.laptop.bundle", "regenerate the bundled events"),
}


def usage() -> str:
    """Return the usage text, with a line about each command."""
    lines = [f"  {name:<8} {about}" for name, (_, about) in COMMANDS.items()]
    return "\n".join(["usage: python -m sources COMMAND [--help] ...", "", *lines])


def main(argv: Sequence[str]) -> int:
    """Run a command and return its exit code; every code but 0 comes with the reason on standard error.

    0: done; 1: failed; 2: not understood; 130: interrupted.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(usage(), file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        expected = ", ".join(COMMANDS)
        print(f"twinstream: no command {argv[0]!r}; expected one of {expected}", file=sys.stderr)
        return 2
    module = importlib.import_module(COMMANDS[argv[0]][0])
    try:
        return int(module.command(argv[1:]))
    except SourceError as error:
        print(f"twinstream {argv[0]}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"twinstream {argv[0]}: interrupted", file=sys.stderr)
        return 130
