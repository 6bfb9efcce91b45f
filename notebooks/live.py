"""A query on the running streams, shown while it works: what a cell displays is refreshed in place."""

# mypy: allow-untyped-calls
from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from IPython.display import DisplayHandle, Markdown, display

from notebooks.job_query import JobQuery

SECONDS = "TWINSTREAM_EXPLORE_SECONDS"
PAUSE = 1.0
"""Seconds between two looks at the streams."""

Show = Callable[[JobQuery], Sequence[object]]


def seconds(default: float = 60) -> float:
    """How long a cell watches: TWINSTREAM_EXPLORE_SECONDS, else `default`."""
    return float(os.environ.get(SECONDS) or default)


def watch(query: JobQuery, show: Show, seconds: float) -> None:
    """Run the query step after step for so many seconds, at least once, and refresh what `show` makes of it.

    `show` gives always as many tables and charts. Interrupting the kernel ends it early.
    """
    end = time.monotonic() + seconds
    handles: list[DisplayHandle] = []
    try:
        while not handles or time.monotonic() < end:
            query.step()
            shown = [Markdown(_status(query)), *show(query)]
            if handles:
                for handle, one in zip(handles, shown, strict=True):
                    handle.update(one)
            else:
                handles = [DisplayHandle() for _ in shown]
                for handle, one in zip(handles, shown, strict=True):
                    handle.display(one)
            time.sleep(max(0.0, min(PAUSE, end - time.monotonic())))
    except KeyboardInterrupt:
        display(Markdown("*stopped*"))


def _status(query: JobQuery) -> str:
    """One line on how far the query is, and what to do where nothing comes."""
    steps = query.steps
    watermark = steps["watermark_after"].iloc[-1]
    if not len(query.rows):
        return (
            "*No event yet.* To send some: `python -m sources publish --scenario shop --rate real-time "
            f"--count unlimited --source {query.options.source}`"
        )
    at = f"{watermark:%H:%M:%S}" if watermark else "none yet"
    return (
        f"**{datetime.now(UTC):%H:%M:%S}** · watermark {at} · {len(query.rows)} rows · "
        f"{steps['late'].sum()} late · {steps['dead'].sum()} dead letters · look {len(steps)}"
    )
