"""The discounts file: what is a clear error at the start, and what an event's discount is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from pyspark.sql import SparkSession

from jobs.runtime.job import TableError
from jobs.tables.discounts import DISCOUNTS
from tests.jobs import frames
from tests.jobs.reference import Event, Offer, Row
from tests.jobs.runs import csv

HEADER = "user_id,product_id,discount_percent"
LONG = f"{HEADER},valid_from,valid_until"
TEN = datetime(2024, 3, 1, 10, 0, tzinfo=UTC)


def load(spark: SparkSession, folder: Path, text: str | bytes) -> list[Row]:
    file = folder / "offers.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return frames.rows(DISCOUNTS.load(spark, str(file)))


# The text, and what the message must name: line, column, what is there.
FAULTS: dict[str, tuple[str | bytes, list[str]]] = {
    "empty file": ("", ["line 1", "user_id"]),
    "missing column": ("user_id,product_id\nann,tea\n", ["line 1", "'discount_percent'"]),
    "unknown column": (f"{HEADER},colour\nann,tea,5,red\n", ["line 1", "'colour'"]),
    "repeated column": (f"{HEADER},user_id\nann,tea,5,ann\n", ["line 1", "'user_id'"]),
    "too few cells": (f"{HEADER}\nann,tea,5\nann,cup\n", ["line 3", "2 cells", "3"]),
    "too many cells": (f"{HEADER}\nann,tea,5,6\n", ["line 2", "4 cells", "3"]),
    "percent above 100": (f"{HEADER}\nann,tea,101\n", ["line 2", "discount_percent", "'101'"]),
    "percent just above 100": (f"{HEADER}\nann,tea,100.01\n", ["line 2", "discount_percent", "'100.01'"]),
    "percent below 0": (f"{HEADER}\nann,tea,-0.01\n", ["line 2", "discount_percent", "'-0.01'"]),
    "percent with three places": (f"{HEADER}\nann,tea,5.125\n", ["line 2", "discount_percent", "'5.125'"]),
    "percent as text": (f"{HEADER}\nann,tea,ten\n", ["line 2", "discount_percent", "'ten'"]),
    "percent with its sign": (f"{HEADER}\nann,tea,10%\n", ["line 2", "discount_percent", "'10%'"]),
    "percent NaN": (f"{HEADER}\nann,tea,NaN\n", ["line 2", "discount_percent", "'NaN'"]),
    "percent infinite": (f"{HEADER}\nann,tea,Infinity\n", ["line 2", "discount_percent", "'Infinity'"]),
    "percent empty": (f"{HEADER}\nann,tea,\n", ["line 2", "discount_percent", "''"]),
    "user empty": (f"{HEADER}\n,tea,5\n", ["line 2", "user_id", "empty"]),
    "product blank": (f"{HEADER}\nann, ,5\n", ["line 2", "product_id", "empty"]),
    "validity reversed": (
        f"{LONG}\nann,tea,5,2024-03-02T00:00:00Z,2024-03-01T00:00:00Z\n",
        ["line 2", "valid_until", "2024-03-01T00:00:00Z"],
    ),
    "validity of no time": (
        f"{LONG}\nann,tea,5,2024-03-01T00:00:00Z,2024-03-01T00:00:00Z\n",
        ["line 2", "valid_until"],
    ),
    "time without zone": (f"{LONG}\nann,tea,5,2024-03-01T00:00:00,\n", ["line 2", "valid_from", "zone"]),
    "time as text": (f"{LONG}\nann,tea,5,,tomorrow\n", ["line 2", "valid_until", "'tomorrow'"]),
    "not UTF-8": (f"{HEADER}\nann,tea,5\n".encode() + b"Zo\xeb,tea,5\n", ["line 3", "UTF-8"]),
    "open quotation": (f'{HEADER}\n"ann,tea,5\n', ["line 2"]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_file_line_and_column(spark: SparkSession, tmp_path: Path, fault: str) -> None:
    text, named = FAULTS[fault]
    with pytest.raises(TableError) as raised:
        load(spark, tmp_path, text)
    message = str(raised.value)
    assert "\n" not in message
    assert [] == [part for part in (str(tmp_path / "offers.csv"), *named) if part not in message], message


def test_a_missing_file_names_the_path_and_the_flag(spark: SparkSession, tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere.csv")
    with pytest.raises(TableError) as raised:
        DISCOUNTS.load(spark, missing)
    assert missing in str(raised.value)
    assert "--discounts" in str(raised.value)


TEA: Row = ("ann", "tea", Decimal("10.00"), None, None)
FINE: dict[str, str | bytes] = {
    "plain": f"{HEADER}\nann,tea,10\n",
    "places": f"{HEADER}\nann,tea,10.00\n",
    "byte order mark": b"\xef\xbb\xbf" + f"{HEADER}\nann,tea,10\n".encode(),
    "CRLF": f"{HEADER}\r\nann,tea,10\r\n",
    "no line break at the end": f"{HEADER}\nann,tea,10",
    "blank lines": f"{HEADER}\n\nann,tea,10\n\n",
    "blanks around cells": f"{HEADER.replace(',', ' , ')}\n ann , tea , 10 \n",
    "columns in another order": "discount_percent,user_id,product_id\n10,ann,tea\n",
    "quoted": f'{HEADER}\n"ann","tea","10"\n',
    "validity left open": f"{LONG}\nann,tea,10,,\n",
    "identical rows": f"{HEADER}\nann,tea,10\nann,tea,10\n",
    "a lower row besides": f"{HEADER}\nann,tea,9.99\nann,tea,10\nann,tea,0\n",
}


@pytest.mark.parametrize("text", FINE)
def test_ways_to_write_the_same_table(spark: SparkSession, tmp_path: Path, text: str) -> None:
    assert [TEA] == load(spark, tmp_path, FINE[text])


def test_no_discounts_at_all(spark: SparkSession, tmp_path: Path) -> None:
    assert [] == load(spark, tmp_path, f"{HEADER}\n")


def test_names_are_taken_as_they_are(spark: SparkSession, tmp_path: Path) -> None:
    found = load(spark, tmp_path, f'{HEADER}\nZoë 🍵,"tea, green",100\n7,true,0.01\n')
    assert [
        ("7", "true", Decimal("0.01"), None, None),
        ("Zoë 🍵", "tea, green", Decimal("100.00"), None, None),
    ] == found


def test_times_in_other_zones(spark: SparkSession, tmp_path: Path) -> None:
    line = "ann,tea,10,2024-03-01T15:30:00+05:30,2024-03-01T10:00:00.000001Z"
    expected = [("ann", "tea", Decimal("10.00"), TEN, TEN + timedelta(microseconds=1))]
    assert expected == load(spark, tmp_path, f"{LONG}\n{line}\n")


def test_at_every_instant_the_highest_valid_percent_and_no_other(spark: SparkSession, tmp_path: Path) -> None:
    """200 products with up to six overlapping offers each, asked at, before and after every bound."""
    random = Random(7)
    offers = [_offer(random, f"p{product}") for product in range(200) for _ in range(random.randint(1, 6))]
    found = [Offer(*row) for row in load(spark, tmp_path, csv(offers))]
    for product in range(200):
        name = f"p{product}"
        loaded = [offer for offer in found if offer.product_id == name]
        for second in range(-1, 11):
            for tick in (-1, 0, 1):
                time = TEN + timedelta(seconds=second, microseconds=tick)
                event = Event("e", "ann", name, time)
                valid = [offer.percent for offer in offers if offer.covers(event)]
                expected = [max(valid)] if valid else []
                assert expected == [offer.percent for offer in loaded if offer.covers(event)], (name, time)


def _offer(random: Random, product: str) -> Offer:
    start, end = sorted(random.sample(range(10), 2))
    return Offer(
        "ann",
        product,
        Decimal(random.randint(0, 10_000)) / 100,
        random.choice((None, TEN + timedelta(seconds=start))),
        random.choice((None, TEN + timedelta(seconds=end))),
    )
