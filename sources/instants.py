"""Instants in UTC: RFC 3339 text, and Kafka's milliseconds, without a float in between.

Every flag, file and table that holds a time is read by `parse`; what events hold, `jobs/runtime/events.py`
reads by the same rules.
"""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND, _MICROSECOND = timedelta(milliseconds=1), timedelta(microseconds=1)
_END_OF_FLAGS = datetime(9999, 1, 1, tzinfo=UTC)
_RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])(?:\.([0-9]{1,9}))?"
    r"(?:([Zz])|([+-])(?=18:00|0[0-9]|1[0-7])([0-9]{2}):([0-5][0-9]))"
)


def milliseconds(instant: datetime) -> int:
    """Milliseconds since 1970, cut down."""
    return (instant - EPOCH) // _MILLISECOND


def from_milliseconds(count: int) -> datetime:
    """Return the instant `count` milliseconds after 1970.

    Raises ValueError for one that is outside of the years 1 to 9999.
    """
    try:
        return EPOCH + count * _MILLISECOND
    except OverflowError:
        raise ValueError(f"{count} ms after 1970 is outside of the years 1 to 9999 in UTC") from None


def parse(text: str) -> datetime:
    """Return the instant of an RFC 3339 time with a zone, cut down to the microsecond.

    A zone is at most 18 hours away from UTC.

    Raises ValueError saying what is wrong: another form, no such day, or an instant that is outside of the
    years 1 to 9999 in UTC.
    """
    try:
        return EPOCH + microseconds(text) * _MICROSECOND
    except OverflowError:
        raise ValueError(f"{text!r} is outside of the years 1 to 9999 in UTC") from None


def microseconds(text: str) -> int:
    """Return the microseconds from 1970 to an RFC 3339 time with a zone, which may lead out of all years.

    Raises ValueError if it has another form or there is no such day.
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
    return (since + offset if sign == "-" else since - offset) // _MICROSECOND


def text(instant: datetime) -> str:
    """RFC 3339 with `Z`, to the microsecond where there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def flag(value: str) -> datetime:
    """An argument's value as an instant that leaves room for what is added to it."""
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
