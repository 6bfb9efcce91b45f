"""From envelopes to events: parsed once, checked, rid of duplicates; what is not an event is a dead letter.

The shape of the physical plan is the point of this file, and `tests/jobs/runtime/test_events.py` holds it:

* JSON is parsed once. A filter on parsed columns would be pushed below the projection that parses, which
  parses again for every condition; a generator (`inline`) is a barrier that no filter passes.
* Dead letters cost no second pass. Good and bad rows share one exchange, the one that deduplication by
  `event_id` needs anyway: `good` and `dead_letters` then read the same shuffle files (ReusedExchange).
* The watermark sees good rows only: a dead letter's `event_time` is null.
"""

from __future__ import annotations

import operator
from datetime import timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sources.catalog import Stream
from sources.envelope import ENVELOPE

NAMES = ("event_id", "user_id", "product_id")

RFC_3339 = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\z"
PLAIN_PRICE = r"^-?\d{1,16}(\.\d{1,2}0*)?\z"
# How the JSON parser writes a number of eight or more digits: a double, exact up to 15 digits.
EXPONENT_PRICE = r"^-?\d(\.\d{1,14})?E\d{1,2}\z"
LARGEST_ORDER = 10**13
"""Order values from here on are bad input: a thousand of them in one window would overflow decimal(18,2)."""


def check(envelopes: DataFrame, stream: Stream, *, watermark: str, max_future_skew: timedelta) -> DataFrame:
    """Envelopes as events and dead letters, by `event_id` in partitions of its hash.

    Columns: `event_id string`; for an event `event_time timestamp` and `event`, a struct of `user_id string,
    product_id string` and, for orders, `quantity int, unit_price decimal(18,2)`; for a dead letter
    `dead_letter`, a struct of the envelope's columns and what its reason is found from. What does not apply
    is null.
    """
    parsed = _parsed(envelopes, stream)
    checks = [condition for condition, _ in _checks(stream, max_future_skew)]
    wrong = reduce(operator.or_, (F.coalesce(condition, F.lit(False)) for condition in checks))
    order = [F.col("quantity"), F.col("price").alias("unit_price")] if stream.order_fields else []
    columns = [
        F.col("event_id"),
        F.when(~F.col("wrong"), F.col("time")).alias("event_time"),
        F.when(~F.col("wrong"), F.struct("user_id", "product_id", *order)).alias("event"),
        F.when(F.col("wrong"), F.struct(*parsed.columns)).alias("dead_letter"),
    ]
    checked = parsed.withColumn("wrong", wrong).select(columns)
    return checked.withWatermark("event_time", watermark).repartition("event_id")


def good(checked: DataFrame) -> DataFrame:
    """The events of `check`, each `event_id` once: within the watermark in a stream, over all in a batch."""
    here = _where_it_stands("event is not null and dead_letter is null")
    events = checked.filter(here).select("event_id", "event_time", "event.*")
    if events.isStreaming:
        return events.dropDuplicatesWithinWatermark(["event_id"])
    return events.dropDuplicates(["event_id"])


def dead_letters(checked: DataFrame, stream: Stream, *, max_future_skew: timedelta) -> DataFrame:
    """The dead letters of `check`: the envelope's columns and `reason string`, the first that applies."""
    here = _where_it_stands("dead_letter is not null and event is null and event_time is null")
    letters = checked.filter(here).select("dead_letter.*")
    reasons = _checks(stream, max_future_skew)
    no_object = F.col("event_id").isNull() & ~_is_object()
    chain = F.when(no_object & F.col("is_text"), "value is not one JSON object")
    for condition, reason in reasons:
        chain = chain.when(condition, reason)
    return letters.select(*ENVELOPE.fieldNames(), chain.alias("reason"))


def _where_it_stands(condition: str) -> Column:
    """A filter on `check`'s columns that stays above its exchange, as all do that are not deterministic.

    `good` and `dead_letters` each name every column here: only equal exchanges are shared.
    """
    return F.expr(f"({condition}) or spark_partition_id() = -1")


def _parsed(envelopes: DataFrame, stream: Stream) -> DataFrame:
    """The envelope, the fields as text (`quantity int`), `time`, `price` of orders, `now`, what the value is.

    Spark compiles no generator with a JSON parser in it; the other functions that it does not compile stand
    there too, so that everything around it is compiled. What it does compile stands before, for in the
    generator it is interpreted. The batch's time is there because elsewhere it is a constant of the compiled
    code, which would be compiled anew for each batch; so would a seed (`rand`).
    """
    types = {"quantity": "int"}
    names = (*NAMES, "event_time", *stream.order_fields)
    schema = ", ".join(f"{name} {types.get(name, 'string')}" for name in names)
    parsed = F.from_json(_text(), schema, {"allowSingleQuotes": "false"}).alias("parsed")
    is_text = (F.decode("value", "UTF-8").cast("binary") == F.col("value")).alias("is_text")
    looked_at = envelopes.select("*", is_text, _one_brace().alias("one_brace"))
    found = F.struct(parsed, _alone().alias("alone"), F.current_timestamp().alias("now"))
    once = looked_at.select("*", F.inline(F.array(found)))
    fields = once.select(*envelopes.columns, "is_text", "alone", "now", "parsed.*")
    fields = fields.withColumn("time", _time())
    return fields.withColumn("price", _price()) if stream.order_fields else fields


