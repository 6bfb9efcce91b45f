"""The promotion of a job: what the user asked for, and the command line the job will see on the cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.engine import cloud_storage, command_line
from jobs.engine.command_line import Invocation
from jobs.engine.jar_files import built_for
from jobs.engine.job import Job
from jobs.laptop.promotion import runtimes
from jobs.laptop.promotion.runtimes import Runtime
from jobs.laptop.promotion.target import Target
from sources.flags import PREFIX
from sources.google_cloud import Cloud, OnGoogleCloud, Service

Place = tuple[OnGoogleCloud, Any]
"""What a source or a sink needs on Google Cloud, and its own options."""


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

    `invocation` and `arguments`: the job's, as the cluster sees them. `left_behind`: variables of this
    environment that would have set a flag here but do not on the cluster.
    """

    job: Job[Any]
    target: Target
    invocation: Invocation
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
        """Return the jar sets that the runtime lacks; all have `gs://`, a rehearsal's brings no other."""
        brought = self.runtime.brings if self.runtime and not self.target.rehearsal else ()
        everywhere = (cloud_storage.JAR_SET, *brought)
        lacking = [name for name in self.invocation.jar_sets if name not in everywhere]
        return tuple(built_for(self.runtime.spark, name) if self.runtime else name for name in lacking)

    @property
    def places(self) -> tuple[Place, Place]:
        """Return what the source and the sink need on Google Cloud, each with its options."""
        return _places(self.invocation)

    @property
    def cloud(self) -> Cloud:
        """Return where the job goes, as sources and sinks know it."""
        return self.target.cloud(self.invocation.options.watermark)

    @property
    def services(self) -> list[Service]:
        """Return the Google services that the job reads or writes, each once."""
        used = [one for place, own in self.places for one in place.services(own, self.cloud)]
        return list(dict.fromkeys(used))

    @property
    def account(self) -> str | None:
        """Return the service account of the cluster's machines, None if it is unknown."""
        number = self.target.project_number
        default = f"{number}-compute@developer.gserviceaccount.com" if number else None
        return self.target.service_account or default

    @property
    def checkpoint(self) -> str:
        """Return the folder of the job's checkpoint."""
        return self.invocation.checkpoint

    @property
    def endless(self) -> bool:
        """Return whether the driver is meant to run until it is stopped."""
        return self.invocation.trigger != command_line.AVAILABLE_NOW

    @property
    def restarts(self) -> int:
        """Return the number of restarts of a failed driver per hour."""
        asked = self.target.max_failures_per_hour
        return (5 if self.endless else 0) if asked is None else asked


def promotion(job: Job[Any], target: Target, arguments: Sequence[str]) -> Promotion:
    """Return the promotion, with the job's arguments checked by the job itself and completed for the cluster.

    Exit with code 2 and a one-line message if the job does not accept an argument.
    """
    with _without_environment() as hidden:
        asked = command_line.parse(job, arguments)
        tables = tuple(_staged_tables(target, asked))
        complete = [*_defaults(target, asked), *arguments]
        for table in tables:
            complete = [*_without(table.flag, complete), f"{table.flag}={table.place}"]
        invocation = command_line.parse(job, complete)
    left = tuple(name for name in hidden if name in invocation.variables)
    return Promotion(job, target, invocation, tuple(complete), tables, left)


def _defaults(target: Target, asked: Invocation) -> list[str]:
    """Return the job's flags that follow from the target; the user's own come after them and win."""
    cloud = target.cloud(asked.options.watermark)
    flags = [flag for place, options in _places(asked) for flag in place.flags(options, cloud)]
    return [f"--checkpoint-root={target.root}/checkpoints", *dict.fromkeys(flags)]


def _places(invocation: Invocation) -> tuple[Place, Place]:
    source, sink = invocation.source, invocation.sink
    return (source.it.GOOGLE_CLOUD, source.options), (sink.it.GOOGLE_CLOUD, sink.options)


def _staged_tables(target: Target, asked: Invocation) -> Iterator[StagedTable]:
    for table in asked.job.tables:
        path = asked.files[table.flag.dest]
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
