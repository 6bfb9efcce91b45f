"""Durations as users and Spark write them: `10 minutes`."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta

_UNITS = {"millisecond": 1, "second": 1000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}
_DURATION = re.compile(rf"(\d+) ({'|'.join(_UNITS)})s?")


def to_timedelta(duration: str) -> timedelta:
    """Return the length of a duration such as `10 minutes`; raise ValueError for any other text."""
    if not (match := _DURATION.fullmatch(duration.strip())):
        raise ValueError(f"{duration!r}: expected a number and a unit, like '30 seconds' or '10 minutes'")
    return timedelta(milliseconds=int(match[1]) * _UNITS[match[2]])


def duration(text: str) -> str:
    """Validate a duration above zero and return it as Spark takes it; raise argparse.ArgumentTypeError."""
    try:
        length = to_timedelta(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not length:
        raise argparse.ArgumentTypeError(f"{text!r}: expected more than nothing, like '30 seconds'")
    return text.strip()


def length(text: str) -> timedelta:
    """Parse a duration above zero into its length; raise argparse.ArgumentTypeError."""
    return to_timedelta(duration(text))
