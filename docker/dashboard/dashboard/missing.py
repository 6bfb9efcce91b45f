"""The page's messages for when there is nothing to show: what is missing, and what to do."""

from __future__ import annotations

import streamlit as st

from dashboard.health import health
from dashboard.observer import Observation, Results
from dashboard.places import SERVICES


def results(observation: Observation, job: str, results: Results) -> None:
    """Show why there are no rows of this job."""
    if results.fault:
        st.warning(f"{results.fault}. The page tries again every two seconds.")
        return
    st.info(_why(observation, job, results))


def _why(observation: Observation, job: str, results: Results) -> str:
    progress = observation.jobs.get(job)
    if progress is None:
        return no_progress(observation, job)
    found = health(progress, observation.now)
    if found.waiting:
        return f"Nothing has come out yet: {found.waiting}."
    if found.alive and found.silent:
        return f"{job} runs, and no batch has given a row. Do events come? {_logs('generator')}"
    return f"There is no table in `{results.folder}`. Does {job} write there (`--sink delta --sink-path`)?"


def no_progress(observation: Observation, job: str) -> str:
    """Return the message that a job has not reported anything."""
    service = f"is the service `{SERVICES[job]}` up? `docker compose ps`"
    return f"No progress from {job} in `{observation.places.progress}`: {service}"


def gone(job: str) -> str:
    """Return what to do about a job that gives no sign of life."""
    return f"It has ended, or hangs: {_logs(SERVICES[job])}" if job in SERVICES else "It has ended, or hangs."


def _logs(service: str) -> str:
    return f"`docker compose logs {service}`"
