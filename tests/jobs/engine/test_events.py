"""Every kind of bad input by its reason, every spelling of good input by its event, and the plan's shape."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.engine import events
from jobs.engine.dead_letters import DeadLetter
from sources.base import Record
from sources.catalog import BROWSING, PRODUCT
from sources.envelope import ENVELOPE
from tests.support import frames
from tests.support.reference import Message, Row

SKEW, WATERMARK = timedelta(minutes=10), timedelta(seconds=10)
AT = datetime(2024, 3, 1, 10, 0, tzinfo=UTC)
PUBLISHED = datetime(2024, 3, 1, 10, 0, 5, tzinfo=UTC)
GOOD = {
    "event_id": '"e-1"',
    "user_id": '"ann"',
    "product_id": '"tea"',
    "event_time": '"2024-03-01T10:00:00Z"',
    "quantity": "2",
    "unit_price": "1.50",
}
EVENT = ("e-1", AT, "ann", "tea", 2, Decimal("1.50"))

TIME = "event_time is not an RFC 3339 time with a zone, like 2026-01-31T12:00:00Z"
AHEAD = "event_time is more than 0:10:00 ahead of published_at"
EARLY = "event_time is before 1970"
TOO_MUCH = "quantity * unit_price is not below 10,000,000,000,000"


def not_json(kind: str) -> str:
    return f"value is not one JSON object ({kind})"


REGISTRY = not_json("a schema registry's 5 bytes before it")
A_MIB = b'"' + b"x" * 2**20 + b'"'


def value(**tokens: str | None) -> bytes:
    """Return a good order's JSON with these tokens instead; None leaves the field out."""
    fields = {**GOOD, **tokens}
    return ("{" + ",".join(f'"{k}":{v}' for k, v in fields.items() if v is not None) + "}").encode()


