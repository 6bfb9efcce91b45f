import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sources.base import Record, SourceError
from sources.replay import files as replay_files
from tests.support.full_disk import room_for

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
TIMES = some.datetimes(timezones=some.just(UTC)) | some.none()
VALUES = some.lists(some.binary() | some.none(), min_size=1)
LINE = {"stream": "s", "partition": 1, "offset": 7, "key": "k", "value": "v", "published_at": None}


def decoded(**changes: object) -> Record:
    return replay_files.decode(json.dumps(LINE | changes).encode(), "s")


@given(
    key=some.binary() | some.none(),
    value=some.binary() | some.none() | some.text().map(str.encode),
    attributes=some.dictionaries(some.text(some.characters(codec="utf-8")), VALUES),
    times=some.tuples(TIMES, TIMES),
)
def test_every_message_survives(
    key: bytes | None,
    value: bytes | None,
    attributes: dict[str, list[bytes | None]],
    times: tuple[datetime | None, datetime | None],
) -> None:
    record = Record("s", key, value, times[0], attributes, 1, 7, times[1])
    line = replay_files.encode(record)
    assert line.count(b"\n") == 1
    assert replay_files.decode(line, "s") == record


def test_text_is_readable_in_the_file() -> None:
    record = Record("s", b"k\xc3\xbc", b'{"a": 1}', NOON, {"raw": [b"\xff"], "x": [b"1", None]}, 0, 3, NOON)
    assert replay_files.encode(record).decode() == (
        '{"stream":"s","partition":0,"offset":3,"key":"kü","value":"{\\"a\\": 1}",'
        '"attributes":{"x":["1",null]},"attributes_base64":{"raw":["/w=="]},'
        '"published_at":"2026-01-01T12:00:00Z","event_at":"2026-01-01T12:00:00Z"}\n'
    )


def test_unknown_fields_and_blank_lines_are_ignored(tmp_path: Path) -> None:
    lines = json.dumps(LINE | {"reason": "quantity 0"}).encode() + b"\n\n  \n"
    records = list(replay_files.parse(tmp_path / "0001.jsonl", lines, "s"))
    assert [(record.key, record.value, record.attributes, record.event_at) for record in records] == [
        (b"k", b"v", {}, None)
    ]


def test_base64_in_lines_of_76_characters_as_spark_writes_dead_letters_is_read() -> None:
    wrapped = "/w" + "A" * 74 + "\r\n" + "AAAA"
    assert decoded(value=None, value_base64=wrapped).value == b"\xff" + bytes(59)
    assert decoded(attributes_base64={"a": [wrapped]}).attributes == {"a": [b"\xff" + bytes(59)]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"stream": "s", "part', "line 2: .*; expected one message as a JSON object; remedy"),
        (b"[]", "list is not an object"),
        (b"{}", "'stream' is missing"),
        (b'{"stream": "other"}', "stream is 'other' in the folder of 's'"),
        (b'{"stream": "s", "partition": -1}', "partition -1 is not a whole number"),
        (b'{"stream": "s", "partition": 0, "offset": true}', "offset True is not a whole number"),
        (json.dumps(LINE | {"value": {"a": 1}}).encode(), r"\{'a': 1\} is not a string"),
        (json.dumps(LINE | {"value_base64": "eA=="}).encode(), "both value and value_base64"),
        (json.dumps(LINE | {"key": None, "key_base64": "%"}).encode(), "'%' is not base64"),
        (json.dumps(LINE | {"event_at": "2026-01-01T12:00:00"}).encode(), "event_at .* with a zone"),
        (json.dumps(LINE | {"event_at": 1}).encode(), "event_at 1 is not a time with a zone"),
        (json.dumps(LINE | {"attributes": {"a": "x"}}).encode(), "attribute 'a' is 'x', not a list"),
        (json.dumps(LINE | {"attributes": []}).encode(), r"attributes \[\] is not an object"),
        (json.dumps(LINE | {"value": "\ud800"}).encode(), r"'\\ud800' is not text that UTF-8 can hold"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: bytes, reason: str) -> None:
    content = json.dumps(LINE).encode() + b"\n" + line
    with pytest.raises(SourceError, match=r"0001\.jsonl, line 2: ") as raised:
        list(replay_files.parse(tmp_path / "0001.jsonl", content, "s"))
    assert raised.match(reason)
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_written_whole_does_not_appear(tmp_path: Path) -> None:
    record = Record("s", b"k", b"v" * 100_000, NOON, {}, 0, 0, NOON)
    with room_for(50_000), pytest.raises(OSError, match="File too large"):
        replay_files.write(tmp_path / "s" / "0001.jsonl", [record])
    assert list((tmp_path / "s").iterdir()) == []
    replay_files.write(tmp_path / "s" / "0001.jsonl", [record])
    assert [file.name for file in (tmp_path / "s").iterdir()] == ["0001.jsonl"]


def test_files_are_numbered_after_the_last(tmp_path: Path) -> None:
    assert replay_files.following(tmp_path / "s").name == "0001.jsonl"
    (tmp_path / "0009.jsonl").touch()
    (tmp_path / "notes.jsonl").touch()
    assert replay_files.following(tmp_path).name == "0010.jsonl"
