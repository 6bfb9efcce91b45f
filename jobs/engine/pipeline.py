"""The data's path: from a source to envelopes, from these to events and dead letters, and on to rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.readwriter import DataFrameReader
from pyspark.sql.streaming.readwriter import DataStreamReader

from jobs.engine import events
from jobs.engine.command_line import Invocation
from jobs.engine.job import WINDOW, Inputs, Job, JobError
from sources.base import Source
from sources.catalog import Stream
from sources.choice import Chosen

_DEDUPLICATED = re.compile(r"SubqueryAlias `?([^`\n]+)`?\n[^\n]*DeduplicateWithinWatermark")


def envelopes(
    source: Chosen[Source], reader: DataFrameReader | DataStreamReader, streams: Sequence[Stream]
) -> dict[str, DataFrame]:
    """Return each stream's messages at the source as envelopes (`sources/envelope.py`), by stream name."""
    it = source.it
    return {one.name: it.envelope(it.read(reader, one, source.options)) for one in streams}


class Pipeline:
    """A job's streams, validated: events for its rows and, next to them, dead letters.

    `good`: each stream's events, each once, by stream name (`events.good`). `dead`: the dead letters of all
    streams (`events.dead_letters`).
    """

    def __init__(self, invocation: Invocation, envelopes: Mapping[str, DataFrame]) -> None:
        self._job, self._own, self._options = invocation.job, invocation.own, invocation.options
        checked = {
            one.name: events.check(
                envelopes[one.name],
                one,
                watermark=self._options.watermark,
                max_future_skew=self._options.max_future_skew,
            )
            for one in invocation.streams
        }
        # Under its name, by which `deduplicated` finds it in the plan.
        self.good = {name: events.good(frame).alias(name) for name, frame in checked.items()}
        self.dead = reduce(DataFrame.union, map(events.dead_letters, checked.values()))

    def rows(self, tables: Mapping[str, DataFrame]) -> DataFrame:
        """Return the job's rows, joined with the static tables as they are now, given by flag name.

        Raise JobError if a column is missing that the job must give.
        """
        rows = self._job.rows(Inputs(self._own, self.good, tables))
        _check_columns(self._job, rows)
        after = self._options.windows_after
        return rows.filter(F.col("window_end") > F.lit(after)) if after else rows


def _check_columns(job: Job[Any], rows: DataFrame) -> None:
    wanted = dict.fromkeys((*WINDOW, *job.key))
    if missing := [name for name in wanted if name not in rows.columns]:
        raise JobError(
            f"the job's rows lack {', '.join(missing)}",
            expected=f"the window's bounds and the job's key: {', '.join(wanted)}",
            remedy="select them in the job's `rows`",
        )


def together(parts: Mapping[str, DataFrame]) -> DataFrame:
    """Return all parts in one frame, which one query can write: a struct column per part, one set per row.

    The parts' order is that of the sources in Spark's offset log (`positions_by_stream`).
    """
    frames = [
        frame.select(*(_struct(other, name, filled=name == its) for name, other in parts.items()))
        for its, frame in parts.items()
    ]
    return reduce(DataFrame.union, frames)


def positions_by_stream(offsets: str, streams: Sequence[Stream]) -> dict[str, str]:
    """Return where each stream stands according to a file of Spark's offset log; none for one never read.

    A position is JSON as its source writes it. Spark lists the sources of a query in the order of its unions:
    first those of the rows, in the plan's order, then, as `together` adds them, those of the dead letters,
    which are the job's streams, each once, in the job's order.
    """
    lines = offsets.splitlines()[2:]  # after the version and the batch's metadata
    ends = zip(streams, lines[-len(streams) :], strict=True)
    return {stream.name: line for stream, line in ends if line != "-"}


def deduplicated(output: DataFrame) -> tuple[str, ...]:
    """Return the stream of each deduplication in the plan of a query's output, in Spark's order.

    A stream that a job reads twice is there twice.
    """
    plan: Any = output._jdf.queryExecution().analyzed()
    return tuple(_DEDUPLICATED.findall(plan.treeString()))


def part(batch: DataFrame, name: str) -> DataFrame:
    """Return one part of a frame that `together` made."""
    return batch.filter(F.col(name).isNotNull()).select(f"{name}.*")


def _struct(frame: DataFrame, name: str, *, filled: bool) -> Column:
    return (F.struct(*frame.columns) if filled else F.lit(None).cast(frame.schema)).alias(name)
