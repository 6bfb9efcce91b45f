"""`twinstream dead-letters`: the messages that the jobs rejected; USAGE lists the commands."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.engine.terminal import printable
from jobs.laptop.dead_letters import ledger, selection, showing
from jobs.laptop.dead_letters.exporting import Exporter
from jobs.laptop.dead_letters.mending import MendOptions
from jobs.laptop.dead_letters.resending import Resender
from jobs.laptop.dead_letters.selection import ID, Selection, letter_id
from sources.base import parse
from sources.fault import Fault
from sources.flags import Parser, argument, flag, flags
from sources.laptop.signals import stopping

PROGRAM = "twinstream dead-letters"
USAGE = f"""usage: {PROGRAM} COMMAND [--help] ...

  list    how many there are, by job, source and reason, with the newest as an example
  show    one whole: its place, times, key, attributes, reason and value
  export  write them as replay files, mended by a filter
  resend  send them to their stream again, mended by a filter, each once"""


class Reports:
    """A callable that prints each failure as one line on standard error and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, line: str) -> None:
        """Print and count a line."""
        self.count += 1
        print(printable(line), file=sys.stderr, flush=True)

    @property
    def exit_code(self) -> int:
        """Return 0 if nothing was reported, otherwise 1."""
        return 1 if self.count else 0


def command(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code.

    0: done. 1: something could not be read or sent. 130: interrupted. Codes 1 and 130 come with a message.
    Exit with code 2 if the command line is wrong.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in COMMANDS:
        print(f"{PROGRAM}: no command {name!r}; expected one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        return COMMANDS[name](rest)
    except (Fault, OSError) as fault:
        print(f"{PROGRAM} {name}: {printable(str(fault))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{PROGRAM} {name}: interrupted", file=sys.stderr)
        return 130


@dataclass(frozen=True)
class ShowOptions(Selection):
    """Which dead letters to show."""

    id: tuple[str, ...] = argument(ID, parse=letter_id, many=True)


@dataclass(frozen=True)
class ExportOptions(MendOptions):
    """Which dead letters to write, how to mend them, and where to."""

    replay_dir: Path = flag("directory to write to; created if missing", parse=Path, required=True)


def list_letters(arguments: Sequence[str]) -> int:
    """Print a table of the dead letters."""
    parsed = _parser("list", "Count dead letters by job, source and reason.", Selection).parse(arguments)
    options, report = parsed.of(Selection), Reports()
    lines = showing.table(selection.selected(options, report))
    print("\n".join(lines or [f"no dead letters in {selection.folder(options).path}"]))
    return report.exit_code


def show(arguments: Sequence[str]) -> int:
    """Print whole letters; one that several jobs have kept is printed once per job."""
    parsed = _parser("show", "Show dead letters whole.", ShowOptions).parse(arguments)
    options, report = parsed.of(ShowOptions), Reports()
    for at, letter in enumerate(selection.selected(options, report, options.id)):
        print("\n".join(["", *showing.whole(letter)][not at :]))
    return report.exit_code


def export(arguments: Sequence[str]) -> int:
    """Write letters as replay files."""
    about = "Write dead letters as replay files, which `--source replay` reads."
    parser = _parser("export", about, ExportOptions)
    options, report = parser.parse(arguments).of(ExportOptions), Reports()
    _refuse_two_filters(parser, options)
    exporter = Exporter(options.replay_dir, options.mend, report)
    exporter.export(selection.selected(options, report, options.id))
    print(f"{exporter.written:,} written to {options.replay_dir}, {exporter.left:,} left by the filter")
    return report.exit_code


def resend(arguments: Sequence[str]) -> int:
    """Send letters to the stream, at the source, that they came from."""
    about = (
        "Send the dead letters of --source to their stream again, with key, attributes and event time as "
        f"they were, each once: {ledger.NAME}, beside them, keeps which were sent."
    )
    parser = _parser("resend", about, MendOptions)
    parsed, source = parse(parser, arguments, default="kafka")
    options, report = parsed.of(MendOptions), Reports()
    _refuse_two_filters(parser, options)
    letters = selection.selected(options, report, options.id, source.name)
    with ledger.opened(selection.folder(options).path) as sent, stopping() as stop:
        publisher = source.it.publisher(source.options)
        resender = Resender(publisher, sent, options.mend, report)
        try:
            resender.send(letters, stop)
        finally:
            publisher.close()
            print(resender.counts)
        stopped = stop()
    if stopped:
        raise KeyboardInterrupt
    return report.exit_code


def _parser(name: str, about: str, declared: type) -> Parser:
    parser = Parser(prog=f"{PROGRAM} {name}", description=about)
    parser.accept(flags(declared))
    return parser


def _refuse_two_filters(parser: Parser, options: MendOptions) -> None:
    if options.filter and options.function:
        parser.error("--function: given with --filter; expected one of them")


COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "list": list_letters,
    "show": show,
    "export": export,
    "resend": resend,
}
