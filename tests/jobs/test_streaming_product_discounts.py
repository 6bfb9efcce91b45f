"""Discount insights, by hand: one product per case, all cases in one run of the transform."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.streaming_product_discounts import transform
from jobs.tables.discounts import DISCOUNTS
from tests.support import frames
from tests.support.reference import Row

ORDER = "event_time timestamp, user_id string, product_id string, quantity int, unit_price decimal(18,2)"
TEN = datetime(2024, 3, 1, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

OFFERS = """user_id,product_id,discount_percent,valid_from,valid_until
ann,validity,10,2024-03-01T10:00:10Z,2024-03-01T10:00:20Z
ann,always,25,,
ann,from,25,2024-03-01T10:00:10Z,
ann,until,25,,2024-03-01T10:00:10Z
ann,highest,10,,
ann,highest,30,2024-03-01T10:00:10Z,2024-03-01T10:00:20Z
ann,highest,20,,
ann,other user,50,,
ann,half up,10,,
ann,half of an odd cent,50,,
ann,zero percent,0,,
ann,free,100,,
ann,fine,33.33,,
"""
ORDERS: dict[str, list[tuple[float, str, int, str]]] = {
    "windows": [(0, "a", 1, "1"), (59.999999, "b", 2, "2.50"), (60, "a", 3, "1"), (-0.000001, "a", 1, "1")],
    "validity": [(second, "ann", 1, "10") for second in (9.999999, 10, 19.999999, 20)],
    "always": [(0, "ann", 1, "10"), (59, "ann", 1, "10")],
    "from": [(9, "ann", 1, "10"), (10, "ann", 1, "10"), (59, "ann", 1, "10")],
    "until": [(0, "ann", 1, "10"), (9.999999, "ann", 1, "10"), (10, "ann", 1, "10")],
    "highest": [(5, "ann", 1, "10"), (15, "ann", 1, "10")],
    "other user": [(0, "bob", 1, "10")],
    "half up": [(0, "ann", 1, "0.05"), (1, "ann", 1, "0.05"), (2, "ann", 1, "0.04")],
    "half of an odd cent": [(0, "ann", 1, "0.05"), (1, "ann", 5, "0.05")],
    "zero percent": [(0, "ann", 1, "10")],
    "free": [(0, "ann", 3, "0.33")],
    "fine": [(0, "ann", 3, "9.99")],
    "no price": [(0, "ann", 3, "0")],
    "large": [(0, "ann", 2147483647, "0.01"), (1, "ann", 1, "9999999999999.99")],
}  # fmt: skip
# Window start in minutes after ten, then orders, discounted orders, units, gross, discount, net.
EXPECTED: dict[str, list[Row]] = {
    "windows": [
        (-1, 1, 0, 1, "1.00", "0.00", "1.00"),
        (0, 2, 0, 3, "6.00", "0.00", "6.00"),
        (1, 1, 0, 3, "3.00", "0.00", "3.00"),
    ],
    "validity": [(0, 4, 2, 4, "40.00", "2.00", "38.00")],
    "always": [(0, 2, 2, 2, "20.00", "5.00", "15.00")],
    "from": [(0, 3, 2, 3, "30.00", "5.00", "25.00")],
    "until": [(0, 3, 2, 3, "30.00", "5.00", "25.00")],
    "highest": [(0, 2, 2, 2, "20.00", "5.00", "15.00")],
    "other user": [(0, 1, 0, 1, "10.00", "0.00", "10.00")],
    "half up": [(0, 3, 3, 3, "0.14", "0.02", "0.12")],
    "half of an odd cent": [(0, 2, 2, 6, "0.30", "0.16", "0.14")],
    "zero percent": [(0, 1, 0, 1, "10.00", "0.00", "10.00")],
    "free": [(0, 1, 1, 3, "0.99", "0.99", "0.00")],
    "fine": [(0, 1, 1, 3, "29.97", "9.99", "19.98")],
    "no price": [(0, 1, 0, 3, "0.00", "0.00", "0.00")],
    "large": [(0, 2, 0, 2147483648, "10000021474836.46", "0.00", "10000021474836.46")],
}


@pytest.fixture(scope="module")
def rows(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    file: Path = tmp_path_factory.mktemp("offers") / "offers.csv"
    file.write_text(OFFERS)
    orders = [
        (TEN + timedelta(seconds=second), user, product, quantity, Decimal(price))
        for product, of_product in ORDERS.items()
        for second, user, quantity, price in of_product
    ]
    frame = transform(spark.createDataFrame(orders, ORDER), DISCOUNTS.load(spark, str(file)))
    assert [
        *("window_start", "window_end", "product_id", "orders", "discounted_orders", "units"),
        *("gross_revenue", "discount_amount", "net_revenue"),
    ] == frame.columns
    return frames.rows(frame)


@pytest.mark.parametrize("product", ORDERS)
def test_insights(rows: list[Row], product: str) -> None:
    expected = [
        (TEN + start * MINUTE, TEN + (start + 1) * MINUTE, product, *counts, *map(Decimal, money))
        for start, *counts_and_money in EXPECTED[product]
        for counts, money in [(counts_and_money[:3], counts_and_money[3:])]
    ]
    assert expected == [row for row in rows if row[2] == product]


def test_another_window_length(spark: SparkSession) -> None:
    times = (TEN, TEN + 4 * MINUTE, TEN + 5 * MINUTE)
    orders = spark.createDataFrame([(time, "ann", "tea", 1, Decimal(1)) for time in times], ORDER)
    found = frames.rows(transform(orders, frames.offers(spark, []), "5 minutes"))
    assert [(TEN, 2), (TEN + 5 * MINUTE, 1)] == [(row[0], row[3]) for row in found]
