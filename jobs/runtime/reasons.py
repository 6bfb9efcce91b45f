"""Why a message is no event: the cause and, behind a colon, where it shows, shortened and safe to print."""

from __future__ import annotations

from datetime import timedelta
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.runtime import spelling
from sources.catalog import Stream

NAMES = ("event_id", "user_id", "product_id")
LONGEST_NAME = 1024
"""Bytes of UTF-8: a longer id would make messages that no Kafka topic takes."""
LARGEST_ORDER = 10**13
"""Order values from here on are bad input: a thousand of them in one window would overflow decimal(18,2)."""

SHOWN = 60
"""Characters of the offending value that a reason shows."""
UNPRINTABLE = r"[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}\x{FFFD}]"
CONTROL_IN_A_STRING = r'"[~!#]?([^"]*[\x00-\x1f][^"]*)"'

NOT_UTF_8, NOT_JSON = "value is not UTF-8", "value is not one JSON object"
TIME = "event_time is not an RFC 3339 time with a zone, like 2026-01-31T12:00:00Z"


EMPTY, BLANK = f"{NOT_JSON} (empty)", f"{NOT_JSON} (blank)"
REGISTRY = f"{NOT_JSON} (a schema registry's 5 bytes before it)"
MARK = f"{NOT_JSON} (a byte order mark before it)"
CONTROL = f"{NOT_JSON} (a raw control character in a string)"
TOO_MUCH = f"quantity * unit_price is not below {LARGEST_ORDER:,}"
SAYS_ALL = r" is (missing|null|empty)\z|\((a tombstone|empty|blank)\)\z"
UTF_16 = "^(FFFE|FEFF|(?!00)..00(?!00)..00|00(?!00)..00(?!00)..)"
"""How it begins, in hexadecimal digits: with a byte order mark, or with two letters of ASCII."""
STARTS = {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd", "frame": b"\0", "mark": b"\xef\xbb\xbf"}


def kind(stream: Stream, max_future_skew: timedelta) -> Column:
    """The first thing that is wrong with a row of which `events.check` has made a dead letter."""
    fields = [_name(name) for name in NAMES]
    fields.append(_time(max_future_skew))
    if stream.order_fields:
        fields += [_quantity(), _price(), F.lit(TOO_MUCH)]
    return F.coalesce(_bytes(), _text(), *fields)


def reason(stream: Stream) -> Column:
    """The column `kind` with the value in question behind it, where that says more."""
    example = _example((*NAMES, "event_time", *stream.order_fields))
    return F.when(F.col("kind").rlike(SAYS_ALL), F.col("kind")).otherwise(
        F.concat("kind", F.lit(": "), _shown(example))
    )


def _bytes() -> Column:
    """What is wrong with the value's bytes."""
    value = F.col("value")
    begins = {name: F.startswith(value, F.lit(start)) for name, start in STARTS.items()}
    utf_16 = F.hex(F.substring(value, 1, 4)).rlike(UTF_16)
    return (
        F.when(value.isNull(), "value is null (a tombstone)")
        .when(F.octet_length(value) == 0, EMPTY)
        .when(begins["gzip"], f"{NOT_UTF_8} (gzip)")
        .when(begins["zstd"], f"{NOT_UTF_8} (zstd)")
        .when(utf_16, f"{NOT_UTF_8} (UTF-16)")
        .when(begins["frame"] & (F.substring(value, 6, 1) == F.lit(b"{")), REGISTRY)
        .when(~F.col("is_text"), NOT_UTF_8)
        .when(begins["mark"], MARK)
    )


def _text() -> Column:
    """What is wrong with the value as JSON."""
    text = F.col("value").cast("string")
    begins = {character: text.rlike(rf"^[ \t\r\n]*+\{character}") for character in '[{"'}
    holds_json = text.rlike(r'^[ \t\r\n]*+"(?:[ \t\r\n]|\\[trn])*+[\[{]')
    # This parser lets raw control characters and single quotes pass.
    lax = F.get_json_object(text, "$").isNotNull()
    several = text.rlike(r"\}[ \t\r\n]*+,?+[ \t\r\n]*+\{")
    found = (
        F.when(begins["["] & lax, "an array")
        .when(begins['"'] & lax, F.when(holds_json, "a string that holds JSON").otherwise("a string"))
        .when(text.rlike(r"^[ \t\r\n]*+-?[0-9.eE+-]++[ \t\r\n]*+\z"), "a number")
        .when(text.rlike(r"^[ \t\r\n]*+(?:true|false|null)[ \t\r\n]*+\z"), "true, false or null")
        .when(~begins["{"] | ~lax, "not JSON")
        .when(spelling.with_wrong_escapes(F.col("value")), "an escape that JSON does not know")
        .when(F.col("is_json"), F.when(several, "several objects").otherwise("something behind it"))
        .when(text.rlike(r"[{,:\[][ \t\r\n]*+'"), "single quotes")
        .otherwise("not JSON")
    )
    wrong = ~F.col("alone") | ~F.col("is_json")
    control = begins["{"] & ~F.col("is_json") & lax & (_control() != "")
    sentence = F.concat(F.lit(f"{NOT_JSON} ("), found, F.lit(")"))
    blank = text.rlike(r"^[ \t\r\n]*+\z")
    return F.when(blank, BLANK).when(wrong & control, CONTROL).when(wrong, sentence)


def _control() -> Column:
    """The first string with a raw control character, empty where there is none."""
    return F.regexp_extract(spelling.respelt(F.col("value")), CONTROL_IN_A_STRING, 1)


def _name(name: str) -> Column:
    token, text = F.col(f"parsed.{name}"), F.col(name)
    return (
        _absent(name)
        .when(_is(token, spelling.HALF), f"{name} has half of a surrogate pair")
        .when(text.isNull(), f"{name} is not a string")
        .when(text == "", f"{name} is empty")
        .when(F.octet_length(text) > LONGEST_NAME, f"{name} is longer than {LONGEST_NAME:,} bytes of UTF-8")
    )


def _time(max_future_skew: timedelta) -> Column:
    time = F.unix_micros("time")
    latest = F.unix_micros(F.least("published_at", "now")) + max_future_skew // timedelta(microseconds=1)
    return (
        _absent("event_time")
        .when(time.isNull(), TIME)
        .when(time < 0, "event_time is before 1970")
        .when(time > latest, f"event_time is more than {max_future_skew} ahead of published_at")
    )


def _quantity() -> Column:
    token, quantity = F.col("parsed.quantity"), F.col("quantity")
    return (
        _absent("quantity")
        .when((quantity < 1) | token.rlike(r"^#-[0-9]+\z"), "quantity is below 1")
        .when(quantity.isNull() & token.rlike(r"^#[0-9]+\z"), "quantity is above 2147483647")
        .when(quantity.isNull(), "quantity is not an integer")
    )


def _price() -> Column:
    token, price = F.col("parsed.unit_price"), F.col("price")
    number = token.rlike(r"^(#-?[0-9.]+([eE][-+]?[0-9]+)?|~-?[0-9]+(\.[0-9]+)?)\z")
    text = token.substr(F.lit(2), F.length(token))
    return (
        _absent("unit_price")
        .when((price < 0) | (price.isNull() & number & text.startswith("-")), "unit_price is below 0")
        .when(price.isNull() & ~number, "unit_price is not a decimal")
        .when(price.isNull() & (text.cast("double") >= 1e16), "unit_price is too large")
        .when(price.isNull(), "unit_price has more than 2 places")
    )


def _absent(name: str) -> Column:
    token = F.col(f"parsed.{name}")
    null = ~F.col("plain") & (token == f"{spelling.OTHER}null")
    return F.when(token.isNull(), f"{name} is missing").when(null, f"{name} is null")


def _is(token: Column, mark: str) -> Column:
    return ~F.col("plain") & token.startswith(mark)


def _example(names: tuple[str, ...]) -> Column:
    """What the kind is found in."""
    kind, value = F.col("kind"), F.col("value")
    number = F.conv(F.hex(F.substring(value, 2, 4)), 16, 10)
    behind = F.expr("cast(substring(value, 6) as string)")
    text = F.decode(value, "UTF-8")
    near = text.substr(F.greatest(F.lit(1), F.locate("\ufffd", text) - SHOWN // 2), F.length(text))
    example = (
        F.when(kind == NOT_UTF_8, near)
        .when(kind.startswith(f"{NOT_UTF_8} ("), F.hex(F.substring(value, 1, SHOWN)))
        .when(kind == REGISTRY, F.concat(F.lit("schema "), number, F.lit(", "), behind))
        .when(kind == CONTROL, _control())
        .when(kind.startswith("value"), text)
    )
    if "quantity" in names:
        product = F.concat(F.col("quantity").cast("string"), F.lit(" * "), F.col("price").cast("string"))
        example = example.when(kind == TOO_MUCH, product)
    field = F.split(kind, " ").getItem(0)
    first = F.when(F.lit(False), F.lit(None).cast("string"))
    token = reduce(lambda chain, name: chain.when(field == name, F.col(f"parsed.{name}")), names, first)
    return example.otherwise(_literal(token))


def _literal(token: Column) -> Column:
    """The token as JSON has it, strings in quotes."""
    string = F.when(F.col("plain"), token).when(
        token.startswith(spelling.STRING) | token.startswith(spelling.HALF),
        token.substr(F.lit(2), F.length(token)),
    )
    other = F.regexp_replace(F.regexp_replace(token, f"^{spelling.OTHER}", ""), '"[~!#]', '"')
    return F.when(string.isNotNull(), F.concat(F.lit('"'), string, F.lit('"'))).otherwise(other)


def _shown(text: Column) -> Column:
    r"""The text's first characters, each that a terminal could obey or hide as `\uXXXX`."""
    letters = F.split(F.substring(text, 1, SHOWN), "")
    safe = F.transform(
        letters,
        lambda one: F.when(one.rlike(UNPRINTABLE), F.format_string("\\u%04x", F.ascii(one))).otherwise(one),
    )
    return F.concat(F.array_join(safe, ""), F.when(F.length(text) > SHOWN, "…").otherwise(""))
