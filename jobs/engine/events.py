"""From envelopes to events: parsed, validated and deduplicated; any other message is a dead letter.

The shape of the physical plan is the point of this file, and `tests/jobs/engine/test_events.py` pins it:

* JSON is parsed once: not at all if it is a flat object, which a regular expression reads, and a second time
  only if the first parse may have lost something. A filter on parsed columns would be pushed below the
  projection that parses, which would then parse again for every condition; a generator (`inline`) is a
  barrier that no filter passes.
* Dead letters cost no second pass. Good and bad rows share one exchange, the one that deduplication by
  `event_id` needs anyway: `dead_letters` reads what it has written (`executed_batch.py`), if a metric says
  that there are any.
* The reason a message is not a valid event is not found here but in `reasons.py`: the expressions would be
  planned in every batch, with or without dead letters, and planning is most of what a small batch costs.
* The watermark sees good rows only: a dead letter's `event_time` is null.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.engine import flat, spelling
from jobs.engine.reasons import LARGEST_ORDER, LONGEST_NAME, NAMES
from sources import instants
from sources.catalog import Stream
from sources.envelope import ENVELOPE

RFC_3339 = (
    r"^\d{4}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-](0\d|1[0-7]):[0-5]\d|[+-]18:00)\z"
)
PRICE = r"^-?0*[0-9]{1,16}(\.[0-9]{1,2}0*+)?\z"
EXPONENT_PRICE = r"^-?[0-9]++(\.[0-9]++)?[eE][-+]?0*[0-9]{1,3}\z"
EXACT_DIGITS = 18
"""The most digits of a price with an exponent: with more it has over two places; decimal(38,20) is exact."""


def check(envelopes: DataFrame, stream: Stream, *, watermark: str, max_future_skew: timedelta) -> DataFrame:
    """Return envelopes as events and dead letters, hash-partitioned by `event_id`.

    Columns: `event_id string`; for an event `event_time timestamp` and `event`, a struct of `user_id string,
    product_id string` and, for orders, `quantity int, unit_price decimal(18,2)`; for a dead letter
    `dead_letter`, a struct of the envelope's columns and `latest bigint`, the latest time that its event
    could have had, in microseconds since 1970. Columns that do not apply are null. If a field is given more
    than once, the last one counts. `dead_letter_metric` counts the dead letters.
    """
    # A producer that stamps its messages with a wrong clock must not vouch for its own events. The sum is of
    # numbers because Spark adds an interval by calendar arithmetic.
    latest = F.unix_micros(F.least("published_at", "now")) + max_future_skew // instants.MICROSECOND
    parsed = _parsed(envelopes, stream).withColumn("latest", latest)
    wrong = reduce(operator.or_, (F.coalesce(condition, F.lit(False)) for condition in _checks(stream)))
    order = [F.col("quantity"), F.col("price").alias("unit_price")] if stream.order_fields else []
    columns = [
        F.col("event_id"),
        F.when(~F.col("wrong"), F.col("time")).alias("event_time"),
        F.when(~F.col("wrong"), F.struct("user_id", "product_id", *order)).alias("event"),
        F.when(F.col("wrong"), F.struct(*ENVELOPE.fieldNames(), "latest")).alias("dead_letter"),
    ]
    checked = parsed.withColumn("wrong", wrong).select(columns)
    watermarked = checked.withWatermark("event_time", watermark)
    dead = F.count("dead_letter").alias("dead")
    return watermarked.observe(dead_letter_metric(stream.name), dead).repartition("event_id")


def dead_letter_metric(stream: str) -> str:
    """Return the name of the metric that counts a stream's dead letters."""
    return f"dead letters of {stream}"


def good(checked: DataFrame) -> DataFrame:
    """Return the events of `check`, each `event_id` once.

    A stream is deduplicated within the watermark, a batch as a whole.
    """
    here = _where_it_stands("event is not null and dead_letter is null")
    events = checked.filter(here).select("event_id", "event_time", "event.*")
    if events.isStreaming:
        return events.dropDuplicatesWithinWatermark(["event_id"])
    return events.dropDuplicates(["event_id"])


def dead_letters(checked: DataFrame) -> DataFrame:
    """Return the dead letters of `check`: the envelope's columns and `latest`."""
    here = _where_it_stands("dead_letter is not null and event is null and event_time is null")
    return checked.filter(here).select("dead_letter.*")


