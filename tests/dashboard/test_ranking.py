"""The newest ranking, and when the next one becomes final."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pandas as pd
import pyarrow as pa

from dashboard import ranking
from dashboard.job_progress import Batch, JobProgress
from dashboard.ranking import Next, Ranking
from tests.dashboard.written import NOON, batch, minute

WAITING = (
    "windows that end at 2026-01-01T12:20:00Z or later are not final: "
    "that one comes out after an event of 2026-01-01T12:50:10Z or later"
)
AFTER_NOON = Ranking(minute(0), minute(10), pd.DataFrame())


def progress(*batches: Batch) -> JobProgress:
    return JobProgress("job", NOON, batches)


def row(start: float, product: str, rank: int) -> dict[str, object]:
    figures = {"purchases": 4, "buyers": 3, "units": 5, "revenue": Decimal("12.50"), "rank": rank}
    return {"window_start": minute(start), "window_end": minute(start + 10), "product_id": product, **figures}


def test_the_newest_window_is_ranked_best_first() -> None:
    rows = pa.Table.from_pylist([row(0, "cup", 1), row(10, "mug", 2), row(10, "pot", 1)])
    newest = ranking.newest(rows)
    assert newest
    assert (newest.start, newest.end) == (minute(10), minute(20))
    assert list(newest.products["product_id"]) == ["pot", "mug"]
    assert list(newest.products["revenue"]) == [12.5, 12.5]
    assert ranking.newest(rows.slice(0, 0)) is None


def test_a_job_that_never_waited_does_not_tell_when() -> None:
    silent = batch(1, waiting="there is no watermark before the second batch with events")
    assert ranking.next_final(progress(batch(0), silent), AFTER_NOON) is None


def test_the_job_itself_tells_when() -> None:
    told = batch(1, waiting=WAITING, newest=minute(40))
    later = batch(2, waiting="no event has changed a window")
    assert ranking.next_final(progress(told, later), AFTER_NOON) == Next(minute(20), at(50, 10))


def test_what_has_come_out_since_moves_it_on() -> None:
    told = batch(1, waiting=WAITING, newest=minute(40))
    out = Ranking(minute(10), minute(20), pd.DataFrame())
    assert ranking.next_final(progress(told), out) == Next(minute(30), at(60, 10))


def test_events_past_its_time_move_it_on() -> None:
    told = batch(1, waiting=WAITING, newest=at(50, 9))
    assert ranking.next_final(progress(told), AFTER_NOON) == Next(minute(20), at(50, 10))
    reached = batch(2, newest=at(50, 10))
    assert ranking.next_final(progress(told, reached), AFTER_NOON) == Next(minute(30), at(60, 10))
    gap = batch(3, newest=at(85, 0))
    assert ranking.next_final(progress(told, gap), AFTER_NOON) == Next(minute(60), at(90, 10))


def at(minutes: int, seconds: int) -> datetime:
    return minute(minutes + seconds / 60)
