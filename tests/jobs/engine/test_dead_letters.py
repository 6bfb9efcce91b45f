"""The files that keep dead letters."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.engine import dead_letters, events
from jobs.engine.dead_letters import DeadLetter
from sources.base import Record
from tests.support import frames
from tests.support.reference import Message

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG = b"\xff" + bytes(59)


def letter(offset: int) -> DeadLetter:
    record = Record("product-stream", LONG, LONG, NOON, {"trace": [LONG, None]}, 3, offset, NOON)
    return DeadLetter("value is not UTF-8", record)


def written(folder: Path) -> list[int]:
    lines = [line for file in sorted(folder.glob("part-*.txt")) for line in file.read_text().splitlines()]
    return [json.loads(line)["offset"] for line in lines]


def test_a_line_is_a_replay_record_with_a_reason(spark: SparkSession, tmp_path: Path) -> None:
    dead_letters.write(spark, [letter(17)], str(tmp_path), 0)
    in_base64 = "/w" + "A" * 78
    assert json.loads((tmp_path / "batch=0" / "part-00000.txt").read_text()) == {
        "reason": "value is not UTF-8",
        "stream": "product-stream",
        "partition": 3,
        "offset": 17,
        "key_base64": in_base64,
        "value_base64": in_base64,
        "attributes": {},
        "attributes_base64": {"trace": [in_base64, None]},
        "published_at": "2026-01-01T12:00:00Z",
        "event_at": "2026-01-01T12:00:00Z",
    }


def test_a_batch_that_comes_again_replaces_all_its_files(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "PART_BYTES", 1000)
    dead_letters.write(spark, map(letter, range(9)), str(tmp_path), 7)
    assert written(tmp_path / "batch=7") == list(range(9))
    assert len(list((tmp_path / "batch=7").glob("part-*.txt"))) > 2
    (tmp_path / "batch=7" / "_SUCCESS").unlink()
    dead_letters.write(spark, [letter(9)], str(tmp_path), 7)
    assert written(tmp_path / "batch=7") == [9]
    assert (tmp_path / "batch=7" / "_SUCCESS").exists()


@pytest.mark.parametrize("count", [0, 2, 20_000])
def test_all_letters_come_with_any_count(spark: SparkSession, count: int) -> None:
    messages = [(number, Message(number, b"", NOON)) for number in range(2)]
    checked = frames.check(
        frames.envelopes(spark, "browsing-stream", messages),
        "browsing-stream",
        timedelta(seconds=10),
        timedelta(minutes=10),
    )
    found = dead_letters.letters(events.dead_letters(checked), timedelta(minutes=10), count)
    assert sorted((one.record.offset, one.reason) for one in found) == [
        (0, "value is not one JSON object (empty)"),
        (1, "value is not one JSON object (empty)"),
    ]


@pytest.mark.parametrize(
    ("microseconds", "year"), [(1_767_268_800_000_000, 2026), (2**62, 9999), (-(2**62), 1)]
)
def test_a_broker_may_store_any_time(spark: SparkSession, microseconds: int, year: int) -> None:
    columns = (
        "'browsing-stream' as stream, 0L as partition, 0L as offset, cast(null as binary) as key,"
        " cast(null as binary) as value, cast(map() as map<string, array<binary>>) as attributes,"
        f" timestamp_micros({microseconds}) as published_at, cast(null as timestamp) as event_at,"
        " 0L as latest"
    )
    (found,) = dead_letters.letters(spark.sql(f"select {columns}"), timedelta(0))
    assert found.record.published_at
    assert found.record.published_at.year == year
    assert found.record.event_at is None
