"""The popular products: the newest final window's ranking, and when the next one comes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dashboard.job_progress import JobProgress

COLUMNS = ("window_start", "window_end", "product_id", "purchases", "buyers", "units", "revenue", "rank")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")


@dataclass(frozen=True)
class Ranking:
    """A window's products, best first: `product_id, purchases, buyers, units, revenue, rank`."""

    start: datetime
    end: datetime
    products: pd.DataFrame


@dataclass(frozen=True)
class Next:
    """The next window to become final: it ends at `end` and is emitted after an event at `due` or later."""

    end: datetime
    due: datetime


def newest(rows: pa.Table) -> Ranking | None:
    """Return the ranking of the newest window among the rows; None if there are no rows."""
    if not rows.num_rows:
        return None
    start = pc.max(rows["window_start"])
    ranked = rows.filter(pc.equal(rows["window_start"], start)).sort_by("rank")
    revenue = pc.cast(ranked["revenue"], pa.float64())
    frame = ranked.set_column(ranked.column_names.index("revenue"), "revenue", revenue).to_pandas()
    return Ranking(start.as_py(), ranked["window_end"][0].as_py(), frame[list(COLUMNS[2:])])


def next_final(progress: JobProgress, ranking: Ranking) -> Next | None:
    """Return what comes after `ranking`; None before the job has said how long it waits.

    A job says so whenever a batch emits nothing: the end of the oldest open window, and the event that makes
    it final. Later windows follow, one window length apart.
    """
    said = (TIME.findall(batch.waiting or "") for batch in reversed(progress.batches))
    times = next((times for times in said if len(times) == 2), None)
    if not times:
        return None
    end, due = map(datetime.fromisoformat, times)
    length = ranking.end - ranking.start
    behind = max(ranking.end - end, (progress.newest_event or end) - due)
    steps = max(0, behind // length + 1)
    return Next(end + steps * length, due + steps * length)