WHOLE: dict[str, tuple[bytes | None, str]] = {
    "tombstone": (None, "value is null (a tombstone)"),
    "empty": (b"", not_json("empty")),
    "blank": (b" \n", not_json("blank")),
    "not JSON": (b"hello", not_json("not JSON")),
    "null": (b"null", not_json("true, false or null")),
    "array": (b"[]", not_json("an array")),
    "an event in an array": (b"[" + value() + b"]", not_json("an array")),
    "number": (b"42", not_json("a number")),
    "string": (b'"text"', not_json("a string")),
    "an event in a string": (json.dumps(value().decode()).encode(), not_json("a string that holds JSON")),
    "cut off": (value()[:-1], not_json("not JSON")),
    "two events": (value() + value(), not_json("several objects")),
    "two events, one a line": (value() + b"\n" + value(), not_json("several objects")),
    "two events with a comma": (value() + b"," + value(), not_json("several objects")),
    "a number behind the event": (value() + b" 1", not_json("something behind it")),
    "a brace too many": (value() + b"}", not_json("something behind it")),
    "a brace too many and more": (value() + b"} and more", not_json("something behind it")),
    "a comma behind the event": (value() + b",", not_json("something behind it")),
    "a member behind the event": (value() + b',"more":1', not_json("something behind it")),
    "a word behind an event with a list of two": (
        value(more="[{},{}]") + b" end", not_json("something behind it")
    ),
    "the end of a list of events": (value() + b"]}", not_json("something behind it")),
    "the end of a list of two": (value() + b",0]", not_json("something behind it")),
    "a NUL behind the event": (value() + b"\0", not_json("something behind it")),
    "single quotes": (value().replace(b'"', b"'"), not_json("single quotes")),
    "byte order mark": (b"\xef\xbb\xbf" + value(), not_json("a byte order mark before it")),
    "schema registry": (b"\0\0\0\0\x11" + value(), REGISTRY),
    "a schema of a high number": (b"\0\0\0\x9c\x40" + value(), REGISTRY),
    "a tab in a name": (value(event_id='"a\tb"'), not_json("a raw control character in a string")),
    "an escape sequence": (value(more='"\x1b[31m"'), not_json("a raw control character in a string")),
    "NaN": (value(more="NaN"), not_json("not JSON")),
    "price NaN": (value(unit_price="NaN"), not_json("not JSON")),
    "price Infinity": (value(unit_price="-Infinity"), not_json("not JSON")),
    "hexadecimal beyond ASCII": (value(user_id='"\\u006İ"'), not_json("an escape that JSON does not know")),
    "an escape outside a string": (value(unit_price=r"24\u009.0"), not_json("not JSON")),
    "no such escape": (value(user_id=r'"\x41"'), not_json("not JSON")),
    "not UTF-8": (value(user_id='"Zoë"').decode().encode("latin-1"), "value is not UTF-8"),
    "UTF-16": (value().decode().encode("utf-16"), "value is not UTF-8 (UTF-16)"),
    "UTF-16 without a mark": (value().decode().encode("utf-16-be"), "value is not UTF-8 (UTF-16)"),
    "gzip": (gzip.compress(value()), "value is not UTF-8 (gzip)"),
    "zstd": (b"\x28\xb5\x2f\xfd\x04\x00", "value is not UTF-8 (zstd)"),
    "a surrogate": (value().replace(b"ann", b"\xed\xa0\x80"), "value is not UTF-8"),
    "overlong": (value().replace(b"ann", b"\xc1\xa1"), "value is not UTF-8"),
    "1 MiB that is not JSON": (A_MIB[:-1], not_json("not JSON")),
}  # fmt: skip
NAMES: dict[str, tuple[str | None, str]] = {
    "missing": (None, "{} is missing"),
    "null": ("null", "{} is null"),
    "empty": ('""', "{} is empty"),
    "number": ("7", "{} is not a string"),
    "negative number": ("-7.5", "{} is not a string"),
    "infinite number": ("1e400", "{} is not a string"),
    "boolean": ("true", "{} is not a string"),
    "array": ('["a"]', "{} is not a string"),
    "object": ('{"a":"b"}', "{} is not a string"),
    "one deeper": ('4711,"a":{"event_id":"x","user_id":"x","product_id":"x"}', "{} is not a string"),
    "one in a string": (r'4711,"note":"\"product_id\":\"x\""', "{} is not a string"),
    "high half": (r'"j-\ud83d"', "{} has half of a surrogate pair"),
    "other high half": (r'"j-\uD83C"', "{} has half of a surrogate pair"),
    "low half": (r'"\ude00?"', "{} has half of a surrogate pair"),
    "halves the wrong way round": (r'"\ude00\ud83d"', "{} has half of a surrogate pair"),
    "half beside a pair": (r'"\ud83d\ude00\ude00"', "{} has half of a surrogate pair"),
    "1,025 bytes": ('"' + "x" * 1025 + '"', "{} is longer than 1,024 bytes of UTF-8"),
    "513 letters of two bytes": ('"' + "ë" * 513 + '"', "{} is longer than 1,024 bytes of UTF-8"),
}  # fmt: skip
TIMES: dict[str, tuple[str | None, str]] = {
    "missing": (None, "event_time is missing"),
    "null": ("null", "event_time is null"),
    "empty": ('""', TIME),
    "no zone": ('"2024-03-01T10:00:00"', TIME),
    "no T": ('"2024-03-01 10:00:00Z"', TIME),
    "date": ('"2024-03-01"', TIME),
    "zone without colon": ('"2024-03-01T10:00:00+0100"', TIME),
    "zone by name": ('"2024-03-01T10:00:00 Europe/Paris"', TIME),
    "zone of more than 18 hours": ('"2024-03-01T10:00:00+18:01"', TIME),
    "zone of a day": ('"2024-03-01T10:00:00+24:00"', TIME),
    "no such day": ('"2024-02-30T10:00:00Z"', TIME),
    "no such hour": ('"2024-03-01T25:00:00Z"', TIME),
    "hour 24": ('"2024-03-01T24:00:00Z"', TIME),
    "leap second": ('"2016-12-31T23:59:60Z"', TIME),
    "a blank for a second": ('"2024-03-01T10:00:0 Z"', TIME),
    "a control character for a second": (r'"2024-03-01T10:00:0\u0001Z"', TIME),
    "digits of another script": ('"\uff12\uff1024-03-01T10:00:00Z"', TIME),
    "a digit of another script": ('"2024-03-01T10:00:0\u0661Z"', TIME),
    "ten places": ('"2024-03-01T10:00:00.0000000001Z"', TIME),
    "a line break behind": (r'"2024-03-01T10:00:00Z\n"', TIME),
    "epoch seconds": ("1709287200", TIME),
    "epoch milliseconds": ("1709287200000", TIME),
    "epoch seconds as text": ('"1709287200"', TIME),
    "boolean": ("true", TIME),
    "year 2037": ('"2037-01-01T00:00:00Z"', AHEAD),
    "the last there is": ('"9999-12-31T23:59:59-05:00"', AHEAD),
    "year 57971": ('"57971-01-01T00:00:00Z"', TIME),
    "year 0001": ('"0001-01-01T00:00:00Z"', EARLY),
    "before year 0001": ('"0001-01-01T00:00:00+05:00"', EARLY),
    "last instant before 1970": ('"1969-12-31T23:59:59.999999Z"', EARLY),
    "first instant too far ahead": ('"2024-03-01T10:10:05.000001Z"', AHEAD),
}
QUANTITIES: dict[str | None, str] = {
    None: "is missing",
    "null": "is null",
    **dict.fromkeys(("0", "-1", "-0", "-99999999999"), "is below 1"),
    **dict.fromkeys(("2147483648", "99999999999"), "is above 2147483647"),
    **dict.fromkeys(
        ("1.5", "1.0", "1e1", "1e400", '"2"', '""', "true", "[2]", '{"a":2}'), "is not an integer"
    ),
    '2,"quantity":"x"': "is not an integer",
    '2,"quantity":9999999999': "is above 2147483647",
}
PRICES: dict[str | None, str] = {
    None: "is missing",
    "null": "is null",
    **dict.fromkeys(("-1", "-0.01", '"-1"', "-1e2"), "is below 0"),
    **dict.fromkeys(("1.005", "0.001", "1e-3", "1e-400", "1e-99999999", '"1.005"'), "has more than 2 places"),
    **dict.fromkeys(("19.990000000000000001", "19.98999999999999999e0"), "has more than 2 places"),
    **dict.fromkeys(("1e400", "10000000000000000", "1e99999999", '"99999999999999999"'), "is too large"),
    **dict.fromkeys(('"NaN"', '""', '"1,50"', '" 1.50"', '"1.50 "', r'"1.50\n"'), "is not a decimal"),
    **dict.fromkeys(
        ('"1."', '".5"', '"+1"', '"1e2"', '"\u0661"', '"1_0"', '"abc"', "true", "[1]"), "is not a decimal"
    ),
}
BAD: dict[str, tuple[bytes | None, str]] = {
    **WHOLE,
    **{
        f"{name} {kind}": (value(**{name: token}), reason.format(name))
        for name in ("event_id", "user_id", "product_id")
        for kind, (token, reason) in NAMES.items()
    },
    **{f"event_time {kind}": (value(event_time=token), reason) for kind, (token, reason) in TIMES.items()},
    **{f"quantity {t}": (value(quantity=t), f"quantity {reason}") for t, reason in QUANTITIES.items()},
    **{f"unit_price {t}": (value(unit_price=t), f"unit_price {reason}") for t, reason in PRICES.items()},
    "order of 10**13": (value(quantity="1", unit_price="10000000000000"), TOO_MUCH),
    "order above 10**13": (value(quantity="2147483647", unit_price="999999999999.99"), TOO_MUCH),
    "names in capitals": (value().replace(b"event_id", b"EVENT_ID"), "event_id is missing"),
    "a number for the last of two": (value(product_id='"x","product_id":7'), "product_id is not a string"),
    "nothing for the last of two": (value(user_id='"x","user_id":null'), "user_id is null"),
    "a number by an escaped name": (
        value(product_id="4711").replace(b"product_id", rb"product\u005fid"),
        "product_id is not a string",
    ),
}
SHOWN = {
    "schema registry": 'schema 17, {"event_id":"e-1","user_id":"ann","product_id":"t…',
    "a schema of a high number": (
        'schema 40000, {"event_id":"e-1","user_id":"ann","product_id"…'
    ),
    "an escape sequence": r"\u001b[31m",
    "a tab in a name": r"a\u0009b",
    "not UTF-8": r'"event_id":"e-1","user_id":"Zo\ufffd","product_id":"tea","event_t…',
    "zstd": "28B52FFD0400",
    "byte order mark": r'\ufeff{"event_id":"e-1","user_id":"ann","product_id":"tea","event…',
    "product_id number": "7",
    "product_id object": '{"a":"b"}',
    "product_id high half": r'"j-\ud83d"',
    "product_id 1,025 bytes": '"' + "x" * 59 + "…",
    "quantity 1.0": "1.0",
    'quantity "2"': '"2"',
    "quantity 2147483648": "2147483648",
    "unit_price -1": "-1",
    "unit_price 19.990000000000000001": "19.990000000000000001",
    r'unit_price "1.50\n"': r'"1.50\u000a"',
    "event_time epoch seconds": "1709287200",
    "event_time epoch seconds as text": '"1709287200"',
    "order of 10**13": "1 * 10000000000000.00",
}  # fmt: skip
FINE: dict[str, tuple[bytes, Row]] = {
    "plain": (value(), EVENT),
    "blanks around": (b" \n" + value() + b"\r\n ", EVENT),
    "unknown fields": (value(more='{"a":[1,null,{"user_id":3}]}', colour='"red"', count="1e400"), EVENT),
    "1 MiB in an unknown field": (value(more=A_MIB.decode()), EVENT),
    "1 MiB of escapes": (value(more='"' + r"\n" * 2**19 + '"', user_id=r'"a\u006en"'), EVENT),
    "1,024 bytes in a name": (value(user_id='"' + "ë" * 512 + '"'), (*EVENT[:2], "ë" * 512, *EVENT[3:])),
    "a number in an unknown id": (value(store_id="17"), EVENT),
    "half a pair in an unknown field": (
        value(more=r'"\ud83d"', user_id='"a?"'),
        (*EVENT[:2], "a?", *EVENT[3:]),
    ),
    "a whole pair": (value(user_id=r'"\ud83c\udf75\\ud83d"'), (*EVENT[:2], r"🍵\ud83d", *EVENT[3:])),
    "a NUL in a name": (value(user_id=r'"a\u0000"'), (*EVENT[:2], "a\0", *EVENT[3:])),
    "the last of two": (value(quantity='"x","quantity":2', product_id='4711,"product_id":"tea"'), EVENT),
    "the order inside another": (value(more='{"quantity":"x","product_id":7,"unit_price":1.005}'), EVENT),
    "an escaped name": (value().replace(b"product_id", rb"product\u005fid"), EVENT),
    "marks": (value(user_id='"~#!"', more='{"~user_id":"x"}'), (*EVENT[:2], "~#!", *EVENT[3:])),
    "marks, spelt again": (value(user_id=r'"~\u005f#\"\\"'), (*EVENT[:2], '~_#"\\', *EVENT[3:])),
    "a name like a number": (value(user_id='"7"'), (*EVENT[:2], "7", *EVENT[3:])),
    "a name like a boolean": (value(user_id='"true"'), (*EVENT[:2], "true", *EVENT[3:])),
    "a name like an object": (value(user_id=r'"{\"a\":1}"'), (*EVENT[:2], '{"a":1}', *EVENT[3:])),
    "a name of a blank": (value(user_id='" "'), (*EVENT[:2], " ", *EVENT[3:])),
    "names beyond ASCII": (value(user_id='"Zoë 🍵"'), (*EVENT[:2], "Zoë 🍵", *EVENT[3:])),
    **{
        f"at {text}": (value(event_time=f'"{text}"'), (EVENT[0], at, *EVENT[2:]))
        for text, at in {
            "2024-03-01t10:00:00z": AT,
            "2024-03-01T15:30:00+05:30": AT,
            "2024-02-29T23:00:00-11:00": AT,
            "2024-03-01T10:00:00-00:00": AT,
            "2024-03-01T10:00:00.000001Z": AT + timedelta(microseconds=1),
            "2024-03-01T10:00:00.1Z": AT + timedelta(microseconds=100_000),
            "2024-03-01T10:00:00.123456789Z": AT + timedelta(microseconds=123_456),
            "2024-03-01T10:10:05Z": AT + timedelta(seconds=605),
            "1970-01-01T00:00:00Z": datetime(1970, 1, 1, tzinfo=UTC),
            "2024-03-01T04:00:00+18:00": AT - timedelta(days=1),
            "2024-02-29T16:00:00-18:00": AT,
            "1969-12-31T19:00:00-05:00": datetime(1970, 1, 1, tzinfo=UTC),
        }.items()
    },
    **{
        f"for {token}": (value(unit_price=token), (*EVENT[:5], Decimal(price)))
        for token, price in {
            '"1.50"': "1.50",
            '"1.500"': "1.50",
            "1.500": "1.50",
            "1.5": "1.50",
            "1": "1.00",
            "0": "0.00",
            "-0.0": "0.00",
            "0e400": "0.00",
            "150e-2": "1.50",
            "1.50000000000000000000": "1.50",
            '"0001.5"': "1.50",
            "1e2": "100.00",
            "12345678.90": "12345678.90",
            "4999999999999.99": "4999999999999.99",
            '"4999999999999.99"': "4999999999999.99",
        }.items()
    },
    "many": (
        value(quantity="2147483647", unit_price="0.01"),
        (*EVENT[:4], 2147483647, Decimal("0.01")),
    ),
}


