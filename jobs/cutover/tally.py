"""Events against rows, window by window and key by key: plain counts, without the job's aggregation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from sources import instants

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Tally:
    """Events in final windows; one that is in two windows counts twice.

    `by_old`: in windows that end at or before the switch. `late`: not counted, and behind the watermark by
    what stands before them in their Kafka partition, so a run may have dropped them. `lost`: not counted
    otherwise.
    """

    to_count: int
    by_old: int
    by_new: int
    late: int
    lost: int
    twice: int


def tally(groups: DataFrame, finished: datetime | None) -> Tally:
    """The sums of what `compared` gave; `finished`: the end of the old run's last window."""
    old = F.col("end") <= F.lit((finished - instants.EPOCH) // MICROSECOND if finished else 0)
    late = F.least("uncounted", "late")
    sums = {
        "to_count": F.col("expected"),
        "by_old": F.when(old, F.col("found")),
        "by_new": F.when(~old, F.col("found")),
        "late": late,
        "lost": F.col("uncounted") - late,
        "twice": F.greatest(F.col("found") - F.col("expected"), F.lit(0)),
    }
    row = groups.agg(
        *(F.coalesce(F.sum(value), F.lit(0)).alias(name) for name, value in sums.items())
    ).first()
    return Tally(**{name: int(value) for name, value in row.asDict().items()}) if row else Tally(*[0] * 6)


def in_windows(events: DataFrame, every: timedelta, length: timedelta) -> DataFrame:
    """Each event once for every window that holds it, with the window's `start` in microseconds since 1970.

    `events`: `event_time timestamp`. Windows start every so often since 1970 and are `length` long.
    """
    step, time = every // MICROSECOND, F.unix_micros("event_time")
    newest = time - F.pmod(time, F.lit(step))
    starts = F.sequence(newest - F.lit(length // every * step), newest, F.lit(step))
    placed = events.select("*", F.explode(starts).alias("start"))
    return placed.filter(time < F.col("start") + F.lit(length // MICROSECOND))


def behind(copies: DataFrame, events: DataFrame, delay: timedelta) -> DataFrame:
    """The `event_id`s that were late wherever they came: by the events before them in the same partition.

    `copies`: `event_id string, stream string, partition bigint, offset bigint`, repeats included; `events`:
    `event_id string, event_time timestamp`, each once.
    """
    before = (
        Window.partitionBy("stream", "partition")
        .orderBy("offset")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow - 1)
    )
    newest = F.max(F.unix_micros("event_time")).over(before)
    late = F.coalesce(F.unix_micros("event_time") <= newest - F.lit(delay // MICROSECOND), F.lit(False))
    judged = copies.join(events.select("event_id", "event_time"), "event_id").withColumn("late", late)
    return judged.groupBy("event_id").agg(F.min("late").alias("late")).filter("late").select("event_id")


def compared(expected: DataFrame, rows: DataFrame, key: str, count: str, most: int | None) -> DataFrame:
    """For each window and key `start bigint`, and the events `expected`, `found`, `late` and `uncounted`.

    `expected`: `start bigint` (microseconds since 1970), the key and `late boolean`, an event a row; `rows`:
    the job's. A key without a row in a window that has `most` others is not uncounted.
    """
    wanted = expected.groupBy("start", key).agg(
        F.count("*").alias("expected"), F.count(F.when(F.col("late"), 1)).alias("late")
    )
    there = rows.select(F.unix_micros("window_start").alias("start"), key, count)
    found = there.groupBy("start", key).agg(F.sum(count).alias("found"))
    kept = there.groupBy("start").agg(F.countDistinct(key).alias("keys"))
    both = wanted.join(found, ["start", key], "full").join(kept, "start", "left").fillna(0)
    missing = F.greatest(F.col("expected") - F.col("found"), F.lit(0))
    if most is not None:
        missing = F.when((F.col("found") == 0) & (F.col("keys") >= most), 0).otherwise(missing)
    return both.withColumn("uncounted", missing)
