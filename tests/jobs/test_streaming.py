"""The jobs as real streaming queries against the reference: rows, late events and dead letters."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.popular_products_recommendation import JOB as POPULAR
from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from jobs.tables.discounts import DISCOUNTS as DISCOUNTS_TABLE
from tests.support import event_sets, reference
from tests.support.event_sets import BROWSING, PRODUCT, PURCHASE, WITHIN
from tests.support.reference import Offer
from tests.support.runs import Runner, assert_equal, expected_stream
from tests.support.streaming_reference import held_back

MINUTE = timedelta(minutes=1)
# A run costs seconds of planning, so every run of the suite takes one seed, and CI adds the others.
SEEDS = (0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3, 6)))
BATCHES = 3


@pytest.fixture
def runner(spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Runner:
    return Runner(spark, tmp_path, capsys)


@pytest.mark.parametrize("seed", SEEDS)
def test_product_discounts(runner: Runner, seed: int) -> None:
    events = event_sets.generate(seed, BATCHES)
    expected = expected_stream(events, [PRODUCT])
    rows = reference.product_discounts(expected.events(PRODUCT), events.offers, MINUTE)
    actual = runner.replay(DISCOUNTS, events, [PRODUCT], runner.discounts(events.offers))
    assert_equal(seed, expected.final(rows), expected, actual)


def test_product_discounts_of_a_large_file(runner: Runner) -> None:
    events = event_sets.generate(0, BATCHES)
    expected = expected_stream(events, [PRODUCT])
    rows = reference.product_discounts(expected.events(PRODUCT), events.offers, MINUTE)
    strangers = [Offer(f"stranger-{number}", "mug", Decimal(50)) for number in range(50_000)]
    flag = runner.discounts([*events.offers, *strangers])
    assert Path(flag.partition("=")[2]).stat().st_size > DISCOUNTS_TABLE.literal_bytes
    actual = runner.replay(DISCOUNTS, events, [PRODUCT], flag)
    assert_equal(0, expected.final(rows), expected, actual)


@pytest.mark.parametrize("seed", SEEDS)
def test_popular_products(runner: Runner, seed: int) -> None:
    events = event_sets.generate(seed, BATCHES)
    expected = expected_stream(events, [BROWSING, PURCHASE])
    bought = expected.purchases(BROWSING, PURCHASE, WITHIN)
    rows = reference.popular_products(bought, timedelta(minutes=10), 10)
    actual = runner.replay(POPULAR, events, [BROWSING, PURCHASE])
    assert_equal(seed, expected.final(rows, held_back(WITHIN)), expected, actual)


@pytest.mark.parametrize(
    ("seed", "window_type"),
    [
        *((0, "tumbling"), (1, "sliding"), (2, "session")),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((3, "sliding"), (6, "session"))),
    ],
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
