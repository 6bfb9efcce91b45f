"""The command line of a run: the same in a shell, in a container, under spark-submit and on Dataproc."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from jobs.engine import cloud_storage
from jobs.engine import sink as sinks
from jobs.engine.checkpoint import path_of
from jobs.engine.dead_letter_retention import UNLIMITED, retention
from jobs.engine.job import Job
from jobs.engine.sink import Sink
from sources import base as sources
from sources import choice, instants
from sources.base import Source
from sources.catalog import Stream
from sources.choice import Chosen
from sources.durations import duration, length
from sources.flags import Parser, flag, flags, variable

AVAILABLE_NOW, CONTINUOUS = "available-now", "continuous-batches"
CHOICES = frozenset(map(variable, ("--source", "--sink")))


def trigger(text: str) -> str:
    """Validate a trigger: `available-now`, `continuous-batches` or the duration between two batches."""
    if text in (AVAILABLE_NOW, CONTINUOUS):
        return text
    try:
        return duration(text)
    except ArgumentTypeError:
        expected = f"{AVAILABLE_NOW}, {CONTINUOUS} or a time between batches like '5 seconds'"
        raise ArgumentTypeError(f"{text!r}: expected {expected}") from None


@dataclass(frozen=True)
class RunOptions:
    """The options of every run, whatever the job, the source and the sink."""

    watermark: str = flag(
        "how late an event may arrive, relative to the newest one seen", default="10 seconds", parse=duration
    )
    output_mode: str = flag(
        "append: write final windows; update: write running totals, which replace earlier ones",
        default="append",
        choices=("append", "update"),
    )
    checkpoint_root: str = flag("directory of all checkpoints", default=".checkpoints")
    dead_letter_dir: str | None = flag("directory for dead letters (default: inside the checkpoint)")
    dead_letter_retention: str = flag(
        f"how long to keep dead letters, or {UNLIMITED}", default="30 days", parse=retention
    )
    progress_dir: str | None = flag(
        "directory for JOB.jsonl, one line of JSON per batch, for dashboards and health checks"
    )
    trigger: str | None = flag(
        f"when to run a batch: {AVAILABLE_NOW} (read what is there, then exit), {CONTINUOUS} (as soon as"
        f" there is input) or an interval such as '5 seconds' (default: {AVAILABLE_NOW} for replay, otherwise"
        f" {CONTINUOUS})",
        parse=trigger,
    )
    windows_after: datetime | None = flag(
        "write only windows that end after this time, such as 2026-01-01T12:00:00Z, if a run on another "
        "source has written the earlier ones (see `cutover`)",
        parse=instants.flag,
    )
    max_future_skew: timedelta = flag(
        "reject events stamped more than this far ahead of their publish time",
        default="10 minutes",
        parse=length,
    )


@dataclass(frozen=True)
class Invocation:
    """A job with everything that its command line says.

    `options`: those of every run. `own`: the job's. `files`: the static tables' paths, by flag.
    """

    job: Job[Any]
    options: RunOptions
    own: Any
    source: Chosen[Source]
    sink: Chosen[Sink]
    files: Mapping[str, str]

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Return the streams that the job reads."""
        return self.job.streams(self.own)

    @property
    def trigger(self) -> str:
        """Return when a batch runs: by default as often as there is input, or once over all that there is."""
        return self.options.trigger or (AVAILABLE_NOW if self.source.it.BOUNDED else CONTINUOUS)

    @property
    def upsert(self) -> bool:
        """Return whether a later row replaces an earlier one with the same key."""
        return self.options.output_mode == "update"

    @property
    def checkpoint(self) -> str:
        """Return the folder of the run's checkpoint."""
        return path_of(self.options.checkpoint_root, self.job.name, self.source.name)

    @property
    def jar_sets(self) -> tuple[str, ...]:
        """Return the jar sets beyond Spark's own that the source, the sink and the paths need, each once."""
        given = (self.options, self.own, self.source.options, self.sink.options)
        values = [getattr(one, field.name) for one in given for field in fields(one)]
        return (*jar_sets(self.source, self.sink), *cloud_storage.jar_sets([*values, *self.files.values()]))

    @property
    def variables(self) -> frozenset[str]:
        """Return the environment variables that give defaults to the flags that apply."""
        classes = (RunOptions, self.job.options, self.source.it.OPTIONS, self.sink.it.OPTIONS)
        every = [one for declared in classes for one in flags(declared)]
        every += [table.flag for table in self.job.tables]
        return frozenset(name for one in every for name in one.variables) | CHOICES

    @property
    def state_settings(self) -> dict[str, str]:
        """Return the settings, by flag, that every later run on the same checkpoint must repeat."""
        of_state = {
            one.name: getattr(self.own, one.dest) for one in flags(self.job.options) if one.shapes_state
        }
        of_state |= {"--watermark": self.options.watermark, "--output-mode": self.options.output_mode}
        # Left out if not given, so that checkpoints older than this flag can be continued.
        if self.options.windows_after:
            of_state["--windows-after"] = instants.text(self.options.windows_after)
        return {name: str(value) for name, value in of_state.items()}


def jar_sets(source: Chosen[Source], sink: Chosen[Sink]) -> tuple[str, ...]:
    """Return the jar sets beyond Spark's own that the two need, each once."""
    return tuple(dict.fromkeys((*source.it.jars(source.options), *sink.it.jars(sink.options))))


def parse(job: Job[Any], arguments: Sequence[str] | None) -> Invocation:
    """Return what a job's command line says; exit with code 2 and one line if it cannot be run."""
    parser = Parser(prog=job.name)
    source, sink = sources.choice("replay"), sinks.choice()
    parser.accept((*flags(job.options), *(table.flag for table in job.tables)), "the job")
    parser.accept(flags(RunOptions), "running")
    parsed = choice.parse(parser, arguments, source, sink)
    files = {table.flag.dest: str(parsed.value(table.flag)) for table in job.tables}
    made = Invocation(
        job, parsed.of(RunOptions), parsed.of(job.options), source.of(parsed), sink.of(parsed), files
    )
    if made.upsert and (why := _why_append_only(made)):
        parser.error(f"--output-mode update: {why}; expected append")
    return made


def _why_append_only(made: Invocation) -> str:
    only_appends = "" if made.sink.it.UPSERTS else f"--sink {made.sink.name} cannot replace a row"
    return made.job.append_only(made.own) or only_appends
