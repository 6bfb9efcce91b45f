"""Instants in UTC, converted to and from RFC 3339 text and Kafka's milliseconds without floats.

`parse` reads the times in every flag, file and table; `jobs/engine/events.py` reads those in events by the
same rules.
"""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_END_OF_FLAGS = datetime(9999, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])(?:\.([0-9]{1,9}))?"
    r"(?:([Zz])|([+-])(?=18:00|0[0-9]|1[0-7])([0-9]{2}):([0-5][0-9]))"
)


def milliseconds(instant: datetime) -> int:
    """Return the milliseconds since 1970, rounded down."""
    return (instant - EPOCH) // _MILLISECOND


def from_milliseconds(count: int) -> datetime:
    """Return the instant `count` milliseconds after 1970.

    Raise ValueError if it is outside the years 1 to 9999.
    """
    try:
        return EPOCH + count * _MILLISECOND
    except OverflowError:
        raise ValueError(f"{count} ms after 1970 is outside of the years 1 to 9999 in UTC") from None


def parse(text: str) -> datetime:
    """Return the instant of an RFC 3339 time with a zone, truncated to the microsecond.

    A zone is at most 18 hours away from UTC.

    Raise ValueError saying what is wrong: another format, a day that does not exist, or an instant outside
    the years 1 to 9999 in UTC.
    """
    try:
        return EPOCH + microseconds(text) * MICROSECOND
    except OverflowError:
        raise ValueError(f"{text!r} is outside of the years 1 to 9999 in UTC") from None


def microseconds(text: str) -> int:
    """Return the microseconds from 1970 to an RFC 3339 time with a zone, even outside the years 1 to 9999.

    Raise ValueError if the text has another format or its day does not exist.
    """
    parts = _RFC_3339.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time with a zone, like 2026-01-31T12:00:00Z")
    day, clock, fraction, _, sign, hours, minutes = parts.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        local = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '')[:6]:0<6}+00:00")
    except ValueError:
        raise ValueError(f"{text!r} is no day of the calendar") from None
    since = local - EPOCH
    return (since + offset if sign == "-" else since - offset) // MICROSECOND


def text(instant: datetime) -> str:
    """Return the instant in RFC 3339 with `Z`, with microseconds if there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def flag(value: str) -> datetime:
    """Return an argument's value as an instant that leaves room for what is added to it.

    Raise argparse.ArgumentTypeError if it is not a time with a zone, in the years 1970 to 9998 in UTC.
    """
    try:
        instant = parse(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{error}; expected a time with a zone, like 2026-01-01T12:00:00Z"
        ) from None
    if not EPOCH <= instant < _END_OF_FLAGS:
        raise argparse.ArgumentTypeError(
            f"{value!r} is not in the years 1970 to 9998 in UTC; expected a time with a zone in them"
        )
    return instant
