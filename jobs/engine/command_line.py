"""The jobs' command line: the same in a shell, in a container, under spark-submit and on Dataproc."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError, Namespace, _ArgumentGroup
from collections.abc import Sequence

from jobs.engine import sink as sinks
from jobs.engine.dead_letter_retention import UNLIMITED, retention
from jobs.engine.flag import Flag
from jobs.engine.job import Job
from sources import base as sources
from sources import instants, source_flags
from sources.flags import Parser, add_flag, duration, to_timedelta

AVAILABLE_NOW, CONTINUOUS = "available-now", "continuous-batches"


def trigger(text: str) -> str:
    """Validate a trigger: `available-now`, `continuous-batches` or the duration between two batches."""
    if text in (AVAILABLE_NOW, CONTINUOUS):
        return text
    try:
        return duration(text)
    except ArgumentTypeError:
        expected = f"{AVAILABLE_NOW}, {CONTINUOUS} or a time between batches like '5 seconds'"
        raise ArgumentTypeError(f"{text!r}: expected {expected}") from None


WATERMARK = Flag.duration(
    "--watermark", "10 seconds", "how late an event may arrive, relative to the newest one seen"
)
OUTPUT_MODE = Flag.choice(
    "--output-mode",
    "append",
    ("append", "update"),
    "append: write final windows; update: write running totals, which replace earlier ones",
)
WINDOWS_AFTER = Flag(
    "--windows-after",
    None,
    "write only windows that end after this time, such as 2026-01-01T12:00:00Z, if a run on another source"
    " has written the earlier ones (see `cutover`)",
    instants.flag,
)
RUNTIME_FLAGS = (
    WATERMARK,
    OUTPUT_MODE,
    Flag("--checkpoint-root", ".checkpoints", "directory of all checkpoints"),
    Flag(
        "--dead-letter-dir",
        None,
        "directory for dead letters (default: inside the checkpoint)",
    ),
    Flag(
        "--dead-letter-retention",
        "30 days",
        f"how long to keep dead letters, or {UNLIMITED}",
        retention,
    ),
    Flag(
        "--progress-dir",
        None,
        "directory for JOB.jsonl, one line of JSON per batch, for dashboards and health checks",
    ),
    Flag(
        "--trigger",
        None,
        f"when to run a batch: {AVAILABLE_NOW} (read what is there, then exit), {CONTINUOUS} (as soon as"
        f" there is input) or an interval such as '5 seconds' (default: {AVAILABLE_NOW} for replay, otherwise"
        f" {CONTINUOUS})",
        trigger,
    ),
    WINDOWS_AFTER,
    Flag.duration(
        "--max-future-skew",
        "10 minutes",
        "reject events stamped more than this far ahead of their publish time",
    ),
)


def parse(job: Job, arguments: Sequence[str] | None) -> Namespace:
    """Return the options of a run.

    Exit with code 2 and a one-line message if they cannot be run.
    """
    parser = Parser(prog=job.name)
    own = parser.add_argument_group("the job")
    for flag in (*job.flags, *(table.flag for table in job.tables if table.flag not in job.flags)):
        flag.add_to(own)
    _add_runtime_flags(parser.add_argument_group("running"))
    flags = source_flags.add_flags(parser, sources.names())
    _add_sink_flags(parser.add_argument_group("sinks"))
    options = parser.parse_args(arguments)
    given = source_flags.given(sys.argv[1:] if arguments is None else arguments)
    if fault := source_flags.fault(flags, options, given) or _foreign_sink_flag(options, given):
        parser.error(fault)
    if options.output_mode == "update" and (why := _why_append_only(job, options)):
        parser.error(f"--output-mode update: {why}; expected append")
    if options.trigger is None:
        options.trigger = AVAILABLE_NOW if sources.load(options.source).BOUNDED else CONTINUOUS
    options.max_future_skew = to_timedelta(options.max_future_skew)
    return options


def jar_sets(options: Namespace) -> tuple[str, ...]:
    """Return the jar sets beyond Spark's own that the source, the sink and their flags need, each once."""
    source, sink = sources.load(options.source), sinks.load(options.sink)
    return tuple(dict.fromkeys((*source.jars(options), *sink.jars(options))))


def state_settings(job: Job, options: Namespace) -> dict[str, str]:
    """Return the settings, by flag, that every later run on the same checkpoint must repeat."""
    flags = (*job.flags, WATERMARK, OUTPUT_MODE)
    settings = {flag.name: str(getattr(options, flag.dest)) for flag in flags if flag.shapes_state}
    # Left out if not given, so that checkpoints older than this flag can be continued.
    if options.windows_after:
        settings[WINDOWS_AFTER.name] = instants.text(options.windows_after)
    return settings


def _why_append_only(job: Job, options: Namespace) -> str:
    only_appends = "" if sinks.load(options.sink).UPSERTS else f"--sink {options.sink} cannot replace a row"
    return job.append_only(options) or only_appends


def _add_runtime_flags(group: _ArgumentGroup) -> None:
    for flag in RUNTIME_FLAGS:
        flag.add_to(group)
    for name, default, known, help in (
        ("--source", "replay", sources.names(), "source of the events"),
        ("--sink", "console", sinks.names(), "destination of the results"),
    ):
        add_flag(group, name, help=help, default=default, choices=tuple(known))


def _add_sink_flags(group: _ArgumentGroup) -> None:
    for flag in {flag.name: flag for name in sinks.names() for flag in sinks.load(name).FLAGS}.values():
        flag.add_to(group)


def _foreign_sink_flag(options: Namespace, given: set[str]) -> str | None:
    for name in sinks.names():
        accepted = {flag.name for flag in sinks.load(options.sink).FLAGS}
        if foreign := given & {flag.name for flag in sinks.load(name).FLAGS} - accepted:
            return f"{min(foreign)}: a flag of --sink {name}; the sink is {options.sink}"
    return None