def checked(spark: SparkSession, cases: Mapping[str, tuple[bytes | None, object]]) -> DataFrame:
    messages = [(0, Message(number, case[0], PUBLISHED)) for number, case in enumerate(cases.values())]
    frame = frames.envelopes(spark, PRODUCT.name, messages)
    return frames.check(frame, PRODUCT.name, WATERMARK, SKEW)


@pytest.fixture(scope="module")
def reasons(spark: SparkSession) -> dict[str, str]:
    found = {one.record.offset: one.reason for one in frames.letters(checked(spark, BAD), SKEW)}
    return {name: found.get(number, "an event") for number, name in enumerate(BAD)}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_a_dead_letter_with_its_reason(reasons: dict[str, str], name: str) -> None:
    assert BAD[name][1] == reasons[name].partition(": ")[0]


@pytest.mark.parametrize("name", SHOWN)
def test_a_reason_shows_the_offending_value_shortened_and_escaped(reasons: dict[str, str], name: str) -> None:
    assert SHOWN[name] == reasons[name].partition(": ")[2]


@pytest.fixture(scope="module")
def parsed(spark: SparkSession) -> dict[str, Row]:
    """Return the event of each case, or the reason if it is a dead letter."""
    frame = checked(spark, {name: (with_id(case[0], name), 0) for name, case in FINE.items()})
    columns = ("event_id", "event_time", "user_id", "product_id", "quantity", "unit_price")
    found = {row[0]: row for row in frames.rows(events.good(frame).select(*columns))}
    dead = {list(FINE)[one.record.offset]: (one.reason,) for one in frames.letters(frame, SKEW)}
    return {**found, **dead}


