"""A job's figures, worked out by hand."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dashboard.health import health
from dashboard.job_progress import Batch, JobProgress
from tests.dashboard.written import batch, minute

NOW = minute(60)


def progress(*batches: Batch, seconds_ago: float = 1) -> JobProgress:
    return JobProgress("job", NOW - timedelta(seconds=seconds_ago), batches)


def ago(seconds: float) -> dict[str, object]:
    return {"time": NOW - timedelta(seconds=seconds)}


@pytest.mark.parametrize(("seconds", "alive"), [(0, True), (59, True), (60, False), (3600, False)])
def test_a_job_is_alive_until_a_minute_after_its_last_sign(seconds: float, *, alive: bool) -> None:
    assert health(progress(seconds_ago=seconds), NOW).alive is alive


def test_rates_are_those_of_the_last_minute() -> None:
    batches = [
        batch(0, **ago(300), rows_in=9000, rows_out=900),
        batch(1, **ago(59), rows_in=90, rows_out=0),
        batch(2, **ago(1), rows_in=30, rows_out=6),
    ]
    found = health(progress(*batches), NOW)
    assert (found.rows_in, found.rows_out) == (2.0, 0.1)


def test_a_job_that_has_just_begun_is_measured_over_its_own_time() -> None:
    found = health(progress(batch(0, **ago(8), seconds=2.0, rows_in=50)), NOW)
    assert found.rows_in == 5.0


def test_a_job_without_batches_has_figures_too() -> None:
    found = health(progress(), NOW)
    assert (found.rows_in, found.late, found.behind, found.waiting, found.silent) == (0, 0, None, None, True)


def test_late_and_dead_rows_count_since_the_first_batch_known() -> None:
    found = health(progress(batch(3, **ago(900), late=2), batch(4, late=1, dead=4)), NOW)
    assert (found.late, found.dead, found.since) == (3, 4, NOW - timedelta(minutes=15))


def test_the_watermark_is_behind_the_newest_event_of_all_batches() -> None:
    batches = [
        batch(0, newest=minute(5)),
        batch(1, newest=minute(3), watermark=minute(4)),
        batch(2, newest=None, watermark=minute(4.5)),
    ]
    found = health(progress(*batches), NOW)
    assert found.behind == timedelta(seconds=30)
    assert found.recent_behind == (60.0, 30.0)


def test_a_job_waits_from_its_last_row_on() -> None:
    told = batch(2, rows_out=0, waiting="for an event")
    idle = batch(3, rows_in=0, rows_out=0)
    assert health(progress(batch(1), told, idle), NOW).waiting == "for an event"
    assert health(progress(told, batch(3), idle), NOW).waiting is None


def test_a_job_is_silent_when_all_its_batches_are_known_to_be() -> None:
    first, second = batch(0, rows_out=0), batch(1, rows_out=0)
    assert health(progress(first, second), NOW).silent
    assert not health(progress(first, batch(1)), NOW).silent
    assert not health(progress(second), NOW).silent, "batch 0 is forgotten, and may have given rows"
