"""The discounts file: what is a clear error at the start, and which discount applies to an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.engine.job import TableError
from jobs.streaming_product_discounts import with_discount
from jobs.tables.discounts import DISCOUNTS
from tests.support import frames
from tests.support.reference import Event, Offer, Row
from tests.support.runs import csv

HEADER = "user_id,product_id,discount_percent"
LONG = f"{HEADER},valid_from,valid_until"
TEN = datetime(2024, 3, 1, 10, 0, tzinfo=UTC)


def load(spark: SparkSession, folder: Path, text: str | bytes) -> list[Row]:
    file = folder / "offers.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return frames.rows(DISCOUNTS.load(spark, str(file)))


# The text, and what the message must name: line, column, content.
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
    **{
        f"percent {text}": (f"{HEADER}\nann,tea,{text}\n", ["line 2", "discount_percent", repr(text)])
        for text in (
            "1_0",
            "+5",
            "1e1",
            "\u0663",
            "\uff15",
            "1\u00a0",
            "100.001",
            "5.",
            ".5",
            "-0",
            "0x5",
            "12,5"[:2] + ".",
        )
    },
    "user empty": (f"{HEADER}\n,tea,5\n", ["line 2", "user_id", "empty"]),
    "product empty": (f"{HEADER}\nann,,5\n", ["line 2", "product_id", "empty"]),
    "id too long": (f"{HEADER}\n{'é' * 512}a,tea,5\n", ["line 2", "user_id", "1,025", "1,024"]),
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
    "time after the last one in UTC": (
        f"{LONG}\nann,tea,5,,9999-12-31T23:59:59-05:00\n",
        ["line 2", "valid_until", "'9999-12-31T23:59:59-05:00'"],
    ),
    "time before the first one in UTC": (
        f"{LONG}\nann,tea,5,0001-01-01T00:00:00+05:00,\n",
        ["line 2", "valid_from", "'0001-01-01T00:00:00+05:00'"],
    ),
    "not UTF-8": (f"{HEADER}\nann,tea,5\n".encode() + b"Zo\xeb,tea,5\n", ["line 3", "UTF-8"]),
    "open quotation": (f'{HEADER}\n"ann,tea,5\n', ["line 2"]),
    "line break in a cell": (f'{HEADER}\nbob,tea,5\n"ann\nlee",tea,5\n', ["line 3", "line break"]),
    "text after a quotation": (f'{HEADER}\n"ann"x,tea,5\n', ["line 2", '"Anna ""Ann"" Lee"']),
    "a cell of a megabyte": (f"{HEADER}\nann,tea,{'5' * 2**20}\n", ["line 2", "field limit"]),
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
    "blanks around cells": f"{HEADER.replace(',', ' , ')}\nann,tea, 10\t\n",
    "CR": f"{HEADER}\rann,tea,10\r",
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
    found = load(
        spark, tmp_path, f'{HEADER}\nZoë 🍵,"tea, green",100\n7,true,0.01\n ann,tea ,0\n{"é" * 512}," ",3\n'
    )
    assert [
        (" ann", "tea ", Decimal("0.00"), None, None),
        ("7", "true", Decimal("0.01"), None, None),
        ("Zoë 🍵", "tea, green", Decimal("100.00"), None, None),
        ("é" * 512, " ", Decimal("3.00"), None, None),
    ] == found


def test_times_in_other_zones(spark: SparkSession, tmp_path: Path) -> None:
    line = "ann,tea,10,2024-03-01T15:30:00+05:30,2024-03-01T10:00:00.000001Z"
    expected = [("ann", "tea", Decimal("10.00"), TEN, TEN + timedelta(microseconds=1))]
    assert expected == load(spark, tmp_path, f"{LONG}\n{line}\n")


def test_the_first_and_the_last_instant_there_are(spark: SparkSession, tmp_path: Path) -> None:
    bounds = "0001-01-01T00:00:00.000001Z,9999-12-31T23:59:59.999998Z"
    expected = (
        datetime(1, 1, 1, microsecond=1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_998, tzinfo=UTC),
    )
    found = load(spark, tmp_path, f"{LONG}\nann,tea,10,{bounds}\n")
    assert [("ann", "tea", Decimal("10.00"), *expected)] == found


def test_the_table_lives_in_the_jvm_and_no_batch_makes_it_again(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "offers.csv"
    file.write_text(f"{HEADER}\nann,tea,10\n")
    discounts = DISCOUNTS.load(spark, str(file))
    plan: Any = discounts._jdf.queryExecution()
    assert "LocalTableScan" == plan.executedPlan().nodeName()


def test_a_small_table_is_broadcast(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "offers.csv"
    file.write_text(f"{HEADER}\nann,tea,10\n")
    orders = spark.sql("select cast(id as string) user_id, 'tea' product_id, now() event_time from range(10)")
    joined: Any = with_discount(orders, DISCOUNTS.load(spark, str(file)))
    plan = joined._jdf.queryExecution().executedPlan().toString()
    assert "BroadcastHashJoin" in plan
    assert "Exchange hashpartitioning" not in plan


def test_at_every_instant_the_highest_valid_percent_and_no_other(spark: SparkSession, tmp_path: Path) -> None:
    """Build 200 products of up to six overlapping offers, and query at, before and after every bound."""
    random = Random(7)
    offers = some_offers(random, 200)
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


def some_offers(random: Random, products: int) -> list[Offer]:
    """Return up to six offers per product, many of which overlap."""
    return [_offer(random, f"p{product}") for product in range(products) for _ in range(random.randint(1, 6))]


def _offer(random: Random, product: str) -> Offer:
    start, end = sorted(random.sample(range(10), 2))
    return Offer(
        "ann",
        product,
        Decimal(random.randint(0, 10_000)) / 100,
        random.choice((None, TEN + timedelta(seconds=start))),
        random.choice((None, TEN + timedelta(seconds=end))),
    )
