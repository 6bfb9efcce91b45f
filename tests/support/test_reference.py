"""The jobs' batch path against the independent reference, over seeded random event sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs import popular_products_recommendation, product_activity_windows, streaming_product_discounts
from jobs.engine import events
from jobs.tables.discounts import DISCOUNTS
from tests.support import event_sets, frames, reference
from tests.support.event_sets import BROWSING, DELAY, NOW, ORDERS, PRODUCT, PURCHASE, SKEW, WITHIN, EventSet
from tests.support.reference import Event, Row, Wrong
from tests.support.runs import csv

SEEDS = 220
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def sets() -> list[EventSet]:
    return [event_sets.generate(seed) for seed in range(SEEDS)]


@pytest.fixture(scope="module")
def checked(spark: SparkSession, sets: list[EventSet]) -> Iterable[dict[str, DataFrame]]:
    """Return all seeds' messages of a stream in one frame, with a partition number for each seed."""
    found = {}
    for stream in ORDERS:
        messages = ((one.seed, message) for one in sets for message in one.messages(stream))
        frame = frames.envelopes(spark, stream, messages)
        found[stream] = frames.check(frame, stream, DELAY, SKEW).persist()
    yield found
    for frame in found.values():
        frame.unpersist()


@pytest.fixture(scope="module")
def good(checked: dict[str, DataFrame]) -> dict[str, DataFrame]:
    return {stream: events.good(frame) for stream, frame in checked.items()}


def outcomes(one: EventSet, stream: str) -> list[Event | Wrong]:
    orders = ORDERS[stream]
    return [reference.read(message, orders=orders, skew=SKEW, now=NOW) for message in one.messages(stream)]


def expected_events(one: EventSet, stream: str) -> list[Event]:
    return reference.once(event for event in outcomes(one, stream) if isinstance(event, Event))


def by_seed(rows: Iterable[Row], column: int) -> dict[int, list[Row]]:
    """Return rows by the seed that the ids begin with."""
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[int(row[column].partition("-")[0][1:])].append(row)
    return found


def assert_equal(expected: dict[int, list[Row]], actual: dict[int, list[Row]]) -> None:
    """Check that the rows are equal for every seed, and print the differences by seed."""
    wrong = {
        seed: {
            "missing": [row for row in rows if row not in actual.get(seed, [])],
            "unexpected": [row for row in actual.get(seed, []) if row not in rows],
        }
        for seed, rows in expected.items()
        if rows != actual.get(seed, [])
    }
    assert not wrong, "\n".join(f"seed {seed}: {difference}" for seed, difference in wrong.items())
    assert sum(map(len, expected.values())) > SEEDS, "too few rows to prove anything"


@pytest.mark.parametrize("stream", ORDERS)
def test_good_events(good: dict[str, DataFrame], sets: list[EventSet], stream: str) -> None:
    order = ("quantity", "unit_price") if ORDERS[stream] else ()
    columns = ("event_id", "user_id", "product_id", "event_time", *order)
    expected = {
        one.seed: sorted(tuple(getattr(event, c) for c in columns) for event in expected_events(one, stream))
        for one in sets
    }
    assert_equal(expected, by_seed(frames.rows(good[stream].select(*columns)), 0))


@pytest.mark.parametrize("stream", ORDERS)
def test_dead_letters_and_their_reasons(
    checked: dict[str, DataFrame], sets: list[EventSet], stream: str
) -> None:
    dead = frames.letters(checked[stream], SKEW)
    actual = {(one.record.partition, one.record.offset): one.reason for one in dead}
    expected = {
        (one.seed, message.offset): outcome.fields
        for one in sets
        for message, outcome in zip(one.messages(stream), outcomes(one, stream), strict=True)
        if isinstance(outcome, Wrong)
    }
    assert sorted(expected) == sorted(actual)
    assert len(expected) > SEEDS
    misnamed = {
        at: (fields, actual[at]) for at, fields in expected.items() if actual[at].split()[0] not in fields
    }
    assert not misnamed


def test_product_discounts(
    spark: SparkSession, good: dict[str, DataFrame], sets: list[EventSet], tmp_path: Path
) -> None:
    file = tmp_path / "discounts.csv"
    file.write_text(csv(offer for one in sets for offer in one.offers))
    discounts = DISCOUNTS.load(spark, str(file))
    expected = {
        one.seed: reference.product_discounts(expected_events(one, PRODUCT), one.offers, MINUTE)
        for one in sets
    }
    actual = streaming_product_discounts.transform(good[PRODUCT], discounts)
    assert_equal(expected, by_seed(frames.rows(actual), 2))


@pytest.mark.parametrize("top", [2, 10])
def test_popular_products(good: dict[str, DataFrame], sets: list[EventSet], top: int) -> None:
    expected = {}
    for one in sets:
        views = expected_events(one, BROWSING)
        bought = [
            purchase
            for purchase in expected_events(one, PURCHASE)
            if any(reference.followed(purchase, view, WITHIN) for view in views)
        ]
        expected[one.seed] = reference.popular_products(bought, timedelta(minutes=10), top)
    actual = popular_products_recommendation.transform(good[BROWSING], good[PURCHASE], top=top)
    assert_equal(expected, by_seed(frames.rows(actual), 2))


@pytest.mark.parametrize("slide", [60, 30])
def test_tumbling_and_sliding_activity(good: dict[str, DataFrame], sets: list[EventSet], slide: int) -> None:
    expected = {
        one.seed: reference.activity(expected_events(one, BROWSING), MINUTE, timedelta(seconds=slide))
        for one in sets
    }
    kind = "tumbling" if slide == 60 else "sliding"
    actual = product_activity_windows.transform(good[BROWSING], kind, "1 minute", f"{slide} seconds")
    assert_equal(expected, by_seed(frames.rows(actual), 2))


def test_session_activity(good: dict[str, DataFrame], sets: list[EventSet]) -> None:
    expected = {
        one.seed: reference.session_activity(expected_events(one, BROWSING), timedelta(minutes=5))
        for one in sets
    }
    actual = product_activity_windows.transform(good[BROWSING], "session")
    assert_equal(expected, by_seed(frames.rows(actual), 2))
