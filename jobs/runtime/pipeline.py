"""The way of the data: from a source to envelopes, from these to events and dead letters, and on to rows."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.readwriter import DataFrameReader
from pyspark.sql.streaming.readwriter import DataStreamReader

from jobs.runtime import events
from jobs.runtime.job import Inputs, Job
from sources.catalog import Stream
from sources.source import Source


def envelopes(
    source: Source,
    reader: DataFrameReader | DataStreamReader,
    streams: Sequence[Stream],
    options: Namespace,
) -> dict[str, DataFrame]:
    """Return what a source has in each stream, by the stream's name, as envelopes (`sources/envelope.py`)."""
    return {one.name: source.envelope(source.read(reader, one, options)) for one in streams}


class Pipeline:
    """A job's streams, checked: events for its rows, dead letters beside them.

    `good`: each stream's events, each once, by its name (`events.good`). `dead`: the dead letters of all
    streams (`events.dead_letters`).
    """

    def __init__(self, job: Job, options: Namespace, envelopes: Mapping[str, DataFrame]) -> None:
        self._job, self._options, self._streams = job, options, job.streams(options)
        self._checked = {
            one.name: events.check(
                envelopes[one.name],
                one,
                watermark=options.watermark,
                max_future_skew=options.max_future_skew,
            )
            for one in self._streams
        }
        self.good = {name: events.good(frame) for name, frame in self._checked.items()}
        self.dead = reduce(DataFrame.union, map(events.dead_letters, self._checked.values()))

    def rows(self, tables: Mapping[str, DataFrame]) -> DataFrame:
        """Return the job's rows with the static tables as they are now, by their flag's name."""
        rows = self._job.rows(Inputs(self._options, self.good, tables))
        after = self._options.windows_after
        return rows.filter(F.col("window_end") > F.lit(after)) if after else rows

    def dead_letters(self) -> DataFrame:
        """Return the dead letters with their reasons: the envelope's columns and `reason string`."""
        dead = {one: events.dead_letters(self._checked[one.name]) for one in self._streams}
        return _with_reasons(dead, self._options.max_future_skew)


def with_reasons(dead: DataFrame, streams: Sequence[Stream], max_future_skew: timedelta) -> DataFrame:
    """Return these streams' dead letters (`Pipeline.dead`): the envelope's columns and `reason string`."""
    return _with_reasons({one: dead.filter(F.col("stream") == one.name) for one in streams}, max_future_skew)


def _with_reasons(dead: Mapping[Stream, DataFrame], skew: timedelta) -> DataFrame:
    letters = [events.with_reasons(frame, one, max_future_skew=skew) for one, frame in dead.items()]
    return reduce(DataFrame.union, letters)


def together(parts: Mapping[str, DataFrame]) -> DataFrame:
    """Return all parts in one frame, which one query can write: a struct column each, of which one is set."""
    frames = [
        frame.select(*(_struct(other, name, filled=name == its) for name, other in parts.items()))
        for its, frame in parts.items()
    ]
    return reduce(DataFrame.union, frames)


def part(batch: DataFrame, name: str) -> DataFrame:
    """Return one part of what `together` made."""
    return batch.filter(F.col(name).isNotNull()).select(f"{name}.*")


def _struct(frame: DataFrame, name: str, *, filled: bool) -> Column:
    return (F.struct(*frame.columns) if filled else F.lit(None).cast(frame.schema)).alias(name)
