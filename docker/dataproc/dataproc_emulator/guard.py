"""A program that kills what a process has started when that process ends, however it ends.

Each line on standard input is ``+GROUP`` or ``-GROUP``: a process group to watch, or one that has ended. When
the input ends, all remaining groups are killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def main() -> None:
    """Read until the other end of the pipe is closed, then kill the remaining groups."""
    groups: set[int] = set()
    for line in sys.stdin:
        change = groups.add if line.startswith("+") else groups.discard
        change(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
