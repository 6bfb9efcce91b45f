"""A query on the running streams, shown while it runs: a cell's output is refreshed in place."""

# mypy: allow-untyped-calls
from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from IPython.display import DisplayHandle, Markdown, display

from notebooks.job_query import JobQuery

SECONDS = "TWINSTREAM_EXPLORE_SECONDS"
PAUSE = 1.0
"""Seconds between two looks at the streams."""

Show = Callable[[JobQuery], Sequence[object]]


def seconds(default: float = 60) -> float:
    """Return how long a cell watches, in seconds: TWINSTREAM_EXPLORE_SECONDS, or `default` if it is unset."""
    return float(os.environ.get(SECONDS) or default)


def watch(query: JobQuery, show: Show, seconds: float) -> None:
    """Run the query step by step for `seconds`, at least once, and refresh what `show` makes of it.

    `show` always returns the same number of tables and charts. Interrupting the kernel ends it after the
    running step.
    """
    end = time.monotonic() + seconds
    handles: list[DisplayHandle] = []
    with _interrupted() as interrupted:
        while not handles or (time.monotonic() < end and not interrupted.is_set()):
            query.step()
            shown = [Markdown(_status(query)), *show(query)]
            if handles:
                for handle, one in zip(handles, shown, strict=True):
                    handle.update(one)
            else:
                handles = [display(one, display_id=True) for one in shown]
            interrupted.wait(max(0.0, min(PAUSE, end - time.monotonic())))


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """Yield an event that an interrupt sets; Spark's own handler would cancel the work of a running step."""
    event = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: event.set())
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


def _status(query: JobQuery) -> str:
    """Return one line on how far the query is, and on what to do if nothing arrives."""
    steps = query.steps
    watermark = steps["watermark_after"].iloc[-1]
    if not len(query.rows):
        return (
            "*No event yet.* To send some: `twinstream publish --scenario shop --rate real-time "
            f"--count unlimited --source {query.invocation.source.name}`"
        )
    at = f"{watermark:%H:%M:%S}" if watermark else "none yet"
    return (
        f"**{datetime.now(UTC):%H:%M:%S}** · watermark {at} · {len(query.rows)} rows · "
        f"{steps['late'].sum()} late · {steps['dead'].sum()} dead letters · look {len(steps)}"
    )
