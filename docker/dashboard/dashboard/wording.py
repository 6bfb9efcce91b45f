"""Figures as people read them: thousands separated, money with two decimals, event time in UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

UNKNOWN = "\N{EN DASH}"
"""Stands for a figure that is not available."""


def count(number: int) -> str:
    """Return a count like `12,345`."""
    return f"{number:,}"


def money(amount: Decimal | float) -> str:
    """Return an amount like `12,345.60`."""
    return f"{amount:,.2f}"


def rate(rows: float) -> str:
    """Return rows per second, like `0.4` or `1,234`."""
    return f"{rows:,.1f}" if rows < 100 else f"{rows:,.0f}"


def duration(time: timedelta) -> str:
    """Return the time in its largest units: `0.85 s`, `3 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `4 d 1 h`."""
    seconds = time.total_seconds()
    if seconds < 10 and seconds % 1:
        return f"{seconds:.2f} s"
    minutes, hours, days = int(seconds) // 60, int(seconds) // 3600, int(seconds) // 86400
    if not minutes:
        return f"{int(seconds)} s"
    if not hours:
        return f"{minutes} min {int(seconds) % 60} s"
    return f"{hours} h {minutes % 60} min" if not days else f"{days} d {hours % 24} h"


def moment(time: datetime) -> str:
    """Return a time of day like `12:03:20`."""
    return f"{time:%H:%M:%S}"


def window(start: datetime, end: datetime) -> str:
    """Return a window like `1 Jan 12:10 - 12:20`, with an en dash for the hyphen."""
    return f"{start.day} {start:%b} {clock_times(start, end)}"


def clock_times(start: datetime, end: datetime) -> str:
    """Return a window's times of day like `12:10 - 12:20`, with an en dash for the hyphen."""
    return f"{start:%H:%M} \N{EN DASH} {end:%H:%M}"
