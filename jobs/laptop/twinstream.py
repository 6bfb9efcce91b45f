"""`twinstream COMMAND`: every command of the product."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module

from jobs.laptop import commands as jobs
from jobs.laptop import completion
from sources.flags import Parser, nearest
from sources.laptop import commands as sources

EMULATORS = {
    "lite": ("pubsublite_emulator", "serve|env", "the Pub/Sub Lite emulator, and how clients reach it"),
    "dataproc": ("dataproc_emulator", "serve|env|install", "the local Dataproc, and how gcloud reaches it"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 if it did what it was asked, 2 if it was not understood."""
    if completion.is_asked_for():
        return completion.answer(_commands())
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or [""]
    if name in ("", "-h", "--help"):
        print(usage(), file=sys.stdout if name else sys.stderr)
        return 0 if name else 2
    known = _commands()
    if name not in known:
        Parser(prog="twinstream").error(f"{name}: no such command{nearest(name, known)}")
    return known[name](rest)


def usage() -> str:
    """Return the usage text, with a line about each command."""
    abouts = {
        **{f"{name} {one.arguments}".strip(): one.about for name, one in jobs.COMMANDS.items()},
        **{name: about for name, (_, about) in sources.COMMANDS.items()},
        **{f"{name} {arguments}": about for name, (_, arguments, about) in EMULATORS.items()},
    }
    lines = [f"  {words:<22} {about}" for words, about in abouts.items()]
    return "\n".join(["usage: twinstream COMMAND ...", "", *lines, "", "Each has --help."])


def _commands() -> dict[str, Callable[[list[str]], int]]:
    return {
        **{name: one.run for name, one in jobs.COMMANDS.items()},
        **{name: partial(_of_the_sources, name) for name in sources.COMMANDS},
        **{name: partial(_of_an_emulator, package) for name, (package, *_) in EMULATORS.items()},
    }


def _of_the_sources(name: str, arguments: list[str]) -> int:
    return sources.main([name, *arguments])


def _of_an_emulator(package: str, arguments: list[str]) -> int:
    return int(import_module(f"{package}.__main__").main(arguments))
