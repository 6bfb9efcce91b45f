"""From envelopes to events: parsed once, checked, rid of duplicates; what is not an event is a dead letter.

The shape of the physical plan is the point of this file, and `tests/jobs/runtime/test_events.py` holds it:

* JSON is parsed once. A filter on parsed columns would be pushed below the projection that parses, which
  parses again for every condition; a generator (`inline`) is a barrier that no filter passes.
* Dead letters cost no second pass. Good and bad rows share one exchange, the one that deduplication by
  `event_id` needs anyway: `good` and `dead_letters` then read the same shuffle files (ReusedExchange).
* The watermark sees good rows only: a dead letter's `event_time` is null.
"""

from __future__ import annotations

from datetime import timedelta

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

    Columns: the event's (`event_id string, event_time timestamp, user_id string, product_id string` and, for
    orders, `quantity int, unit_price decimal(18,2)`) and `dead_letter`, null for an event, else a struct of
    the envelope's columns and `reason string`.
    """
    parsed = _parsed(envelopes, stream).withColumn("reason", _reason(stream, max_future_skew))
    order = [F.col("quantity"), F.col("price").alias("unit_price")] if stream.order_fields else []
    columns = [
        F.col("event_id"),
        F.when(F.col("reason").isNull(), F.col("time")).alias("event_time"),
        F.col("user_id"),
        F.col("product_id"),
        *order,
        F.when(F.col("reason").isNotNull(), F.struct(*ENVELOPE.fieldNames(), "reason")).alias("dead_letter"),
    ]
    shuffled = parsed.select(columns).withWatermark("event_time", watermark).repartition("event_id")
    kept = ("event_id", "event_time")
    rest = F.struct(*(name for name in shuffled.columns if name not in kept))
    return shuffled.select([F.col(name) for name in kept] + [F.inline(F.array(rest))])


def good(checked: DataFrame) -> DataFrame:
    """The events of `check`, each `event_id` once: within the watermark in a stream, over all in a batch."""
    events = checked.filter("dead_letter is null").drop("dead_letter")
    if events.isStreaming:
        return events.dropDuplicatesWithinWatermark(["event_id"])
    return events.dropDuplicates(["event_id"])


def dead_letters(checked: DataFrame) -> DataFrame:
    """The dead letters of `check`: the envelope's columns and `reason string`."""
    # Naming event_time, always null here, keeps it in this branch's exchange: only equal ones are shared.
    reason = F.coalesce("dead_letter.reason", F.col("event_time").cast("string")).alias("reason")
    envelope = [F.col(f"dead_letter.{name}") for name in ENVELOPE.fieldNames()]
    return checked.filter("dead_letter is not null").select([*envelope, reason])


def _parsed(envelopes: DataFrame, stream: Stream) -> DataFrame:
    types = {"quantity": "int"}
    names = (*NAMES, "event_time", *stream.order_fields)
    fields = ",".join(f"{name}:{types.get(name, 'string')}" for name in names)
    options = {"columnNameOfCorruptRecord": "corrupt", "allowSingleQuotes": "false"}
    # Wrapped like this, whatever follows the first value shows: as a second element, as a syntax error, or by
    # the end that is not reached. Bare, it would be lost.
    wrapped = F.concat(F.lit('{"event":['), F.col("text"), F.lit('],"end":true}'))
    schema = f"event array<struct<{fields}>>, end boolean, corrupt string"
    alone = F.coalesce(F.col("end") & (F.size("event") == 1), F.lit(False))
    no_object = (F.col("event").isNull() | ~F.col("alone")).alias("not_an_object")
    parsed_once = (
        envelopes.withColumn("text", F.decode("value", "UTF-8"))
        .select("*", F.inline(F.array(F.from_json(wrapped, schema, options))))
        .select(*envelopes.columns, "text", F.get("event", F.lit(0)).alias("event"), alone.alias("alone"))
        .select(*envelopes.columns, "text", "event.*", no_object)
        .withColumn("time", F.expr("try_cast(upper(event_time) as timestamp)"))
    )
    return parsed_once.withColumn("price", _price()) if stream.order_fields else parsed_once


def _price() -> Column:
    """`unit_price`'s text as decimal(18,2), null unless it is that exactly."""
    cents = F.expr("try_cast(unit_price as decimal(18,2))")
    exact = F.expr("try_cast(unit_price as decimal(38,18))")
    return F.when(F.col("unit_price").rlike(PLAIN_PRICE), cents).when(
        F.col("unit_price").rlike(EXPONENT_PRICE) & (exact == cents), cents
    )


def _reason(stream: Stream, max_future_skew: timedelta) -> Column:
    """Why a row is no event, null where it is one. The first of several reasons is given."""
    value, text = F.col("value"), F.col("text")
    checks = [
        (value.isNull(), "value is null (a tombstone)"),
        (F.encode(text, "UTF-8") != value, "value is not UTF-8"),
        (F.col("not_an_object"), "value is not one JSON object"),
        *(check for name in NAMES for check in _name_checks(name)),
        *_time_checks(max_future_skew),
        *(_order_checks() if stream.order_fields else []),
    ]
    (condition, reason), *others = checks
    chain = F.when(condition, reason)
    for condition, reason in others:
        chain = chain.when(condition, reason)
    return chain


def _name_checks(name: str) -> list[tuple[Column, str]]:
    column = F.col(name)
    # The parser gives numbers, booleans, arrays and objects as text too: then the JSON itself has to tell.
    first = F.ascii(column)
    perhaps = first.between(ord("0"), ord("9")) | first.isin(*map(ord, "-[{")) | column.isin("true", "false")
    quoted = F.col("text").rlike(rf'"{name}"\s*:\s*"')
    return [
        (column.isNull(), f"{name} is missing or null"),
        (column == "", f"{name} is empty"),
        (perhaps & ~quoted, f"{name} is not a string"),
    ]


def _time_checks(max_future_skew: timedelta) -> list[tuple[Column, str]]:
    text, time = F.col("event_time"), F.col("time")
    # A producer that stamps its messages with a wrong clock must not vouch for its own events.
    now = F.least(F.coalesce("published_at", F.current_timestamp()), F.current_timestamp())
    seconds = int(max_future_skew.total_seconds())
    return [
        (text.isNull(), "event_time is missing or null"),
        (
            ~F.upper(text).rlike(RFC_3339) | time.isNull(),
            "event_time is not an RFC 3339 time with a zone, like 2026-01-31T12:00:00Z",
        ),
        (time < F.lit("1970-01-01T00:00:00Z").cast("timestamp"), "event_time is before 1970"),
        (
            time > now + F.expr(f"interval {seconds} seconds"),
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
