"""Sums, bars and the newest windows, worked out by hand."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pandas as pd
import pytest

from dashboard import insights
from dashboard.insights import Totals
from tests.dashboard.written import insight, minute
from tests.dashboard.written import insights as table

HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)


def rows_of(frame: pd.DataFrame, *columns: str) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in frame[list(columns)].itertuples(index=False))


def test_totals_are_exact_to_the_cent() -> None:
    large = insight(0, gross="9999999999999999.99", discount="0.01")
    assert insights.totals(table(large, insight(1, gross="0.02", discount="0.00"))) == Totals(
        2, Decimal("10000000000000000.01"), Decimal("0.01"), Decimal("10000000000000000.00")
    )
    assert insights.totals(table()) == Totals(0, Decimal("0.00"), Decimal("0.00"), Decimal("0.00"))


def test_products_are_picked_by_name_and_none_means_all() -> None:
    rows = table(insight(0, "mug"), insight(0, "cup"), insight(1, "mug"))
    assert insights.products(rows) == ["cup", "mug"]
    assert insights.of_products(rows, ["mug"]).num_rows == 2
    assert insights.of_products(rows, []).num_rows == 3


def test_a_bar_is_a_window_and_final_once_the_watermark_has_reached_its_end() -> None:
    rows = table(insight(0, "mug"), insight(0, "cup"), insight(1, "mug"), insight(2, "mug"))
    bars = insights.bars(rows, minute(2), HOUR)
    assert rows_of(bars, "start", "end", "product_id", "net_revenue", "state") == [
        (minute(0), minute(1), "cup", 9.0, "final"),
        (minute(0), minute(1), "mug", 9.0, "final"),
        (minute(1), minute(2), "mug", 9.0, "final"),
        (minute(2), minute(3), "mug", 9.0, "still filling"),
    ]


def test_without_a_watermark_nothing_is_final() -> None:
    assert set(insights.bars(table(insight(0)), None, HOUR)["state"]) == {"still filling"}
    assert set(insights.newest(table(insight(0)), None, 5)["state"]) == {"still filling"}


def test_a_long_span_has_wide_bars_that_fill_until_their_own_end() -> None:
    rows = table(insight(0), insight(29), insight(30, gross="20.00"))
    bars = insights.bars(rows, minute(31), DAY)
    assert rows_of(bars, "start", "end", "gross_revenue", "state") == [
        (minute(0), minute(30), 20.0, "final"),
        (minute(30), minute(60), 20.0, "still filling"),
    ]


@pytest.mark.parametrize(("hours", "minutes"), [(0.25, 1), (1, 1), (6, 5), (24, 30)])
def test_no_span_has_more_bars_than_there_is_room_for(hours: float, minutes: int) -> None:
    bars = insights.bars(table(insight(0)), None, timedelta(hours=hours))
    assert rows_of(bars, "start", "end") == [(minute(0), minute(minutes))]


def test_gross_revenue_is_split_into_net_and_discount() -> None:
    rows = table(insight(0, "mug"), insight(0, "cup", gross="5.00", discount="0.50"), insight(1))
    series, split = insights.split(insights.bars(rows, minute(1), HOUR))
    assert series == ["net revenue", "discount"]
    assert rows_of(split, "start", "series", "position", "amount", "state") == [
        (minute(0), "discount", 1, 1.5, "final"),
        (minute(0), "net revenue", 0, 13.5, "final"),
        (minute(1), "discount", 1, 1.0, "still filling"),
        (minute(1), "net revenue", 0, 9.0, "still filling"),
    ]


def test_eight_products_have_a_colour_each() -> None:
    rows = table(*(insight(0, name) for name in "hgfedcba"))
    series, _ = insights.by_product(insights.bars(rows, None, HOUR), "net_revenue")
    assert series == list("abcdefgh")


def test_of_more_products_the_small_ones_are_one() -> None:
    rows = table(*(insight(0, name, gross=f"{20 - at}.00") for at, name in enumerate("ihgfedcba")))
    series, bars = insights.by_product(insights.bars(rows, None, HOUR), "gross_revenue")
    assert series == [*"cdefghi", "other products"]
    assert rows_of(bars[bars["position"] > 5], "series", "amount") == [("i", 20.0), ("other products", 25.0)]


def test_the_amounts_of_the_newest_windows_are_the_tables_own() -> None:
    newest = insights.newest(table(insight(0, gross="65.40", discount="3.28")), None, 1)
    assert rows_of(newest, *insights.MONEY) == [(65.4, 3.28, 62.12)]


def test_the_newest_windows_come_first_and_in_them_the_largest_revenue() -> None:
    rows = table(insight(0), insight(2, "cup"), insight(2, "mug", gross="30.00"), insight(1))
    newest = insights.newest(rows, minute(2), 3)
    assert list(newest["product_id"]) == ["mug", "cup", "mug"]
    assert list(newest["state"]) == ["still filling", "still filling", "final"]
    assert list(newest["net_revenue"]) == [29.0, 9.0, 9.0]