def _where_it_stands(condition: str) -> Column:
    """Return a filter on `check`'s columns that stays above its exchange because it is not deterministic.

    `good` and `dead_letters` each name the other's column too: Spark would prune it from the exchange.
    """
    return F.expr(f"({condition}) or spark_partition_id() = -1")


def _parsed(envelopes: DataFrame, stream: Stream) -> DataFrame:
    """Return the envelope, facts about the value, and the value's fields with their types.

    Fields: text, `quantity int`, `time`, `price`, each null if it is wrong. A `plain` row is flat, or the
    first parse, which yields the types, reads it correctly; only if that parse may have lost something is the
    text parsed again, in the spelling of `spelling.respelt`.

    Spark does not compile a generator that contains a JSON parser. The other functions that it does not
    compile are placed in the generator too, so that everything around it is compiled. Whatever Spark does
    compile comes before it, because the generator is interpreted. The batch's time is in there because
    elsewhere it would be a constant of the compiled code, which would be recompiled for each batch; the same
    holds for a seed (`rand`).
    """
    value, names = F.col("value"), (*NAMES, "event_time", *stream.order_fields)
    is_text = (F.decode("value", "UTF-8").cast("binary") == value).alias("is_text")
    looked_at = (
        envelopes.select(*envelopes.columns, is_text, flat.read(value, names).alias("lines"))
        .withColumn("flat", F.coalesce(flat.is_read(value, F.col("lines")), F.lit(False)))
        .withColumn("one_brace", F.col("flat") | spelling.one_brace(value))
        .withColumn("typed", ~F.col("flat") & spelling.typed(value, bool(stream.order_fields)))
    )
    text = F.when(F.col("typed"), value.cast("string"))
    found = F.transform(
        F.array(_from_json(text, names, TYPES)),
        lambda fields: F.struct(
            fields.alias("fields"),
            F.when(~(F.col("flat") | _plain(fields, stream)), _exact(names, stream)).alias("exact"),
            (F.col("one_brace") | spelling.alone(value)).alias("alone"),
            F.current_timestamp().alias("now"),
        ),
    )
    once = looked_at.select("*", F.inline(found)).withColumn("plain", F.col("exact").isNull())
    once = once.withColumn("of_flat", F.when(F.col("flat"), F.split("lines", "\n")))
    said = [
        F.when(F.col("flat"), of_flat.cast(TYPES.get(name, "string")))
        .when(F.col("plain"), F.col(f"fields.{name}"))
        .otherwise(F.col(f"exact.{name}"))
        .alias("price" if name == "unit_price" else name)
        for name, of_flat in zip(names, flat.fields(F.col("of_flat"), names), strict=True)
    ]
    is_json = (F.col("plain") | F.col("exact.is_json")).alias("is_json")
    facts = ("is_text", "alone", is_json, "now")
    return once.select(*ENVELOPE.fieldNames(), *facts, *said).withColumn("time", _time())


