"""Activity windows, by hand: where an event lands in tumbling, sliding and session windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession

from jobs.product_activity_windows import transform
from tests.support import frames
from tests.support.reference import Row

EVENT = "event_time timestamp, user_id string, product_id string"
TEN = datetime(2024, 3, 1, 10, 0, tzinfo=UTC)
TICK = 0.000001


def events(spark: SparkSession, *rows: tuple[float, str, str]) -> DataFrame:
    return spark.createDataFrame([(at(second), *rest) for second, *rest in rows], EVENT)


def at(second: float) -> datetime:
    return TEN + timedelta(seconds=second)


def window(start: float, end: float, key: str, count: int) -> Row:
    return at(start), at(end), key, count


def test_a_tumbling_window_holds_its_start_and_not_its_end(spark: SparkSession) -> None:
    frame = events(
        spark, (0, "ann", "tea"), (60 - TICK, "bob", "tea"), (60, "ann", "tea"), (30, "ann", "cup")
    )
    found = transform(frame)
    assert ["window_start", "window_end", "key", "events"] == found.columns
    expected = [window(0, 60, "cup", 1), window(0, 60, "tea", 2), window(60, 120, "tea", 1)]
    assert expected == frames.rows(found)


def test_an_event_is_in_every_sliding_window_over_it(spark: SparkSession) -> None:
    frame = events(spark, (0, "ann", "tea"), (30, "ann", "tea"), (60 - TICK, "ann", "tea"))
    expected = [window(-30, 30, "tea", 1), window(0, 60, "tea", 3), window(30, 90, "tea", 2)]
    assert expected == frames.rows(transform(frame, "sliding"))


def test_a_session_ends_the_gap_after_its_last_event(spark: SparkSession) -> None:
    """Count an event exactly at the end in the session; a session is a user's, whatever the products."""
    frame = events(
        spark,
        *((0, "ann", "tea"), (300, "ann", "cup"), (600 + TICK, "ann", "tea")),
        *((10, "bob", "tea"), (10, "bob", "tea"), (311, "bob", "tea"), (200, "bob", "cup")),
    )
    expected = [
        window(0, 600, "ann", 2),
        window(10, 611, "bob", 4),
        window(600 + TICK, 900 + TICK, "ann", 1),
    ]
    assert expected == frames.rows(transform(frame, "session"))


def test_lengths_are_arguments(spark: SparkSession) -> None:
    frame = events(spark, (0, "ann", "tea"), (15, "ann", "tea"))
    tumbling = [window(0, 15, "tea", 1), window(15, 30, "tea", 1)]
    assert tumbling == frames.rows(transform(frame, "tumbling", "15 seconds"))
    sliding = [window(-10, 10, "tea", 1), window(0, 20, "tea", 2), window(10, 30, "tea", 1)]
    assert sliding == frames.rows(transform(frame, "sliding", "20 seconds", "10 seconds"))
    session = [window(0, 14, "ann", 1), window(15, 29, "ann", 1)]
    assert session == frames.rows(transform(frame, "session", gap="14 seconds"))
