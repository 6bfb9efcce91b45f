"""The health of each job on the page, and why it has emitted nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

import streamlit as st

from dashboard import missing, wording
from dashboard.health import Health, health
from dashboard.job_progress import JobProgress
from dashboard.observer import Observation
from dashboard.places import SERVICES


def draw(observation: Observation) -> None:
    """Draw a panel per job: those that the page expects, and any other with a progress file."""
    st.markdown("## Jobs")
    names = [*SERVICES, *(job for job in observation.jobs if job not in SERVICES)]
    for pair in (names[at : at + 2] for at in range(0, len(names), 2)):
        for job, column in zip(pair, st.columns(2, gap="large"), strict=False):
            with column, st.container(border=True, key=f"job {job}"):
                _panel(observation, job, observation.jobs.get(job))


def _panel(observation: Observation, job: str, progress: JobProgress | None) -> None:
    if progress is None:
        st.markdown(f"**{job}**  \n:gray[○ not seen]")
        st.info(missing.no_progress(observation, job))
        return
    found = health(progress, observation.now)
    st.markdown(f"**{job}**  \n{_sign(job, found, observation)}")
    if found.waiting:
        heading = "Nothing has come out yet" if found.silent else "Waiting"
        st.info(f"{heading}: {found.waiting}.")
    with st.container(key=f"figures of {job}", horizontal=True):
        _figures(found)


def _sign(job: str, found: Health, observation: Observation) -> str:
    ago = wording.duration(timedelta(seconds=int((observation.now - found.last_sign).total_seconds())))
    if found.alive:
        return f":green[● alive], last sign {ago} ago"
    return f":red[■ no sign since {wording.moment(found.last_sign)} UTC], {ago} ago. {missing.gone(job)}"


def _figures(found: Health) -> None:
    recent = found.recent
    last = recent[-1] if recent else None
    state = wording.count(last.state_rows) if last else wording.UNKNOWN
    since = f"Since {wording.moment(found.since)} UTC" if found.since else None
    _metric("Rows/s in", wording.rate(found.rows_in), [batch.rows_in for batch in recent], "bar")
    _metric("Rows/s out", wording.rate(found.rows_out), [batch.rows_out for batch in recent], "bar")
    _metric("Batch time", _seconds(last.seconds if last else None), [batch.seconds for batch in recent])
    _metric("Watermark lag", _seconds(found.behind), list(found.recent_behind))
    _metric("State rows", state, [batch.state_rows for batch in recent])
    _metric("Late", wording.count(found.late), [batch.late for batch in recent], "bar", since)
    _metric("Dead", wording.count(found.dead), [batch.dead for batch in recent], "bar", since)


def _metric(
    label: str,
    value: str,
    recent: Sequence[float],
    kind: Literal["line", "bar"] = "line",
    help_text: str | None = None,
) -> None:
    """Draw a figure with its last batches below."""
    chart = list(recent) if len(recent) > 1 else None
    st.metric(label, value, chart_data=chart, chart_type=kind, help=help_text)


def _seconds(time: timedelta | float | None) -> str:
    if time is None:
        return wording.UNKNOWN
    return wording.duration(time if isinstance(time, timedelta) else timedelta(seconds=time))
