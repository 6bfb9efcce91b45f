"""The console sink on its own: what text from others may do to a terminal."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest
from pyspark.sql import SparkSession

from jobs.engine.sink import Results
from jobs.sinks import console
from sources.choice import OwnOptions

RESULTS = Results("job", "application", ("id",), ("id",), False, True)
HOSTILE = "mug\x1b[2J\x1b]0;title\x07\ntime=now job=forged\r\x7f\x9b31m\u202e\u2028end"


def test_a_terminal_obeys_no_products_id(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    write = console.open_sink(spark, OwnOptions(), RESULTS)
    write(spark.createDataFrame([(HOSTILE, 1), ("кружка ☕", 2)], "id string, n int"), 0)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert [line for line in lines if not line.isprintable()] == []
    shown = r"mug\u001b[2J\u001b]0;title\u0007\ntime=now job=forged\r\u007f\u009b31m\u202e\u2028end"
    assert lines[4].startswith(f"{shown} | ")
    assert lines[5].startswith("кружка ☕ ")


def test_a_terminal_of_few_characters_ends_no_run(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(octets, "ascii"))
    console.open_sink(spark, OwnOptions(), RESULTS)(spark.createDataFrame([("кружка",)], "id string"), 0)
    assert rb"\u043a\u0440\u0443\u0436\u043a\u0430" in octets.getvalue()


def test_rows_come_in_the_results_order_numbers_to_the_right_and_the_rest_is_counted(
    spark: SparkSession, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "SHOWN", 3)
    results = replace(RESULTS, order=("minute", "id"), upsert=True)
    rows = [(2, "a", 1), (10, "c", None), (10, "b", 200), (3, "z", 5)]
    frame = spark.createDataFrame(rows, "minute int, id string, n int").repartition(2)
    console.open_sink(spark, OwnOptions(), results)(frame, 7)
    assert capsys.readouterr().out.splitlines() == [
        "",
        "job: batch 7, running totals",
        "minute | id | n",
        "-------+----+----",
        "     2 | a  |   1",
        "     3 | z  |   5",
        "    10 | b  | 200",
        "… and 1 more rows",
    ]
