"""A comparison of events with rows by window and key: plain counts, without the job's aggregation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from sources import instants


@dataclass(frozen=True)
class Tally:
    """The numbers of events in final windows; an event in two windows counts twice.

    `by_old`: in windows that end at or before the switch. `late`: not counted, and behind the watermark that
    follows from the events before them in their Kafka partition, so a run may have dropped them. `lost`: not
    counted for any other reason.
    """

    to_count: int
    by_old: int
    by_new: int
    late: int
    lost: int
    twice: int


def tally(groups: DataFrame, finished: datetime | None) -> Tally:
    """Sum up the result of `compared`; `finished`: the end of the old run's last window."""
    old = F.col("end") <= F.lit((finished - instants.EPOCH) // instants.MICROSECOND if finished else 0)
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
    """Return each event once for every window that contains it, with the window's `start`.

    `start` is in microseconds since 1970. `events`: `event_time timestamp`. Windows start at whole multiples
    of `every` since 1970 and are `length` long.
    """
    step, time = every // instants.MICROSECOND, F.unix_micros("event_time")
    newest = time - F.pmod(time, F.lit(step))
    starts = F.sequence(newest - F.lit(length // every * step), newest, F.lit(step))
    placed = events.select("*", F.explode(starts).alias("start"))
    return placed.filter(time < F.col("start") + F.lit(length // instants.MICROSECOND))


def behind(copies: DataFrame, events: DataFrame, delay: timedelta) -> DataFrame:
    """Return the `event_id`s whose every copy was late, given the events before it in the same partition.

    `copies`: `event_id string, stream string, partition bigint, offset bigint`, including repeats. `events`:
    `event_id string, event_time timestamp`, each once.
    """
    before = (
        Window.partitionBy("stream", "partition")
        .orderBy("offset")
        .rowsBetween(Window.unboundedPreceding, Window.currentRow - 1)
    )
    newest = F.max(F.unix_micros("event_time")).over(before)
    late = F.coalesce(
        F.unix_micros("event_time") <= newest - F.lit(delay // instants.MICROSECOND), F.lit(False)
    )
    judged = copies.join(events.select("event_id", "event_time"), "event_id").withColumn("late", late)
    return judged.groupBy("event_id").agg(F.min("late").alias("late")).filter("late").select("event_id")


def compared(expected: DataFrame, rows: DataFrame, key: str, count: str, most: int | None) -> DataFrame:
    """Return, per window and key, `start bigint` and the events `expected`, `found`, `late` and `uncounted`.

    `expected`: `start bigint` (microseconds since 1970), the key and `late boolean`, one row per event.
    `rows`: the job's rows. A key without a row is not uncounted if its window has `most` other rows.
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
