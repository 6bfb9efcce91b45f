"""A job's health: whether it is alive, how fast, how far behind, and why it emits nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from dashboard.job_progress import Batch, JobProgress

SILENT_AFTER = timedelta(seconds=60)
"""A query gives a sign of life with every batch, and every ten seconds when it has nothing to do."""
RATE_OVER = timedelta(seconds=60)
SHOWN = 40
"""Batches in a sparkline."""


@dataclass(frozen=True)
class Health:
    """A job's figures; rates are rows per second in the last minute, `late` and `dead` count from `since`."""

    alive: bool
    last_sign: datetime
    since: datetime | None
    """The end of the first batch that is counted; None before there is one."""
    rows_in: float
    rows_out: float
    late: int
    dead: int
    behind: timedelta | None
    """How far the watermark is behind the newest event; None before there is a watermark."""
    waiting: str | None
    """Why the job has emitted no row since the last one, in its own words."""
    silent: bool
    """Whether the job has emitted no row at all since the checkpoint's first batch."""
    recent: tuple[Batch, ...]
    recent_behind: tuple[float, ...]
    """Seconds that the watermark was behind, batch by batch."""


def health(progress: JobProgress, now: datetime) -> Health:
    """Return the job's health at `now`."""
    batches = progress.batches
    last_minute = [batch for batch in batches if batch.time > now - RATE_OVER]
    seconds = _seconds(batches, now)
    behind = [(newest, batch.watermark) for newest, batch in zip(_newest(batches), batches, strict=True)]
    known = [newest - watermark for newest, watermark in behind if newest and watermark]
    return Health(
        alive=now - progress.last_sign < SILENT_AFTER,
        last_sign=progress.last_sign,
        since=batches[0].time if batches else None,
        rows_in=sum(batch.rows_in for batch in last_minute) / seconds,
        rows_out=sum(batch.rows_out for batch in last_minute) / seconds,
        late=sum(batch.late for batch in batches),
        dead=sum(batch.dead for batch in batches),
        behind=known[-1] if known else None,
        waiting=_waiting(batches),
        silent=not any(batch.rows_out for batch in batches) and (not batches or batches[0].number == 0),
        recent=batches[-SHOWN:],
        recent_behind=tuple(one.total_seconds() for one in known[-SHOWN:]),
    )


def _seconds(batches: Sequence[Batch], now: datetime) -> float:
    """Return the seconds of the last minute in which the job ran."""
    if not batches:
        return RATE_OVER.total_seconds()
    start = batches[0].time - timedelta(seconds=batches[0].seconds)
    return max(1.0, min(RATE_OVER, now - start).total_seconds())


def _newest(batches: Sequence[Batch]) -> list[datetime | None]:
    """Return the newest event time up to each batch."""
    times = (batch.newest for batch in batches)
    return list(accumulate(times, lambda one, other: max(one, other) if one and other else one or other))


def _waiting(batches: Sequence[Batch]) -> str | None:
    for batch in reversed(batches):
        if batch.waiting or batch.rows_out:
            return batch.waiting
    return None
