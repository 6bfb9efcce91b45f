"""python -m sources COMMAND: publish, record, create, bundle; each has --help."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence

from sources.source import SourceError

COMMANDS = {
    "publish": ("sources.publishing", "publish a scenario's events"),
    "record": ("sources.recording", "record a live stream as replay files"),
    "create": ("sources.creating", "make the streams' topics"),
    "bundle": ("sources.bundling", "make the bundled events anew"),
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
        print(f"python -m sources: no command {argv[0]!r}; expected one of {expected}", file=sys.stderr)
        return 2
    module = importlib.import_module(COMMANDS[argv[0]][0])
    try:
        return int(module.command(argv[1:]))
    except SourceError as error:
        print(f"python -m sources {argv[0]}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"python -m sources {argv[0]}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopping a container then ends like Ctrl-C
    sys.exit(main(sys.argv[1:]))
