"""Why a message is not an event: the cause and, after a colon, the evidence, shortened and safe to print.

`events.check` finds the invalid messages among all of them, in Java. What is wrong with each is determined
here, one message at a time.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sources import instants
from sources.catalog import Stream

NAMES = ("event_id", "user_id", "product_id")
LONGEST_NAME = 1024
"""Bytes of UTF-8: a longer id would make messages that no Kafka topic accepts."""
LARGEST_ORDER = 10**13
"""Order values from this on are bad input: a thousand of them in one window would overflow decimal(18,2)."""

SHOWN = 60
"""The most characters of the offending value that a reason shows."""
HIDDEN = {"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"}
"""Unicode categories of characters that a terminal could obey or hide."""

NOT_UTF_8, NOT_JSON = "value is not UTF-8", "value is not one JSON object"
TIME = "event_time is not an RFC 3339 time with a zone, like 2026-01-31T12:00:00Z"

_WHITESPACE = " \t\r\n"
_UTF_16 = re.compile(rb"\xff\xfe|\xfe\xff|[^\0]\0[^\0]\0|\0[^\0]\0[^\0]", re.DOTALL)
_WRONG_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u(?![0-9a-fA-F]{4})")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ANOTHER = re.compile(r",?[ \t\r\n]*\{")
_SINGLE_QUOTES = re.compile(r"[{,:\[][ \t\r\n]*'")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"-?[0-9]+")
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_CENT = Decimal("0.01")


class _Number(str):
    """A number as it is spelled in the text."""


class _NoEvent(Exception):
    """A description of the error, and the value that shows it; None if the description suffices."""

    def __init__(self, kind: str, example: str | None = None) -> None:
        super().__init__(kind, example)
        self.kind, self.example = kind, example


def reason(value: bytes | None, stream: Stream, latest: int, max_future_skew: timedelta) -> str:
    """Return the first error in a message that `events.check` made a dead letter.

    `latest` is the latest time that its event could have had, in microseconds since 1970. The sentence begins
    with the field's name or `value`; the part before its first colon is a kind that can be counted.
    """
    try:
        fields = _fields(_text(value))
        for name in NAMES:
            _check_name(fields, name)
        _check_time(fields, latest, max_future_skew)
        if stream.order_fields:
            _check_order(fields)
    except _NoEvent as wrong:
        return wrong.kind if wrong.example is None else f"{wrong.kind}: {shown(wrong.example)}"
    return f"{NOT_JSON} (beyond the parser's limits): {shown(_text(value))}"


def kind(reason: str) -> str:
    """Return the reason without the offending value."""
    return reason.partition(": ")[0]


def shown(text: str) -> str:
    r"""Return the text's first characters, with `\uXXXX` for each that a terminal could obey or hide."""
    letters = (rf"\u{ord(one):04x}" if _is_hidden(one) else one for one in text[:SHOWN])
    return "".join(letters) + ("…" if len(text) > SHOWN else "")


def _is_hidden(letter: str) -> bool:
    return letter == "\ufffd" or unicodedata.category(letter) in HIDDEN


