"""The promotion of a job: what the user asked for, and the command line the job will see on the cluster."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobs.engine import command_line
from jobs.engine import sink as sinks
from jobs.engine.checkpoint import path_of
from jobs.engine.command_line import jar_sets
from jobs.engine.jar_files import built_for
from jobs.engine.job import Job
from jobs.laptop.promotion import runtimes
from jobs.laptop.promotion.runtimes import Runtime
from jobs.laptop.promotion.target import Target
from sources import base as sources
from sources.flags import PREFIX
from sources.google_cloud import Cloud, OnGoogleCloud


@dataclass(frozen=True)
class StagedTable:
    """A static table's file on this machine, and the place where the job finds its copy.

    The copy keeps its name, so that the running job picks up a new one put there.
    """

    flag: str
    file: Path
    place: str


@dataclass(frozen=True)
class Promotion:
    """A job and its target.

    `options` and `arguments`: the job's own, as the cluster sees them. `left_behind`: variables of this
    environment that would have set a flag here but do not on the cluster.
    """

    job: Job
    target: Target
    options: Namespace
    arguments: tuple[str, ...]
    tables: tuple[StagedTable, ...]
    left_behind: tuple[str, ...]

    @property
    def runtime(self) -> Runtime | None:
        """Return the runtime that the job will run in; None if it is unknown."""
        if self.target.serverless:
            return runtimes.serverless().get(self.target.serverless)
        return runtimes.image(self.target.image_version or "")

    @property
    def shipped_sets(self) -> tuple[str, ...]:
        """Return the jar sets that the runtime lacks; in a rehearsal, the runtime brings none."""
        if not self.runtime:
            return jar_sets(self.options)
        brought = () if self.target.rehearsal else self.runtime.brings
        lacking = (name for name in jar_sets(self.options) if name not in brought)
        return tuple(built_for(self.runtime.spark, name) for name in lacking)

    @property
    def places(self) -> tuple[OnGoogleCloud, OnGoogleCloud]:
        """Return what the source and the sink need on Google Cloud."""
        return _places(self.options)

    @property
    def cloud(self) -> Cloud:
        """Return where the job goes, as sources and sinks know it."""
        return self.target.cloud

    @property
    def checkpoint(self) -> str:
        """Return the folder of the job's checkpoint."""
        return path_of(self.options.checkpoint_root, self.job.name, self.options.source)

    @property
    def endless(self) -> bool:
        """Return whether the driver is meant to run until it is stopped."""
        return bool(self.options.trigger != command_line.AVAILABLE_NOW)

    @property
    def restarts(self) -> int:
        """Return the number of restarts of a failed driver per hour."""
        asked = self.target.max_failures_per_hour
        return (5 if self.endless else 0) if asked is None else asked


def promotion(job: Job, target: Target, arguments: Sequence[str]) -> Promotion:
    """Return the promotion, with the job's arguments checked by the job itself and completed for the cluster.

    Exit with code 2 and a one-line message if the job does not accept an argument.
    """
    with _without_environment() as hidden:
        asked = command_line.parse(job, arguments)
        tables = tuple(_staged_tables(job, target, asked))
        complete = [*_defaults(target, asked), *arguments]
        for table in tables:
            complete = [*_without(table.flag, complete), f"{table.flag}={table.place}"]
        options = command_line.parse(job, complete)
    left = tuple(name for name in hidden if name.removeprefix(PREFIX).lower() in vars(options))
    return Promotion(job, target, options, tuple(complete), tables, left)


def _defaults(target: Target, asked: Namespace) -> list[str]:
    """Return the job's flags that follow from the target; the user's own come after them and win."""
    flags = [flag for place in _places(asked) for flag in place.flags(asked, target.cloud)]
    return [f"--checkpoint-root={target.root}/checkpoints", *dict.fromkeys(flags)]


def _places(options: Namespace) -> tuple[OnGoogleCloud, OnGoogleCloud]:
    return sources.load(options.source).GOOGLE_CLOUD, sinks.load(options.sink).GOOGLE_CLOUD


def _staged_tables(job: Job, target: Target, asked: Namespace) -> Iterator[StagedTable]:
    for table in job.tables:
        path = getattr(asked, table.flag.dest)
        if "://" not in path:
            yield StagedTable(table.flag.name, Path(path), f"{target.root}/tables/{Path(path).name}")


def _without(flag: str, arguments: Sequence[str]) -> list[str]:
    """Return the arguments without a flag that takes one value."""
    left, waiting = [], iter(arguments)
    for argument in waiting:
        if argument == flag:
            next(waiting)
        elif not argument.startswith(f"{flag}="):
            left.append(argument)
    return left


@contextmanager
def _without_environment() -> Iterator[list[str]]:
    """Run the block without this machine's defaults for flags, which the cluster lacks; yield their names."""
    hidden = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
    for name in hidden:
        del os.environ[name]
    try:
        yield sorted(hidden)
    finally:
        os.environ.update(hidden)
