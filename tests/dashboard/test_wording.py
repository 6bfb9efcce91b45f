"""Figures as text."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from dashboard import wording
from tests.dashboard.written import minute


def test_money_has_two_places_and_thousands_apart() -> None:
    assert wording.money(Decimal("10000000000000000.01")) == "10,000,000,000,000,000.01"
    assert wording.money(5) == "5.00"
    assert wording.count(1234567) == "1,234,567"


def test_rates_are_short() -> None:
    assert [wording.rate(rows) for rows in (0.04, 3.25, 1234.5)] == ["0.0", "3.2", "1,234"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.854, "0.85 s"),
        (3, "3 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (3599, "59 min 59 s"),
        (7500, "2 h 5 min"),
        (86400 * 4 + 3700, "4 d 1 h"),
    ],
)
def test_a_duration_has_its_largest_units(seconds: float, text: str) -> None:
    assert wording.duration(timedelta(seconds=seconds)) == text


def test_windows_say_their_day() -> None:
    assert wording.window(minute(10), minute(20)) == "1 Jan 12:10 \N{EN DASH} 12:20"
    assert wording.moment(minute(0.5)) == "12:00:30"