def _text(value: bytes | None) -> str:
    if value is None:
        raise _NoEvent("value is null (a tombstone)")
    if not value:
        raise _NoEvent(f"{NOT_JSON} (empty)")
    digits = value[:SHOWN].hex().upper()
    for encoding, start in {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}.items():
        if value.startswith(start):
            raise _NoEvent(f"{NOT_UTF_8} ({encoding})", digits)
    if _UTF_16.match(value):
        raise _NoEvent(f"{NOT_UTF_8} (UTF-16)", digits)
    text = value.decode(errors="replace")
    if value[:1] == b"\0" and value[5:6] == b"{":
        schema = int.from_bytes(value[1:5])
        raise _NoEvent(
            f"{NOT_JSON} (a schema registry's 5 bytes before it)",
            f"schema {schema}, {value[5:].decode(errors='replace')}",
        )
    if text.encode() != value:
        raise _NoEvent(NOT_UTF_8, text[max(0, text.index("\ufffd") - SHOWN // 2) :])
    if text.startswith("\ufeff"):
        raise _NoEvent(f"{NOT_JSON} (a byte order mark before it)", text)
    return text


def _fields(text: str) -> dict[str, Any]:
    """Return the members of the text's one object; the last one if a name is repeated."""
    bare = text.strip(_WHITESPACE)
    if not bare:
        raise _NoEvent(f"{NOT_JSON} (blank)")
    first, rest = _first(bare)
    if isinstance(first, dict) and not rest:
        return first
    if first is None and bare.startswith("{") and _first(bare, strict=False)[0] is not None:
        raise _NoEvent(f"{NOT_JSON} (a raw control character in a string)", _with_control(text))
    raise _NoEvent(f"{NOT_JSON} ({_instead(bare, first, rest)})", text)


def _first(text: str, *, strict: bool = True) -> tuple[object, str]:
    """Return the JSON value that the text begins with and the rest after it, or None and the whole text.

    Unless `strict`, strings may contain raw control characters.
    """
    decoder = json.JSONDecoder(
        parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant, strict=strict
    )
    try:
        value, end = decoder.raw_decode(text)
    except (ValueError, RecursionError):
        return None, text
    return (_NULL if value is None else value), text[end:].strip(_WHITESPACE)


_NULL = object()


def _refuse_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _instead(text: str, first: object, rest: str) -> str:
    """Return what the text is instead of one object; `first` is the value that it begins with."""
    if isinstance(first, list):
        return "an array"
    if isinstance(first, dict):
        return "several objects" if _ANOTHER.match(rest) else "something behind it"
    if isinstance(first, str) and not isinstance(first, _Number):
        return "a string that holds JSON" if first.lstrip(_WHITESPACE)[:1] in ("{", "[") else "a string"
    if first is not None and not rest:
        return "a number" if isinstance(first, _Number) else "true, false or null"
    if text.startswith("{"):
        if _first(_WRONG_ESCAPE.sub(r"\1\\u0000", text))[0] is not None:
            return "an escape that JSON does not know"
        if _SINGLE_QUOTES.search(text):
            return "single quotes"
    return "not JSON"


def _with_control(text: str) -> str:
    """Return the first string that contains a raw control character."""
    strings = (match[1] for match in _STRING.finditer(text))
    return next((one for one in strings if re.search(r"[\x00-\x1f]", one)), text)


def _check_name(fields: Mapping[str, object], name: str) -> None:
    value = _present(fields, name)
    if isinstance(value, _Number) or not isinstance(value, str):
        raise _NoEvent(f"{name} is not a string", _literal(value))
    if not value:
        raise _NoEvent(f"{name} is empty")
    if _SURROGATE.search(value):
        raise _NoEvent(f"{name} has half of a surrogate pair", _literal(value))
    if len(value.encode()) > LONGEST_NAME:
        raise _NoEvent(f"{name} is longer than {LONGEST_NAME:,} bytes of UTF-8", _literal(value))


def _check_time(fields: Mapping[str, object], latest: int, max_future_skew: timedelta) -> None:
    value = _present(fields, "event_time")
    time = None if isinstance(value, _Number) or not isinstance(value, str) else _microseconds(value)
    if time is None:
        raise _NoEvent(TIME, _literal(value))
    if time < 0:
        raise _NoEvent("event_time is before 1970", _literal(value))
    if time > latest:
        raise _NoEvent(f"event_time is more than {max_future_skew} ahead of published_at", _literal(value))


def _microseconds(text: str) -> int | None:
    try:
        return instants.microseconds(text)
    except ValueError:
        return None


def _check_order(fields: Mapping[str, object]) -> None:
    token = _present(fields, "quantity")
    if not isinstance(token, _Number) or not _INTEGER.fullmatch(token):
        raise _NoEvent("quantity is not an integer", _literal(token))
    quantity = int(token[:20])  # longer numbers are just as invalid, and Python reads at most 4,300 digits
    if quantity < 1:
        raise _NoEvent("quantity is below 1", _literal(token))
    if quantity >= 2**31:
        raise _NoEvent("quantity is above 2147483647", _literal(token))
    price = _price(fields)
    if quantity * price >= LARGEST_ORDER:
        raise _NoEvent(f"quantity * unit_price is not below {LARGEST_ORDER:,}", f"{quantity} * {price:.2f}")


def _price(fields: Mapping[str, object]) -> Decimal:
    token = _present(fields, "unit_price")
    if not isinstance(token, str) or not (isinstance(token, _Number) or _DECIMAL.fullmatch(token)):
        raise _NoEvent("unit_price is not a decimal", _literal(token))
    price = Decimal(token)
    if price < 0:
        raise _NoEvent("unit_price is below 0", _literal(token))
    if price >= 10**16:
        raise _NoEvent("unit_price is too large", _literal(token))
    if price != price.quantize(_CENT):
        raise _NoEvent("unit_price has more than 2 places", _literal(token))
    return price


def _present(fields: Mapping[str, object], name: str) -> object:
    if name not in fields:
        raise _NoEvent(f"{name} is missing")
    if fields[name] is None:
        raise _NoEvent(f"{name} is null")
    return fields[name]


def _literal(value: object) -> str:
    """Return the value as JSON, but with unescaped strings."""
    if isinstance(value, _Number):
        return value
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Mapping):
        return "{" + ",".join(f'"{name}":{_literal(one)}' for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_literal, value)) + "]"
    return json.dumps(value)