def with_id(text: bytes, name: str) -> bytes:
    return text.replace(b'"e-1"', b'"' + name.replace('"', "'").encode() + b'"')


@pytest.mark.parametrize("name", FINE)
def test_good_input_is_an_event(parsed: dict[str, Row], name: str) -> None:
    name_in_json = name.replace('"', "'")
    assert (name_in_json, *FINE[name][1][1:]) == parsed.get(name_in_json, parsed.get(name))


def test_a_view_needs_no_order_fields_and_ignores_wrong_ones(spark: SparkSession) -> None:
    views = (value(quantity=None, unit_price=None), value(event_id='"e-2"', quantity="-1", unit_price="true"))
    messages = [(0, Message(number, view, PUBLISHED)) for number, view in enumerate(views)]
    frame = frames.check(frames.envelopes(spark, BROWSING.name, messages), BROWSING.name, WATERMARK, SKEW)
    expected = [("e-1", AT, "ann", "tea"), ("e-2", AT, "ann", "tea")]
    assert expected == frames.rows(events.good(frame))


def test_the_clock_of_a_producer_does_not_vouch_for_its_own_events(spark: SparkSession) -> None:
    """`published_at` may be the producer's: if it is ahead of our clock or missing, our clock decides."""
    far = datetime(2200, 1, 1, tzinfo=UTC)
    rows: list[tuple[object, ...]] = [
        (BROWSING.name, 0, number, None, bytearray(value(event_time='"2200-01-01T00:00:00Z"')), {}, at, None)
        for number, at in enumerate((far, None))
    ]
    frame = frames.check(spark.createDataFrame(rows, ENVELOPE), BROWSING.name, WATERMARK, SKEW)
    assert [AHEAD, AHEAD] == [one.reason.partition(": ")[0] for one in frames.letters(frame, SKEW)]


