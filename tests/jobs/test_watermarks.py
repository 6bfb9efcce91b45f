"""What a watermark drops, forgets and lets out, by hand: the rules of `streaming_reference`, one by one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pyspark
import pytest
from pyspark.sql import SparkSession

from jobs.popular_products_recommendation import JOB as POPULAR
from jobs.product_activity_windows import JOB as ACTIVITY
from tests.support.event_sets import BROWSING, PURCHASE, EventSet
from tests.support.reference import Message
from tests.support.runs import Runner

DAY = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def runner(spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(spark, tmp_path, capsys)


def at(clock: str) -> datetime:
    return datetime.combine(DAY, datetime.strptime(clock, "%H:%M:%S.%f").time(), UTC)


def message(event_id: str, clock: str, user: str = "ann", product: str = "tea") -> Message:
    """Return an event of the day; it has every field of an order, some of which views ignore."""
    fields = {"event_id": event_id, "user_id": user, "product_id": product, "quantity": 1, "unit_price": 1}
    value = json.dumps({**fields, "event_time": at(clock).isoformat()}).encode()
    return Message(0, value, at(clock))


def test_late_and_repeated_events_and_the_end_of_a_window(runner: Runner) -> None:
    """Drop late and repeated events, and let a window out at its end.

    The delay is 10 seconds, so from the second batch on the watermarks are 10:01:30, 10:01:30, 10:02:00,
    10:02:00 and, after the last batch, 10:03:00.
    """
    batches = [
        # Dead letters, one ten minutes ahead and one years ahead: neither moves the watermark.
        [message("first", "10:01:40.000000"), message("", "10:11:00.000000"), from_2037()],
        # Far behind the watermark, but not behind that of the batch before: it counts.
        [message("old", "10:00:30.000000"), message("first", "10:01:40.000000")],
        [
            message("at the watermark", "10:01:30.000000"),
            message("just after it", "10:01:30.000001"),
            message("cut to milliseconds", "10:02:10.000999"),
        ],
        # `first` is known until 10:01:50, which the watermark passes only at the end of this very batch.
        [message("first", "10:02:05.000000")],
        [message("first", "10:02:06.000000"), message("last", "10:03:10.000000")],
    ]
    outcome = runner.replay(ACTIVITY, EventSet(0, {BROWSING: batches}), [BROWSING])
    minute = [at(f"10:0{minute}:00.0") for minute in range(4)]
    expected = [
        (minute[0], minute[1], "tea", 1),
        (minute[1], minute[2], "tea", 2),
        (minute[2], minute[3], "tea", 2),
    ]
    assert expected == outcome.rows
    assert {"late": 1, "dead": 2} == {name: outcome.said[name] for name in ("late", "dead")}


def from_2037() -> Message:
    ahead = message("ahead", "10:01:40.000000")
    return Message(1, (ahead.value or b"").replace(b"2024", b"2037"), ahead.published_at)


def both(event_id: str, clock: str, user: str, product: str) -> dict[str, list[Message]]:
    """Return a view and a purchase at the same instant."""
    one = message(event_id, clock, user, product)
    return {BROWSING: [one], PURCHASE: [one]}


@pytest.mark.slow
def test_behind_a_join_a_window_waits_for_the_time_after_a_view_and_a_millisecond(runner: Runner) -> None:
    start = both("anchor", "11:00:00.000000", "eve", "cup")
    views = [[*start[BROWSING], message("v1", "10:00:00.000000")], [message("v2", "10:04:00.0", "bob")]]
    # Both are over 30 minutes behind their batch's watermark, 10:59:50, but not late by that of the batch
    # before. The first one's view came in an earlier batch. The second one's comes with it: Spark 3.5 misses
    # it, Spark 4 does not.
    purchases = [start[PURCHASE], [message("p1", "10:05:00.0"), message("p2", "10:05:00.0", "bob")]]
    until = both("until", "11:40:10.000000", "eve", "mug")
    events = EventSet(0, {BROWSING: [*views, until[BROWSING]], PURCHASE: [*purchases, until[PURCHASE]]})
    outcome = runner.replay(POPULAR, events, [BROWSING, PURCHASE])
    found = 2 if pyspark.__version__ >= "4" else 1
    early = (at("10:00:00.0"), at("10:10:00.0"), "tea", found, found, found, found, 1)
    assert [early] == outcome.rows
    assert 0 == outcome.said["late"]

    past = both("past", "11:40:10.001000", "eve", "mug")
    for stream, batches in events.batches.items():
        batches.append(past[stream])
    outcome = runner.replay(POPULAR, events, [BROWSING, PURCHASE])
    assert [early, (at("11:00:00.0"), at("11:10:00.0"), "cup", 1, 1, 1, 1, 1)] == outcome.rows


@pytest.mark.slow
def test_a_watermark_of_two_streams_is_the_slower_one(runner: Runner) -> None:
    """Let views run ahead by an hour: purchases hold the watermark back, so that no view is late."""
    views = [
        [message("v1", "10:00:00.0"), message("far", "11:00:00.0")],
        [message("far2", "11:00:00.0")],
        [message("v2", "10:01:00.0", "bob")],
    ]
    purchases = [
        [message("p1", "10:00:00.0")],
        [message("p2", "10:00:30.0")],
        [message("p3", "10:01:00.0", "bob")],
    ]
    events = EventSet(0, {BROWSING: views, PURCHASE: purchases})
    outcome = runner.replay(POPULAR, events, [BROWSING, PURCHASE])
    assert ([], 0) == (outcome.rows, outcome.said["late"])
    end = both("end", "12:00:00.0", "eve", "cup")
    for stream, batches in events.batches.items():
        batches.append(end[stream])
    outcome = runner.replay(POPULAR, events, [BROWSING, PURCHASE])
    assert [(at("10:00:00.0"), at("10:10:00.0"), "tea", 3, 2, 3, 3, 1)] == outcome.rows
