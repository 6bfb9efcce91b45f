"""A job's query, run step by step: each step reads what the broker holds now, as one batch, and ends."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import reduce
from typing import Any

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.engine import command_line, reasons
from jobs.engine.job import Job
from jobs.engine.pipeline import Pipeline, envelopes, reads
from jobs.engine.progress import Counts, read
from jobs.engine.watched_tables import WatchedTables
from notebooks.broker import Broker
from sources.catalog import STREAMS, Stream
from sources.envelope import ENVELOPE

Pick = Callable[[DataFrame], DataFrame]


def everything(envelopes: DataFrame) -> DataFrame:
    """Return all messages."""
    return envelopes


class JobQuery:
    """The query that `twinstream run JOB` runs, with its results collected in this process.

    `flags` are the job's, including those of the broker. `pick` selects the envelopes to read. With
    `keep_events`, the events that the job works with are kept too. Each step continues where the last one
    ended. Errors are those of the job: SourceError, TableError.
    """

    def __init__(
        self, broker: Broker, job: Job[Any], *flags: str, pick: Pick = everything, keep_events: bool = False
    ) -> None:
        self._broker, self._job, self._pick = broker, job, pick
        self.invocation = command_line.parse(job, list(flags))
        self._checkpoint = tempfile.TemporaryDirectory(prefix="twinstream-notebook-")
        self._parts = self._queried(keep_events)
        self._taken: dict[str, list[dict[str, Any]]] = {name: [] for name in self._parts}
        self._steps: list[dict[str, object]] = []

    def step(self) -> None:
        """Read what is there now, and collect everything that became final with it."""
        number = len(self._steps) + 1
        query = (
            _together(self._parts)
            .writeStream.foreachBatch(lambda batch, _: self._take(batch, number))
            .outputMode(self.invocation.options.output_mode)
            .option("checkpointLocation", self._checkpoint.name)
            .trigger(availableNow=True)
            .start()
        )
        try:
            query.awaitTermination()
        finally:
            query.stop()
        self._steps.append(self._summary(number, query.recentProgress))

    @property
    def rows(self) -> pd.DataFrame:
        """Return the job's rows so far, the last one of each key; `step` is the step that emitted it."""
        rows = self._table("row").drop_duplicates(list(self._job.key), keep="last")
        return rows.sort_values(list(self._job.order or self._job.key), ignore_index=True)

    @property
    def events(self) -> pd.DataFrame:
        """Return the events that the job worked with, each once, with `stream` and `step`."""
        return self._table("event")

    def events_of(self, stream: Stream) -> DataFrame:
        """Return the stream's events as a Spark DataFrame with the columns that the job's functions take."""
        schema = self._good[stream.name].schema
        taken = (row for row in self._taken["event"] if row["stream"] == stream.name)
        rows = [[row[name] for name in schema.names] for row in taken]
        return self._broker.spark.createDataFrame(rows, schema)

    @property
    def dead_letters(self) -> pd.DataFrame:
        """Return the messages that were not events: the envelope, the `reason` and the `step`."""
        letters, skew = self._table("dead_letter"), self.invocation.options.max_future_skew
        found = zip(letters["value"], letters["stream"], letters["latest"], strict=True)
        said = [reasons.reason(value, STREAMS[stream], latest, skew) for value, stream, latest in found]
        return letters.assign(reason=said)[[*ENVELOPE.fieldNames(), "reason", "step"]]

    @property
    def steps(self) -> pd.DataFrame:
        """Return a row per step: the watermark before and after it, and its `rows`, `late` and `dead`."""
        return pd.DataFrame(self._steps)

    def _queried(self, keep_events: bool) -> Mapping[str, DataFrame]:
        """Return the job's rows, the dead letters and, if requested, the events, as streaming frames."""
        spark, invocation, source = self._broker.spark, self.invocation, self.invocation.source
        source.it.check(spark, invocation.streams, source.options)
        tables = WatchedTables(spark, self._job, invocation.files)
        read = envelopes(source, spark.readStream, invocation.streams)
        picked = {name: self._pick(frame) for name, frame in read.items()}
        pipeline = Pipeline(invocation, picked)
        self._good = pipeline.good
        parts = {"row": pipeline.rows(tables.current), "dead_letter": pipeline.dead_letters()}
        return {**parts, "event": _all_of(self._good)} if keep_events else parts

    def _take(self, batch: DataFrame, step: int) -> None:
        for row in batch.collect():
            for name in self._parts:
                if row[name] is not None:
                    self._taken[name].append({**row[name].asDict(), "step": step})

    def _summary(self, number: int, progress: list[dict[str, Any]]) -> dict[str, object]:
        counts = Counts(deduplicated=reads(_together(self._parts)))
        batches = [read(one, counts) for one in progress]
        before, after = (batches[0].watermark, batches[-1].watermark) if batches else (None, None)
        return {
            "step": number,
            "watermark": _naive(before),
            "watermark_after": _naive(after),
            "rows": self._came("row", number),
            "late": sum(sum(batch.late.values()) for batch in batches),
            "dead": self._came("dead_letter", number),
        }

    def _came(self, name: str, step: int) -> int:
        return sum(row["step"] == step for row in self._taken[name])

    def _table(self, name: str) -> pd.DataFrame:
        return pd.DataFrame(self._taken[name], columns=[*self._parts[name].columns, "step"])


def _all_of(good: Mapping[str, DataFrame]) -> DataFrame:
    frames = [frame.withColumn("stream", F.lit(name)) for name, frame in good.items()]
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), frames)


def _together(parts: Mapping[str, DataFrame]) -> DataFrame:
    """Return all parts in one frame: a struct column per part, one of which is set in each row."""
    frames = [
        frame.select(*(_struct(other, name, filled=name == its) for name, other in parts.items()))
        for its, frame in parts.items()
    ]
    return reduce(DataFrame.union, frames)


def _struct(frame: DataFrame, name: str, *, filled: bool) -> Column:
    return (F.struct(*frame.columns) if filled else F.lit(None).cast(frame.schema)).alias(name)


def _naive(time: datetime | None) -> datetime | None:
    """Return the UTC time without its zone, as in the rows' times."""
    return time.replace(tzinfo=None) if time else None
