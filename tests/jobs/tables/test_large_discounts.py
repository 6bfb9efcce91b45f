"""A large discounts file read by Spark, compared with the same file read line by line in Python."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.engine.job import TableError
from jobs.streaming_product_discounts import with_discount
from jobs.tables import large_discounts
from jobs.tables.discount_rows import PLAIN
from jobs.tables.discounts import DISCOUNTS, DiscountTable
from jobs.tables.discounts_csv import discount
from tests.jobs.tables.test_discounts import some_offers
from tests.support import frames
from tests.support.runs import csv

LARGE = DiscountTable(DISCOUNTS.flag, literal_bytes=0)
COLUMNS = ["user_id", "product_id", "discount_percent", "valid_from", "valid_until"]
HEADER = ",".join(COLUMNS)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

IDS = [
    "ann",
    "7",
    "",
    " ",
    " ann ",
    "a\\b",
    'a"b',
    '"',
    '""',
    "tea, green",
    "Zoë 🍵",
    "\0",
    "é" * 512,
    "é" * 513,
]
PERCENTS = [
    *("5", "10.00", "100", "100.0", "99.99", "0", "05", " 5\t", "5.1000"),
    *("100.01", "5.125", "1e1", "+5", "٣"),
]
DAY = "2024-02-29"
TIMES = [
    *("", f"{DAY}T10:00:00Z", f"{DAY}T10:00:00.000001Z", f" {DAY}T10:00:00+05:30", f"{DAY}T23:59:59.5-17:59"),
    *(f"{DAY}T10:00:00-00:00", f"{DAY}T10:00:00+18:00", f"{DAY}T10:00:00.1234567Z", f"{DAY}T10:00:60Z"),
    *("2023-02-29T10:00:00Z", f"{DAY}T24:00:00Z", f"{DAY} 10:00:00Z", f"{DAY}T10:00:00", f"{DAY}T10:00Z"),
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "0000-12-31T23:59:59Z", "1582-10-10T00:00:00Z"),
    *("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59+05:00", "tomorrow"),
]
SPOILS = [*"\",;'\\ \t\0-+.:Z0T_é\u00a0\u0663", "\ud83c", '""', ',"']


def lines(random: Random, count: int) -> Iterator[bytes]:
    """Yield lines, some right, some nearly right, and some spoiled by a character or a byte."""
    for _ in range(count):
        cells = [random.choice(kind) for kind in (IDS, IDS, PERCENTS, TIMES, TIMES)]
        if random.random() < 0.5:
            cells = [
                f"user {random.randrange(10**9)}",
                "tea",
                *(random.choice(k[:2]) for k in (PERCENTS, TIMES)),
                "",
            ]
        mark = random.choice(("", "", '"'))
        quoted = [f'"{c.replace(chr(34), chr(34) * 2)}"' if mark or "," in c else c for c in cells]
        line = ",".join(quoted[: random.choice((5, 5, 5, 5, 5, 5, 5, 4))])
        at = random.randrange(len(line) + 1)
        if random.random() < 0.4:
            line = line[:at] + random.choice(SPOILS) + line[at + random.choice((0, 1)) :]
        yield line.encode("utf-8", "surrogatepass") + random.choice((b"", b"", b"", b"\xff"))[: at % 2]


def judged(line: bytes) -> tuple[Any, ...] | None:
    try:
        found = discount(line, COLUMNS, "")
    except TableError:
        return None
    return found.user_id, found.product_id, found.percent, micros(found.valid_from), micros(found.valid_until)


def micros(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1)


def test_what_spark_takes_by_itself_is_what_python_reads(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "offers.csv"
    written = [line for line in lines(Random(3), 4_000) if line]
    file.write_bytes(b"\n".join([HEADER.encode(), *written]))
    plain = large_discounts._lines(spark.read.text(str(file)), COLUMNS).filter("plain")
    taken = {
        bytes(row[0]): tuple(row[1:]) for row in plain.selectExpr("cast(value as binary)", *PLAIN).collect()
    }
    assert {} == {line: (row, judged(line)) for line, row in taken.items() if row != judged(line)}
    right = {line for line in written if judged(line)}
    assert len(right) > 500
    assert len(taken) > 0.8 * len(right)


def test_both_ways_give_the_same_rows(spark: SparkSession, tmp_path: Path) -> None:
    """Cover overlaps, lines that only Python takes, quotations, blank lines, and a name that is a pattern."""
    file = tmp_path / "offers[1]{2}*.csv"
    odd = f'eve,tea,5,{DAY}T10:00:00-00:00,\n\n"e""ve","a,b"," 7 ",,\r\n'
    file.write_text("\ufeff" + csv(some_offers(Random(5), 50)) + odd, newline="")
    small, large = DISCOUNTS.load(spark, str(file)), LARGE.load(spark, str(file))
    assert frames.rows(small) == frames.rows(large)
    assert ("eve", "tea") in {row[:2] for row in frames.rows(large)}
    large.unpersist()


@pytest.fixture
def small_blocks(spark: SparkSession) -> Iterator[None]:
    """Read a file of a few lines in many parts."""
    sizes = {"spark.sql.files.maxPartitionBytes": "64", "spark.sql.files.openCostInBytes": "1"}
    for name, value in sizes.items():
        spark.conf.set(name, value)
    yield
    for name in sizes:
        spark.conf.unset(name)


FAULTS: dict[str, tuple[list[str], str]] = {
    "two": (
        [*["ann,tea,5"] * 40, "", "ann,tea,101", "ann,tea,102"],
        "line 43, column discount_percent: '101'",
    ),
    "header again": (["user_id,product_id,discount_percent"], "line 2, column discount_percent"),
    "open quotation": ([*["ann,tea,5"] * 20, '"ann,tea,5'], "line 22: unexpected end of data"),
}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_fault_is_named(spark: SparkSession, tmp_path: Path, fault: str) -> None:
    content, named = FAULTS[fault]
    file = tmp_path / "offers.csv"
    file.write_text("\n".join(["user_id,product_id,discount_percent", *content]))
    with pytest.raises(TableError) as large:
        LARGE.load(spark, str(file))
    with pytest.raises(TableError) as small:
        DISCOUNTS.load(spark, str(file))
    assert f"{file}, {named}" in str(large.value)
    assert str(small.value) == str(large.value)


def test_a_file_whose_name_spark_hides_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "_offers.csv"
    file.write_text("user_id,product_id,discount_percent\nann,tea,5\n")
    with pytest.raises(TableError, match="its name hides it"):
        LARGE.load(spark, str(file))


def test_a_loaded_table_stays_as_it_was_and_the_next_one_is_read(spark: SparkSession, tmp_path: Path) -> None:
    file = tmp_path / "offers.csv"
    file.write_text("user_id,product_id,discount_percent\nann,tea,5\n")
    before = LARGE.load(spark, str(file))
    file.write_text("user_id,product_id,discount_percent\nann,tea,6\n")
    after = LARGE.load(spark, str(file))
    assert [["5.00"], ["6.00"]] == [[str(r.discount_percent) for r in f.collect()] for f in (before, after)]
    before.unpersist()
    after.unpersist()


def test_a_table_that_is_too_large_to_broadcast_is_not_moved_or_sorted_for_the_join(
    spark: SparkSession, tmp_path: Path
) -> None:
    file = tmp_path / "offers.csv"
    file.write_text("user_id,product_id,discount_percent\n1,tea,5\n2,tea,6\n")
    table = large_discounts.load(spark, str(file), 3 * large_discounts.PARTITION)
    orders = spark.sql(
        "select cast(id as string) user_id, if(id < 9, 'tea', '') product_id, now() event_time from range(4)"
    )
    settings = {"spark.sql.autoBroadcastJoinThreshold": "10b", "spark.sql.adaptive.enabled": "false"}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        joined: Any = with_discount(orders, table)
        plan = joined._jdf.queryExecution().executedPlan().toString().partition("InMemoryRelation")[0]
        percents = [row.discount_percent for row in joined.orderBy("user_id").collect()]
    finally:
        for name in settings:
            spark.conf.unset(name)
    table.unpersist()
    assert "SortMergeJoin" in plan
    assert 1 == plan.count("Exchange hashpartitioning")
    assert 1 == plan.count(" Sort ")
    assert ["None", "5.00", "6.00", "None"] == [str(percent) for percent in percents]
