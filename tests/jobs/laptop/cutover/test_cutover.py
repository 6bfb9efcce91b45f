"""The cut-over under live publishing: the table holds what plain Python makes of the events, each once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from pubsublite_emulator import Emulator
from tests.jobs.laptop.cutover.live import OFFERS, closing, orders
from tests.jobs.laptop.cutover.moved import Moved, publish, topics
from tests.jobs.laptop.cutover.traffic import Traffic
from tests.support import reference
from tests.support.kafka_broker import KafkaBroker
from tests.support.lite import led

WINDOW = timedelta(seconds=10)
ENDS = ("graceful", "uncommitted", "killed")
"""How the run on Pub/Sub Lite ends, in turn by seed."""
SEEDS = int(os.environ.get("CUTOVER_SEEDS", len(ENDS)))
LEAST = 11_000
"""Messages per seed; more if more arrive while the job is moved."""


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    """Run a broker for this module alone: its tests create and delete the stream's topic."""
    with KafkaBroker() as own:
        yield own


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("seed", "end"), list(zip(range(SEEDS), cycle(ENDS), strict=False)))
def test_every_event_counts_once_across_the_switch(
    spark: SparkSession, broker: KafkaBroker, tmp_path: Path, seed: int, end: str
) -> None:
    with Emulator() as lite, led(lite, spark):
        moved = Moved(spark, broker, tmp_path)
        with topics(broker, moved.lite), Traffic(seed, moved.lite, moved.kafka) as traffic:
            traffic.wait_for_published(1)
            moved.end(end, Random(seed))
            ended = traffic.published
            planned = moved.plan()
            moved.go_on(planned)
            assert traffic.published > ended, "nothing was published while the job was moved"
            traffic.wait_for_published(LEAST)
            traffic.stop()
            traffic.wait_for_copied(traffic.published)
            publish(moved.lite, closing(seed, traffic.published))
            traffic.wait_for_copied(traffic.published + 1)
            moved.go_on(planned)
            events = [one.event for one in islice(orders(seed), traffic.published) if one.event]
            assert moved.rows() == reference.product_discounts(events, OFFERS, WINDOW)
            assert_proven(moved.prove(), len(events), traffic.published + traffic.repeated)


def assert_proven(proof: dict[str, Any], events: int, messages: int) -> None:
    """Check that all events are counted once, some by each run, and that no message is left unexplained."""
    tally = proof["tally"]
    assert (tally["late"], tally["lost"], tally["twice"]) == (0, 0, 0)
    assert tally["by_old"] + tally["by_new"] == tally["to_count"] == events
    assert 0 < tally["by_old"] < events
    assert list(proof["dead"]) == ["value is not one JSON object (not JSON)"]
    # The last order closes the windows and belongs to none that is final.
    assert proof["events"] == events + 1
    assert proof["messages"] == messages + 1
    assert proof["repeated"] == proof["messages"] - proof["events"] - sum(proof["dead"].values())
