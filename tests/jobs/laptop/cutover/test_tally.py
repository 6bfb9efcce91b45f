"""Events counted against rows: lost, duplicate and late ones are found even if the sums hide them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.laptop.cutover.tally import Tally, behind, compared, in_windows, tally
from sources import instants

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
MICROS = (NOON - instants.EPOCH) // timedelta(microseconds=1)


def at(spark: SparkSession, *seconds: float) -> DataFrame:
    rows = [(f"e{number}", NOON + second * SECOND) for number, second in enumerate(seconds)]
    return spark.createDataFrame(rows, "event_id string, event_time timestamp")


def starts(frame: DataFrame) -> list[tuple[str, int]]:
    seconds = frame.withColumn("at", ((F.col("start") - F.lit(MICROS)) / 1_000_000).cast("int"))
    return sorted((str(row["event_id"]), int(row["at"])) for row in seconds.collect())


@pytest.mark.parametrize(
    ("slide", "length", "expected"),
    [
        (MINUTE, MINUTE, [("e0", 0), ("e1", 0), ("e2", 60)]),
        (30 * SECOND, MINUTE, [("e0", -30), ("e0", 0), ("e1", 0), ("e1", 30), ("e2", 30), ("e2", 60)]),
        (40 * SECOND, MINUTE, [("e0", -40), ("e0", 0), ("e1", 0), ("e1", 40), ("e2", 40)]),
        (2 * MINUTE, MINUTE, [("e0", 0), ("e1", 0)]),  # the third event is between two windows
    ],
)
def test_windows_hold_their_start_and_not_their_end(
    spark: SparkSession, slide: timedelta, length: timedelta, expected: list[tuple[str, int]]
) -> None:
    assert starts(in_windows(at(spark, 0, 59.999999, 60), slide, length)) == expected


def test_an_event_is_behind_by_what_came_before_it_in_its_partition(spark: SparkSession) -> None:
    events = at(spark, 30, 20, 19.9, 10, 0)
    came = [
        ("e0", 0, 0),
        ("e1", 0, 1),  # ten seconds behind the newest before it
        ("e2", 0, 2),
        ("e2", 1, 0),  # and once more, in time
        ("e3", 2, 0),
        ("e4", 0, 9),
        ("e4", 0, 10),
        ("no event", 0, 11),
    ]
    rows = [(event, "s", partition, offset) for event, partition, offset in came]
    copies = spark.createDataFrame(rows, "event_id string, stream string, partition bigint, offset bigint")
    late = behind(copies, events, 10 * SECOND)
    assert sorted(row["event_id"] for row in late.collect()) == ["e1", "e4"]


def groups(
    spark: SparkSession,
    events: list[tuple[int, str, bool]],
    rows: list[tuple[int, str, int]],
    most: int | None,
) -> DataFrame:
    """Return the comparison of `events` (minute, product, late) with `rows` (minute, product, orders)."""
    expected = spark.createDataFrame(
        [(MICROS + minute * 60_000_000, product, late) for minute, product, late in events],
        "start bigint, product_id string, late boolean",
    )
    written = spark.createDataFrame(
        [(NOON + minute * MINUTE, product, orders) for minute, product, orders in rows],
        "window_start timestamp, product_id string, orders bigint",
    )
    found = compared(expected, written, "product_id", "orders", most)
    return found.withColumn("end", F.col("start") + F.lit(60_000_000))


def test_every_fault_is_found_where_sums_would_agree(spark: SparkSession) -> None:
    events = [(0, "mug", False), (0, "pot", False), (1, "mug", False), (1, "mug", True), (2, "pot", False)]
    rows = [(0, "mug", 1), (0, "mug", 1), (1, "mug", 1), (2, "cup", 1), (2, "pot", 1)]
    # The mug's first minute is there twice, the pot's is lost, one of the second was late, a cup never came.
    found = tally(groups(spark, events, rows, None), NOON + MINUTE)
    assert found == Tally(to_count=5, by_old=2, by_new=3, late=1, lost=1, twice=2)
    assert tally(groups(spark, events, rows, None), None) == Tally(5, 0, 5, 1, 1, 2)


def test_a_key_below_the_best_is_not_lost(spark: SparkSession) -> None:
    events = [(0, "mug", False), (0, "mug", False), (0, "pot", False), (1, "pot", False)]
    assert tally(groups(spark, events, [(0, "mug", 2)], 1), None) == Tally(4, 0, 2, 0, 1, 0)
    assert tally(groups(spark, events, [(0, "mug", 2)], 2), None) == Tally(4, 0, 2, 0, 2, 0)
