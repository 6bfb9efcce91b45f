"""Instants in UTC: RFC 3339 text, and Kafka's milliseconds, without a float in between."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(instant: datetime) -> int:
    """Milliseconds since 1970, cut down."""
    return (instant - EPOCH) // _MILLISECOND


def from_milliseconds(count: int) -> datetime:
    """The instant `count` milliseconds after 1970."""
    return EPOCH + count * _MILLISECOND


def parse(text: str) -> datetime:
    """An RFC 3339 time with a zone; raises ValueError for anything else."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return instant.astimezone(UTC)


def text(instant: datetime) -> str:
    """RFC 3339 with `Z`, to the microsecond where there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def flag(value: str) -> datetime:
    """An argument's value as an instant."""
    try:
        return parse(value)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{value!r}: expected a time with a zone, like 2026-01-01T12:00:00Z"
        ) from None
