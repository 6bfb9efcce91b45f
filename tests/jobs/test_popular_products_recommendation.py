"""Popular products, by hand: which purchases follow a view, and how products rank."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.popular_products_recommendation import transform
from tests.support import frames
from tests.support.reference import Row

VIEW = "event_time timestamp, user_id string, product_id string"
PURCHASE = f"{VIEW}, quantity int, unit_price decimal(18,2)"
TEN = datetime(2024, 3, 1, 10, 0, tzinfo=UTC)
LENGTH = timedelta(minutes=10)
TICK = 0.000001


def views(spark: SparkSession, *rows: tuple[float, str, str]) -> DataFrame:
    return spark.createDataFrame([(TEN + timedelta(seconds=s), *rest) for s, *rest in rows], VIEW)


def purchases(spark: SparkSession, *rows: tuple[float, str, str, int, str]) -> DataFrame:
    values = [
        (TEN + timedelta(seconds=s), user, product, quantity, Decimal(price))
        for s, user, product, quantity, price in rows
    ]
    return spark.createDataFrame(values, PURCHASE)


# One product per case: its views and one purchase at ten, and whether the purchase counts.
FOLLOWING: dict[str, tuple[list[tuple[float, str]], bool]] = {
    "no view": ([], False),
    "at the same instant": ([(0, "ann")], True),
    "an instant later": ([(TICK, "ann")], False),
    "just before": ([(-TICK, "ann")], True),
    "30 minutes before": ([(-1800, "ann")], True),
    "more than 30 minutes before": ([(-1800 - TICK, "ann")], False),
    "by another user": ([(-60, "bob")], False),
    "three times": ([(-60, "ann"), (-60, "ann"), (-1, "ann")], True),
    "too early and in time": ([(-7200, "ann"), (-5, "ann"), (5, "ann")], True),
}


@pytest.fixture(scope="module")
def counted(spark: SparkSession) -> dict[str, Row]:
    seen = [(at, user, product) for product, (of, _) in FOLLOWING.items() for at, user in of]
    bought = [(0.0, "ann", product, 2, "1.50") for product in FOLLOWING]
    frame = transform(views(spark, *seen), purchases(spark, *bought), top=100)
    return {row[2]: row for row in frames.rows(frame)}


@pytest.mark.parametrize("product", FOLLOWING)
def test_a_purchase_counts_once_where_it_follows_a_view(counted: dict[str, Row], product: str) -> None:
    row = (TEN, TEN + LENGTH, product, 1, 1, 2, Decimal("3.00"))
    assert (row if FOLLOWING[product][1] else None) == (counted[product][:7] if product in counted else None)


@pytest.fixture(scope="module")
def ranking(spark: SparkSession) -> tuple[DataFrame, DataFrame]:
    bought = [
        *[(float(second), user, "often", 1, "1") for second, user in ((0, "ann"), (1, "ann"), (2, "bob"))],
        *[(float(second), "ann", "dear", 1, "9.99") for second in (0, 599)],
        *[(float(second), "ann", "b cheap", 1, "5") for second in (0, 1)],
        *[(float(second), "ann", "a cheap", 2, "2.50") for second in (0, 1)],
        (0.0, "ann", "once", 100, "1000"),
        (600.0, "ann", "next window", 1, "1"),
        (-TICK, "ann", "window before", 1, "1"),
    ]
    users = {(user, product) for _, user, product, _, _ in bought}
    return views(spark, *((-60.0, *pair) for pair in sorted(users))), purchases(spark, *bought)


FIRST_WINDOW = [
    (1, "often", 3, 2, 3, Decimal("3.00")),
    (2, "dear", 2, 1, 2, Decimal("19.98")),
    (3, "a cheap", 2, 1, 4, Decimal("10.00")),
    (4, "b cheap", 2, 1, 2, Decimal("10.00")),
    (5, "once", 1, 1, 100, Decimal("100000.00")),
]


@pytest.mark.parametrize("top", [1, 3, 10])
def test_rank_is_by_purchases_then_revenue_then_name(ranking: tuple[DataFrame, DataFrame], top: int) -> None:
    frame = transform(*ranking, top=top)
    assert [
        *("window_start", "window_end", "product_id", "purchases", "buyers", "units", "revenue", "rank")
    ] == frame.columns
    expected = [
        (TEN - LENGTH, TEN, "window before", 1, 1, 1, Decimal("1.00"), 1),
        *((TEN, TEN + LENGTH, *rest, rank) for rank, *rest in FIRST_WINDOW[:top]),
        (TEN + LENGTH, TEN + 2 * LENGTH, "next window", 1, 1, 1, Decimal("1.00"), 1),
    ]
    assert sorted(expected) == frames.rows(frame)


def test_another_window_and_another_time_after_a_view(spark: SparkSession) -> None:
    seen = views(spark, (0, "ann", "tea"))
    bought = purchases(spark, (60, "ann", "tea", 1, "1"), (61, "ann", "tea", 1, "1"))
    found = frames.rows(transform(seen, bought, window="1 minute", join_within="60 seconds"))
    minute = timedelta(minutes=1)
    assert [(TEN + minute, TEN + 2 * minute, "tea", 1, 1, 1, Decimal("1.00"), 1)] == found
