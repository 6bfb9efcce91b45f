"""Mutated events against the plain-Python reference: verdict, the reason's kind, and every value.

The quick suite checks one batch; `pytest --slow tests/jobs/test_mutations.py` checks 100,000 events, and
`MUTATED_EVENTS=1000000` in the environment sets another number.
"""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from tests.jobs.engine.test_events import PUBLISHED, SKEW, WATERMARK, WHOLE
from tests.support import frames, mutations, reference
from tests.support.event_sets import BROWSING, NOW, ORDERS, PRODUCT
from tests.support.reference import Event, Message, Row, Wrong

BATCH = 5_000
EVENTS = int(os.environ.get("MUTATED_EVENTS", "100000"))
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")
COLUMNS, ORDER = ("event_id", "event_time", "user_id", "product_id"), ("quantity", "unit_price")


def test_a_batch_of_mutated_events(spark: SparkSession) -> None:
    assert_no_difference(spark, PRODUCT, mutations.mutate(seed=1, count=3_000))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_mutated_events(spark: SparkSession) -> None:
    checks = settings(
        max_examples=-(-EVENTS // BATCH),
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    @checks
    @given(st.integers(0, 2**63), st.sampled_from((PRODUCT, PRODUCT, BROWSING)))
    def batches(seed: int, stream: str) -> None:
        assert_no_difference(spark, stream, mutations.mutate(seed, BATCH))

    batches()


@pytest.mark.parametrize("name", WHOLE)
def test_the_reference_names_a_fault_as_it_is_written_by_hand(name: str) -> None:
    content, reason = WHOLE[name]
    judged = reference.read(Message(0, content, PUBLISHED), orders=True, skew=SKEW, now=NOW)
    assert isinstance(judged, Wrong)
    assert judged.kind == reason.partition(": ")[0]


def assert_no_difference(spark: SparkSession, stream: str, values: list[bytes | None]) -> None:
    """Check that Spark and the reference agree on events and dead letters, each by its first fault's kind."""
    messages = [Message(number, value, PUBLISHED) for number, value in enumerate(values)]
    expected = [reference.read(one, orders=ORDERS[stream], skew=SKEW, now=NOW) for one in messages]
    dead, good = outcomes(spark, stream, messages)
    wrong = {number: one.kind for number, one in enumerate(expected) if isinstance(one, Wrong)}
    misjudged = {n: (values[n], wrong.get(n), dead.get(n)) for n in sorted(wrong.keys() ^ dead.keys())}
    assert not misjudged, f"{len(misjudged)}: {list(misjudged.values())[:20]}"
    kinds = {number: reason.partition(": ")[0] for number, reason in dead.items()}
    misnamed = [(values[n], wrong[n], kind) for n, kind in kinds.items() if kind != wrong[n]]
    assert not misnamed, f"{len(misnamed)}: {misnamed[:20]}"
    assert [reason for reason in dead.values() if UNSAFE.search(reason) or len(reason) > 450] == []
    assert [n for n, reason in dead.items() if "beyond the parser's limits" in reason] == []
    columns = (*COLUMNS, *ORDER) if ORDERS[stream] else COLUMNS
    rows = sorted(tuple(getattr(one, c) for c in columns) for one in expected if isinstance(one, Event))
    assert rows == good, (
        f"expected {sorted(set(rows) - set(good))[:9]}, found {sorted(set(good) - set(rows))[:9]}"
    )
    assert len(values) / 10 < len(good) < len(values) * 9 / 10


def outcomes(spark: SparkSession, stream: str, messages: list[Message]) -> tuple[dict[int, str], list[Row]]:
    """Return the reasons by offset, and the events' rows, not yet deduplicated."""
    envelopes = frames.envelopes(spark, stream, ((0, message) for message in messages))
    checked = frames.check(envelopes, stream, WATERMARK, SKEW).persist()
    try:
        dead = {one.record.offset: one.reason for one in frames.letters(checked, SKEW)}
        good = frames.rows(checked.filter("event is not null").select("event_id", "event_time", "event.*"))
        return dead, good
    finally:
        checked.unpersist()