def _time() -> Column:
    """`event_time` as a timestamp where it is RFC 3339, null where not.

    The usual spelling, whole seconds of UTC, is told without a regular expression and read without its zone,
    which Spark looks up by two regular expressions for every row; as bytes, for Spark counts all characters
    of a text for each part that is taken of it. The session's time zone is UTC.
    """
    octets, layout = "cast(event_time as binary)", {5: "-", 11: "T", 14: ":", 17: ":", 20: "Z"}
    marks = (f"substring({octets}, {at}, 1) = X'{ord(mark):X}'" for at, mark in layout.items())
    usual = F.expr(" and ".join(("octet_length(event_time) = 20", *marks)))
    seconds = F.expr(f"try_cast(cast(substring({octets}, 1, 19) as string) as timestamp)")
    return F.when(usual, seconds).when(
        F.upper("event_time").rlike(RFC_3339), F.expr("try_cast(upper(event_time) as timestamp)")
    )


def _price() -> Column:
    """`unit_price`'s text as decimal(18,2), null unless it is that exactly."""
    cents = F.expr("try_cast(unit_price as decimal(18,2))")
    exact = F.expr("try_cast(unit_price as decimal(38,18))")
    text = F.col("unit_price")
    return F.when((cents.cast("string") == text) | text.rlike(PLAIN_PRICE), cents).when(
        text.rlike(EXPONENT_PRICE) & (exact == cents), cents
    )


def _text() -> Column:
    return F.col("value").cast("string")


def _one_brace() -> Column:
    """Whether the value has one closing brace, at its very end."""
    return F.expr(
        "endswith(value, X'7D') and not contains(substring(value, 1, octet_length(value) - 1), X'7D')"
    )


def _alone() -> Column:
    """Whether the text is one JSON value and nothing else: the parser stops behind the first one.

    `one_brace` proves it for an object; other texts are looked at again, in an array.
    """
    text = "concat('[', cast(value as string), ',0]')"
    second = F.expr(f"get_json_object({text}, '$[1]') <=> '0'")
    third = F.expr(f"get_json_object({text}, '$[2]') is null")
    return F.col("one_brace") | (second & third)


def _is_object() -> Column:
    """Whether the text is a JSON object."""
    return _text().rlike(r'^\s*\{\s*["}]') & F.get_json_object(_text(), "$").isNotNull()


def _checks(stream: Stream, max_future_skew: timedelta) -> list[tuple[Column, str]]:
    """What makes a row of `_parsed` no event, with the reason; a condition that is null does not hold."""
    return [
        (F.col("value").isNull(), "value is null (a tombstone)"),
        (~F.col("is_text"), "value is not UTF-8"),
        (~F.col("alone"), "value is not one JSON object"),
        *(check for name in NAMES for check in _name_checks(name)),
        *_time_checks(max_future_skew),
        *(_order_checks() if stream.order_fields else []),
    ]


def _name_checks(name: str) -> list[tuple[Column, str]]:
    column = F.col(name)
    # The parser gives numbers, booleans, arrays and objects as text too: then the JSON itself has to tell.
    first = F.ascii(column)
    perhaps = first.between(ord("0"), ord("9")) | first.isin(*map(ord, "-[{")) | column.isin("true", "false")
    # An id often begins with a digit, and the regular expression costs as much as the parser.
    quoted = F.contains(_text(), F.lit(f'"{name}":"')) | _text().rlike(rf'"{name}"\s*:\s*"')
    return [
        (column.isNull(), f"{name} is missing or null"),
        (column == "", f"{name} is empty"),
        (perhaps & ~quoted, f"{name} is not a string"),
    ]


def _time_checks(max_future_skew: timedelta) -> list[tuple[Column, str]]:
    text, time = F.col("event_time"), F.col("time")
    # A producer that stamps its messages with a wrong clock must not vouch for its own events.
    now = F.least("published_at", "now")
    seconds = int(max_future_skew.total_seconds())
    return [
        (text.isNull(), "event_time is missing or null"),
        (
            time.isNull(),
            "event_time is not an RFC 3339 time with a zone, like 2026-01-31T12:00:00Z",
        ),
        (time < F.lit("1970-01-01T00:00:00Z").cast("timestamp"), "event_time is before 1970"),
        (
            # As numbers, for Spark adds an interval by way of the calendar.
            F.unix_micros(time) > F.unix_micros(now) + seconds * 1_000_000,
            f"event_time is more than {max_future_skew} ahead of published_at",
        ),
    ]


def _order_checks() -> list[tuple[Column, str]]:
    quantity, price = F.col("quantity"), F.col("price")
    return [
        (quantity.isNull() | (quantity < 1), "quantity is missing or not an integer >= 1"),
        (
            price.isNull() | (price < 0),
            "unit_price is missing or not a decimal >= 0 with at most 2 places",
        ),
        (
            price.cast("double") * quantity >= LARGEST_ORDER,
            f"quantity * unit_price is not below {LARGEST_ORDER:,}",
        ),
    ]