STRICT = {"allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}
"""Parser options that enforce RFC 8259."""
TYPES = {"quantity": "int", "unit_price": "decimal(18,2)"}


def _from_json(text: Column, names: Iterable[str], types: Mapping[str, str]) -> Column:
    """Return these fields of a JSON text and `malformed`, which is null if all of them could be read."""
    schema = ", ".join(f"{name} {types.get(name, 'string')}" for name in (*names, "malformed"))
    return F.from_json(text, schema, {**STRICT, "columnNameOfCorruptRecord": "malformed"})


def _plain(fields: Column, stream: Stream) -> Column:
    """Return whether the first parse has all fields and none of them can have been misread."""
    time = fields["event_time"]
    checks = [
        fields["malformed"].isNull(),
        *(spelling.from_a_string(fields[name]) for name in NAMES),
        (time >= "0") & (time < ":") & time.contains(":"),  # no number contains a colon
    ]
    if stream.order_fields:
        checks += [fields["quantity"] > 0, fields["unit_price"] >= 0]
    return F.coalesce(reduce(operator.and_, checks), F.lit(False))


def _exact(names: Iterable[str], stream: Stream) -> Column:
    """Return the respelt text's fields; used in the generator because Java compiles no method that long."""
    tokens = F.array(_from_json(spelling.respelt(F.col("value")), names, {}))
    return F.transform(tokens, lambda one: F.struct(*_said(one, stream))).getItem(0)


def _said(tokens: Column, stream: Stream) -> list[Column]:
    strings = [_string(tokens[name]).alias(name) for name in (*NAMES, "event_time")]
    numbers = [_quantity(tokens["quantity"]), _price(tokens["unit_price"])] if stream.order_fields else []
    is_json = tokens["malformed"].isNull() & ~spelling.with_wrong_escapes(F.col("value"))
    return [is_json.alias("is_json"), *strings, *numbers]


def _string(token: Column) -> Column:
    """Return the token's string, null if it is not a string or cannot be kept in full."""
    return F.when(token.startswith(spelling.STRING), token.substr(F.lit(2), F.length(token)))


def _quantity(token: Column) -> Column:
    """Return the token as `quantity int`, null unless it is an integer."""
    integer = F.when(token.rlike(rf"^{spelling.OTHER}[0-9]{{1,10}}\z"), F.substring(token, 2, 10))
    return integer.cast("int").alias("quantity")


def _price(token: Column) -> Column:
    """Return the token as `unit_price decimal(18,2)`, null unless it is exactly representable."""
    text = token.substr(F.lit(2), F.length(token))
    digits = F.regexp_replace(F.regexp_extract(text, r"^-?([0-9.]+)", 1), r"^[0.]+|\.|[0.]+\z", "")
    small = text.rlike(EXPONENT_PRICE) & (F.length(digits) <= EXACT_DIGITS)
    wide = F.when(small, text.cast("decimal(38,20)"))
    cents = wide.cast("decimal(18,2)")
    nothing = F.when(text.rlike(r"^-?[0.]++[eE][-+]?[0-9]++\z"), F.lit(0).cast("decimal(18,2)"))
    number = F.coalesce(F.when((wide == cents) & (wide != 0), cents), nothing)
    exact = F.when(
        (F.substring(token, 1, 1).isin(spelling.STRING, spelling.OTHER)) & text.rlike(PRICE),
        text.cast("decimal(18,2)"),
    ).when(token.startswith(spelling.OTHER), number)
    return exact.alias("unit_price")


def _time() -> Column:
    """Return `event_time` as a timestamp if it is RFC 3339, otherwise null.

    The usual spelling, whole seconds in UTC, is recognized without a regular expression and read without its
    zone, which Spark looks up with two regular expressions for every row. It is handled as bytes because
    Spark counts all characters of a text for each substring it takes. The session's time zone is UTC.
    """
    octets, layout = "cast(event_time as binary)", {5: "-", 11: "T", 14: ":", 17: ":", 20: "Z"}
    marks = (f"substring({octets}, {at}, 1) = X'{ord(mark):X}'" for at, mark in layout.items())
    # Spark reads a trailing `0 ` like `0`.
    digit = f"substring({octets}, 19, 1) between X'30' and X'39'"
    usual = F.expr(" and ".join(("octet_length(event_time) = 20", *marks, digit)))
    seconds = F.expr(f"try_cast(cast(substring({octets}, 1, 19) as string) as timestamp)")
    return F.when(usual, seconds).when(
        F.upper("event_time").rlike(RFC_3339), F.expr("try_cast(upper(event_time) as timestamp)")
    )


def _checks(stream: Stream) -> list[Column]:
    """Return the conditions that make a row a dead letter; a condition that is null does not hold."""
    names = [F.col(name) for name in NAMES]
    time, price = F.col("time"), F.col("price")
    checks = [
        F.col("value").isNull() | ~F.col("is_text") | ~F.col("alone") | ~F.col("is_json"),
        *(name.isNull() | (name == "") | (F.octet_length(name) > LONGEST_NAME) for name in names),
        time.isNull() | (time < F.lit("1970-01-01T00:00:00Z").cast("timestamp")),
        F.unix_micros(time) > F.col("latest"),
    ]
    if stream.order_fields:
        checks += [
            F.col("quantity").isNull() | (F.col("quantity") < 1) | price.isNull() | (price < 0),
            price.cast("double") * F.col("quantity") >= LARGEST_ORDER,
        ]
    return checks