def test_a_dead_letter_keeps_the_whole_envelope(spark: SparkSession) -> None:
    stored = {"trace": [bytearray(b"1"), None, bytearray(b"\xff")]}
    row = ("product-stream", 3, 17, bytearray(b"k"), bytearray(b"\xff"), stored, PUBLISHED, AT)
    frame = frames.check(spark.createDataFrame([row], ENVELOPE), PRODUCT.name, WATERMARK, SKEW)
    attributes = {"trace": [b"1", None, b"\xff"]}
    record = Record("product-stream", b"k", b"\xff", AT, attributes, 3, 17, PUBLISHED)
    assert [DeadLetter(r"value is not UTF-8: \ufffd", record)] == frames.letters(frame, SKEW)


def test_an_event_counts_once_in_a_batch(spark: SparkSession) -> None:
    messages = [(0, Message(number, value(), PUBLISHED)) for number in range(3)]
    frame = frames.check(frames.envelopes(spark, PRODUCT.name, messages), PRODUCT.name, WATERMARK, SKEW)
    assert [EVENT] == frames.rows(events.good(frame))


@pytest.fixture(scope="module")
def plan(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the physical plan of a batch of a stream's events."""
    folder = tmp_path_factory.mktemp("plan")
    frames.envelopes(spark, PRODUCT.name, [(0, Message(0, value(), PUBLISHED))]).write.parquet(
        str(folder / "in")
    )
    stream = spark.readStream.schema(ENVELOPE).parquet(str(folder / "in"))
    good = events.good(frames.check(stream, PRODUCT.name, WATERMARK, SKEW))
    writer = good.writeStream.format("noop").trigger(availableNow=True)
    query = writer.option("checkpointLocation", str(folder / "checkpoint")).start()
    query.awaitTermination()
    return str(query._jsq.explainInternal(False))


def test_json_is_parsed_once_and_again_where_the_first_look_is_not_enough(plan: str) -> None:
    first, again = re.split(r"from_json\(", plan)[1:]
    assert "CASE WHEN typed#" in first.partition("lambdafunction")[0], plan
    assert re.search(r"lambdafunction\(struct\(.* CASE WHEN \(NOT flat#\d+ AND NOT ", first), plan
    assert "regexp_replace(cast(value#" in again, plan


def test_the_only_exchange_holds_events_and_dead_letters(plan: str) -> None:
    (exchange,) = re.findall(r"- Exchange .*?(?=- Exchange |$)", plan, re.DOTALL)
    assert re.search(r"Project \[event_id#.* AS event#\d+, .* AS dead_letter#\d+", exchange), plan


def test_a_later_batch_compiles_no_query_anew(spark: SparkSession, tmp_path: Path) -> None:
    """Keep what differs from batch to batch, a seed or the time, out of the code that Spark generates."""
    for minute in range(4):
        message = Message(minute, value(event_time=f'"2024-03-01T10:0{minute}:00Z"'), PUBLISHED)
        frame = frames.envelopes(spark, PRODUCT.name, [(0, message)])
        frame.write.mode("append").parquet(str(tmp_path / "in"))
    files = spark.readStream.schema(ENVELOPE).option("maxFilesPerTrigger", 1).parquet(str(tmp_path / "in"))
    java: Any = spark._jvm
    compiled = java.org.apache.spark.metrics.source.CodegenMetrics.METRIC_COMPILATION_TIME()
    counts: list[int] = []

    def write(batch: DataFrame, _: int) -> None:
        batch.write.format("noop").mode("overwrite").save()
        counts.append(compiled.getCount())

    good = events.good(frames.check(files, PRODUCT.name, WATERMARK, SKEW))
    writer = good.writeStream.foreachBatch(write).trigger(availableNow=True)
    writer.option("checkpointLocation", str(tmp_path / "checkpoint")).start().awaitTermination()
    # The condition on the watermark is compiled again when the watermark has moved.
    assert counts[-1] - counts[0] <= 4, counts
