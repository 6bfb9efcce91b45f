"""Times as Google's REST interfaces write them."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(seconds: float | None = None) -> str:
    """Return a time, in seconds since 1970 (default: now), as RFC 3339 in UTC with milliseconds."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
