"""The jobs as real streaming queries against the reference: rows, late events and dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.popular_products_recommendation import JOB as POPULAR
from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from tests.jobs import event_sets, reference, streaming_reference
from tests.jobs.event_sets import BROWSING, DELAY, NOW, ORDERS, PRODUCT, PURCHASE, SKEW, WITHIN, EventSet
from tests.jobs.reference import Row
from tests.jobs.runs import Outcome, Runner
from tests.jobs.streaming_reference import Streamed, held_back

MINUTE = timedelta(minutes=1)
BATCHES = 4


@pytest.fixture
def runner(spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(spark, tmp_path, capsys)


def expected_stream(events: EventSet, streams: Sequence[str]) -> Streamed:
    batches = {stream: events.batches[stream] for stream in streams}
    return streaming_reference.stream(batches, ORDERS, delay=DELAY, skew=SKEW, now=NOW)


def assert_equal(seed: int, rows: list[Row], expected: Streamed, actual: Outcome) -> None:
    """Equal rows, equal counts, and the dead letters that the reference has, each for the right field."""
    assert rows, f"seed {seed} gives no rows: it proves nothing"
    missing, unexpected = set(rows) - set(actual.rows), set(actual.rows) - set(rows)
    assert rows == actual.rows, f"seed {seed}: missing {missing}, unexpected {unexpected}"
    dead = {(s, at): wrong.fields for s, one in expected.counted.items() for at, wrong in one.dead.items()}
    assert sorted(dead) == [(stream, offset) for stream, offset, _ in actual.dead], f"seed {seed}"
    named = {(stream, offset): reason.split()[0] for stream, offset, reason in actual.dead}
    assert {at: name for at, name in named.items() if name not in dead[at]} == {}, f"seed {seed}"
    late = sum(one.late for one in expected.counted.values())
    counted = {"late": actual.said["late"], "dead": actual.said["dead"], "out": actual.said["out"]}
    assert counted == {"late": late, "dead": len(dead), "out": len(rows)}, f"seed {seed}"


@pytest.mark.parametrize("seed", range(5))
def test_product_discounts(runner: Runner, seed: int) -> None:
    events = event_sets.generate(seed, BATCHES)
    expected = expected_stream(events, [PRODUCT])
    rows = reference.product_discounts(expected.events(PRODUCT), events.offers, MINUTE)
    actual = runner.replay(DISCOUNTS, events, [PRODUCT], runner.discounts(events.offers))
    assert_equal(seed, expected.final(rows), expected, actual)


@pytest.mark.parametrize("seed", range(5))
def test_popular_products(runner: Runner, seed: int) -> None:
    events = event_sets.generate(seed, BATCHES)
    expected = expected_stream(events, [BROWSING, PURCHASE])
    bought = expected.purchases(BROWSING, PURCHASE, WITHIN)
    rows = reference.popular_products(bought, timedelta(minutes=10), 10)
    actual = runner.replay(POPULAR, events, [BROWSING, PURCHASE])
    assert_equal(seed, expected.final(rows, held_back(WITHIN)), expected, actual)


@pytest.mark.parametrize(
    ("seed", "window_type"),
    [(0, "tumbling"), (1, "sliding"), (2, "session"), (3, "sliding"), (4, "session"), (5, "tumbling")],
)
def test_activity(runner: Runner, seed: int, window_type: str) -> None:
    events = event_sets.generate(seed, BATCHES)
    expected = expected_stream(events, [BROWSING])
    counted = expected.events(BROWSING)
    rows = {
        "tumbling": lambda: reference.activity(counted, MINUTE, MINUTE),
        "sliding": lambda: reference.activity(counted, MINUTE, MINUTE / 2),
        "session": lambda: reference.session_activity(counted, 5 * MINUTE),
    }[window_type]()
    actual = runner.replay(ACTIVITY, events, [BROWSING], f"--window-type={window_type}")
    assert_equal(seed, expected.final(rows), expected, actual)
