"""What every sink offers: one module a sink, found by its file name.

A module of this package that has an `open_sink` is a sink; nothing else lists them.
"""

from __future__ import annotations

import importlib
import pkgutil
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, cast

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import sinks
from jobs.runtime import files
from jobs.runtime.flag import Flag
from sources import instants

PATH = Flag("--sink-path", None, "folder of the result table (delta, parquet)", shapes_state=False)


class SinkError(Exception):
    """Why results cannot be written: the value, what was expected and the remedy, in one line."""


@dataclass(frozen=True)
class Results:
    """The results of one checkpoint.

    `application` is unique to the checkpoint: with a batch's number it identifies a batch for good.
    `fresh`: nothing was ever written from this checkpoint. `upsert`: a later row replaces one of the same
    `key`. `order`: the columns by which a person wants rows sorted. `after`: no row's window ends at or
    before it, for such rows are another run's; None: all rows are this one's.
    """

    job: str
    application: str
    key: tuple[str, ...]
    order: tuple[str, ...]
    upsert: bool
    fresh: bool
    after: datetime | None = None


Write = Callable[[DataFrame, int], None]
"""Write the rows of the batch with that number; the same batch may come again and must not count twice."""


class Sink(Protocol):
    """A place for results."""

    FLAGS: tuple[Flag, ...]
    """The sink's flags; sinks that take the same flag share it."""

    SETTINGS: Mapping[str, str]
    """What the Spark session must be told for this sink."""

    UPSERTS: bool
    """Whether running totals can go here: a later row replaces one of the same key."""

    def written(self, spark: SparkSession, options: Namespace) -> DataFrame | None:
        """The rows that are there; None where there are none yet, or none can be read back.

        Raises SinkError where a batch is only half there.
        """

    def jars(self, options: Namespace) -> tuple[str, ...]:
        """The jar sets (`docker/spark/ivy.xml`) that the sink needs beyond Spark's own."""

    def open_sink(self, spark: SparkSession, options: Namespace, results: Results) -> Write:
        """How to write a batch; raises SinkError at once where that cannot work."""


def names() -> list[str]:
    """The names of all sinks, sorted."""
    modules = [module.name for module in pkgutil.iter_modules(sinks.__path__)]
    return sorted(
        name for name in modules if hasattr(importlib.import_module(f"jobs.sinks.{name}"), "open_sink")
    )


def load(name: str) -> Sink:
    """The sink called `name`."""
    return cast(Sink, importlib.import_module(f"jobs.sinks.{name}"))


def required(options: Namespace, flag: Flag, sink: str) -> str:
    """The flag's value; raises SinkError where it is not given."""
    value = getattr(options, flag.dest)
    if not value:
        raise SinkError(f"{flag.name} is not given; --sink {sink} needs it")
    return str(value)


def newest_window(rows: DataFrame) -> datetime | None:
    """The greatest `window_end` among rows; None where there are none."""
    (micros,) = rows.agg(F.max(F.unix_micros("window_end"))).first() or (None,)
    return None if micros is None else instants.EPOCH + timedelta(microseconds=micros)


def holds_files(spark: SparkSession, path: str) -> bool:
    """Whether there is any file below the path."""
    return not files.is_empty(spark, path)


def claim(
    spark: SparkSession,
    path: str,
    results: Results,
    holds_rows: Callable[[SparkSession, str], bool] = holds_files,
) -> None:
    """Make the folder of a sink that keeps files; `holds_rows` says what is in it.

    Raises SinkError where it cannot be written, and where it holds rows that a new checkpoint would repeat.
    """
    try:
        files.make_folder(spark, path)
        occupied = results.fresh and holds_rows(spark, path)
    except OSError as error:
        raise SinkError(
            f"--sink-path {path}: cannot be written ({error}); expected a writable folder"
        ) from None
    if occupied:
        raise SinkError(
            f"--sink-path {path} already holds rows, but the checkpoint is new and would write them again; "
            "give another --sink-path, or delete that folder"
        )
