"""Times in flags, records and tables: to the last character, and to the ends of the range."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobs.engine import command_line
from jobs.product_activity_windows import JOB as ACTIVITY
from sources import instants
from sources.base import SourceError
from sources.flags import options
from sources.kafka.options import KafkaOptions
from sources.laptop import publish
from sources.replay import files as replay_files

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SAME = {
    "2026-01-31T12:00:00Z": NOON,
    "2026-01-31t12:00:00z": NOON,
    "2026-01-31T17:30:00+05:30": NOON,
    "2026-01-30T18:00:00-18:00": NOON,
    "2026-01-31T12:00:00.000000999-00:00": NOON,
    "2026-01-31T12:00:00.5Z": NOON.replace(microsecond=500_000),
    "2024-02-29T00:00:00.123456789Z": datetime(2024, 2, 29, 0, 0, 0, 123_456, tzinfo=UTC),
    "9999-12-31T23:59:59.999999999Z": datetime.max.replace(tzinfo=UTC),
    "0001-01-01T00:00:00Z": datetime.min.replace(tzinfo=UTC),
    "9999-12-31T23:59:59+00:01": datetime(9999, 12, 31, 23, 58, 59, tzinfo=UTC),
}
WRONG = {
    **dict.fromkeys(
        (
            *("", "now", "2026-01-31", "2026-01-31T12:00Z", "2026-01-31 12:00:00Z", "20260131T120000Z"),
            *("2026-01-31T12:00:00", "2026-01-31T12:00:00+0100", "2026-01-31T12:00:00+01", "2026-W05-6"),
            *("2026-01-31T12:00:00Z ", "2026-01-31T12:00:00Z\n", " 2026-01-31T12:00:00Z", "\ufeff2026"),
            *("2026-01-31T12:00:00,5Z", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00.1234567890Z"),
            *("2026-01-31T24:00:00Z", "2026-01-31T12:60:00Z", "2016-12-31T23:59:60Z"),
            *(
                "2026-01-31T12:00:00+18:01",
                "2026-01-31T12:00:00+24:00",
                "2026-01-31T12:00:00+01:60",
                "2026-01-31T12:00:00+01:00:30",
            ),
            *("\uff12026-01-31T12:00:00Z", "2026-01-31T12:00:0\u0661Z", "2026-01-31T12:00:0_Z"),
            *("12026-01-31T12:00:00Z", "-026-01-31T12:00:00Z"),
        ),
        "is not an RFC 3339 time with a zone, like 2026-01-31T12:00:00Z",
    ),
    **dict.fromkeys(
        ("2026-02-30T12:00:00Z", "2026-13-01T00:00:00Z", "0000-01-01T00:00:00Z"), "is no day of the calendar"
    ),
    **dict.fromkeys(
        ("9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+00:01"), "is outside of the years 1 to 9999 in UTC"
    ),
}


@pytest.mark.parametrize("text", SAME)
def test_a_time(text: str) -> None:
    assert SAME[text] == instants.parse(text)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_time_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match=WRONG[text]) as raised:
        instants.parse(text)
    assert f"{text!r} {WRONG[text]}" == str(raised.value)


def test_milliseconds_end_with_the_year_9999() -> None:
    last = 253_402_300_799_999
    assert datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC) == instants.from_milliseconds(last)
    for count in (last + 1, -62_135_596_800_001, 2**63 - 1):
        said = f"^{count} ms after 1970 is outside of the years 1 to 9999 in UTC$"
        with pytest.raises(ValueError, match=said):
            instants.from_milliseconds(count)


BEYOND_A_FLAG = ("9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59Z", "1969-12-31T23:59:59Z", "2026-01-31")


@pytest.mark.parametrize("text", BEYOND_A_FLAG)
def test_a_flag_takes_no_time_that_arithmetic_could_take_out_of_range(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{text!r} .*; expected a time with a zone"):
        instants.flag(text)


def kafka_flags(*arguments: str) -> object:
    return options(KafkaOptions, arguments)


FLAGS: dict[str, Callable[[str], object]] = {
    "--kafka-starting": kafka_flags,
    "--windows-after": lambda given: command_line.parse(ACTIVITY, [given]),
    "--start": lambda given: options(publish.PublishOptions, [given]),
}


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("text", BEYOND_A_FLAG)
def test_no_command_line_takes_such_a_time(name: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        FLAGS[name](f"{name}={text}")
    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.search(rf": argument {name}[^:]*: {text!r}.* expected .*a time with a zone", said)


@pytest.mark.parametrize("name", ["published_at", "event_at"])
def test_a_replay_record_names_its_line_and_field(name: str) -> None:
    record = {"stream": "s", "partition": 0, "offset": 0, name: "9999-12-31T23:59:59-05:00"}
    with pytest.raises(SourceError) as raised:
        list(replay_files.parse(Path("1.jsonl"), b"\n" + json.dumps(record).encode(), "s"))
    said = f"1.jsonl, line 2: {name} '9999-12-31T23:59:59-05:00' is outside of the years 1 to 9999 in UTC"
    assert str(raised.value).startswith(said)
