"""The data's path: from a source to envelopes, from these to events and dead letters, and on to rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import DataFrame
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
    """A job's streams, validated.

    `good`: each stream's events, each once, by stream name (`events.good`).
    """

    def __init__(self, invocation: Invocation, envelopes: Mapping[str, DataFrame]) -> None:
        self._job, self._own, self._options = invocation.job, invocation.own, invocation.options
        self._checked = {
            one.name: events.check(
                envelopes[one.name],
                one,
                watermark=self._options.watermark,
                max_future_skew=self._options.max_future_skew,
            )
            for one in invocation.streams
        }
        # Under its name, by which `reads` finds it in the plan.
        self.good = {name: events.good(frame).alias(name) for name, frame in self._checked.items()}

    def dead_letters(self) -> DataFrame:
        """Return the dead letters of all streams (`events.dead_letters`)."""
        return reduce(DataFrame.union, map(events.dead_letters, self._checked.values()))

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


def reads(output: DataFrame) -> tuple[str, ...]:
    """Return the stream of each deduplication in the plan of a query's output, in Spark's order.

    A stream that a job reads twice is there twice. Spark lists the query's sources in the same order.
    """
    plan: Any = output._jdf.queryExecution().analyzed()
    return tuple(_DEDUPLICATED.findall(plan.treeString()))
