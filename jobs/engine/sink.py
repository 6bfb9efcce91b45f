"""The interface of every sink: one module per sink in `jobs/sinks`, found by its file name.

Any module of that package that has an `open_sink` is a sink; there is no other registry.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, cast

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine import files
from sources import instants
from sources.choice import Choice, OwnOptions
from sources.fault import Fault
from sources.flags import Flag, flag
from sources.google_cloud import OnGoogleCloud

SINKS = "jobs.sinks"


class SinkError(Fault):
    """The reason results cannot be written: value, expectation and remedy in one line."""


@dataclass(frozen=True)
class Results:
    """The results of one checkpoint.

    `application` is unique to the checkpoint: together with a batch's number, it identifies a batch
    permanently. `fresh`: nothing was ever written from this checkpoint. `upsert`: a later row replaces one
    with the same `key`. `order`: the columns by which readers want rows sorted. `after`: no row's window ends
    at or before it, because such rows belong to another run; None: all rows are this run's.
    """

    job: str
    application: str
    key: tuple[str, ...]
    order: tuple[str, ...]
    upsert: bool
    fresh: bool
    after: datetime | None = None


Write = Callable[[DataFrame, int], None]
"""Writes the rows of the batch with that number; the same batch may be replayed and must not count twice."""


@dataclass(frozen=True)
class PathOptions(OwnOptions):
    """The options of a sink that writes files."""

    sink_path: str | None = flag(
        "directory of the result table (delta, parquet)", example="{root}/results/{job}"
    )


class Sink(Protocol):
    """A destination for results; `options` are always an instance of its `OPTIONS`."""

    @property
    def OPTIONS(self) -> type[OwnOptions]:  # noqa: N802 - a constant of each sink's module
        """The sink's own options; sinks that accept the same flag have it from the same class."""

    SETTINGS: Mapping[str, str]
    """The Spark session's settings for this sink."""

    GOOGLE_CLOUD: OnGoogleCloud
    """What the sink needs on Google Cloud."""

    UPSERTS: bool
    """Whether the sink supports running totals: a later row replaces one with the same key."""

    TAKES_EMPTY: bool
    """Whether writing no rows leaves no trace and a write reads its rows once, so that it may compute them.

    For any other sink, a batch is computed and kept first, and not written if it has no rows.
    """

    def written(self, spark: SparkSession, options: Any) -> DataFrame | None:
        """Return the rows that are there; None if there are none yet, or none can be read back.

        Raise SinkError if a batch is only partly there.
        """

    def jars(self, options: Any) -> tuple[str, ...]:
        """Return the jar sets (`docker/spark/ivy.xml`) that the sink needs beyond Spark's own."""

    def open_sink(self, spark: SparkSession, options: Any, results: Results) -> Write:
        """Return the function that writes a batch; raise SinkError immediately if that cannot work."""


def names() -> list[str]:
    """Return the names of all sinks, sorted."""
    modules = [module.name for module in pkgutil.iter_modules(importlib.import_module(SINKS).__path__)]
    return sorted(
        name for name in modules if hasattr(importlib.import_module(f"{SINKS}.{name}"), "open_sink")
    )


def load(name: str) -> Sink:
    """Return the sink called `name`."""
    return cast(Sink, importlib.import_module(f"{SINKS}.{name}"))


def choice() -> Choice[Sink]:
    """Return the flag `--sink` with the flags of all sinks."""
    flag = Flag("--sink", "destination of the results", "console", choices=tuple(names()))
    return Choice(flag, names(), load)


def required(value: str | None, flag: str, sink: str) -> str:
    """Return the flag's value; raise SinkError if it is not given."""
    if not value:
        raise SinkError(f"{flag} is not given; --sink {sink} needs it")
    return value


def newest_window(rows: DataFrame) -> datetime | None:
    """Return the latest `window_end` of the rows; None if there are none."""
    (micros,) = rows.agg(F.max(F.unix_micros("window_end"))).first() or (None,)
    return None if micros is None else instants.EPOCH + timedelta(microseconds=micros)


def holds_files(spark: SparkSession, path: str) -> bool:
    """Return whether there is any file below the path."""
    return not files.is_empty(spark, path)


def claim(
    spark: SparkSession,
    path: str,
    results: Results,
    holds_rows: Callable[[SparkSession, str], bool] = holds_files,
) -> None:
    """Create the folder of a sink that keeps files; `holds_rows` tells whether rows are in it.

    Raise SinkError if it cannot be written, or if it holds rows that a new checkpoint would repeat.
    """
    try:
        files.make_folder(spark, path)
        occupied = results.fresh and holds_rows(spark, path)
    except OSError as error:
        raise SinkError(
            f"--sink-path {path}: cannot be written ({error})",
            expected="a writable folder",
        ) from None
    if occupied:
        raise SinkError(
            f"--sink-path {path} already holds rows, but the checkpoint is new and would write them again",
            remedy="give another --sink-path, or delete that folder",
        )
