"""The cut-over under live publishing: the table is what plain Python makes of the events, each once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession

from pubsublite_emulator import Emulator
from sources.catalog import PRODUCT
from tests.jobs import reference
from tests.jobs.cutover.live import OFFERS, RATE, Live, closing, orders
from tests.jobs.cutover.mirror import Mirror
from tests.jobs.cutover.moved import Moved, publish, topics
from tests.kafka_broker import KafkaBroker
from tests.lite import led

WINDOW = timedelta(seconds=10)
ENDS = ["graceful"] * 4 + ["uncommitted"] * 3 + ["killed"] * 3
"""How the run on Pub/Sub Lite ends, by seed."""
LEAST, MOST = 11_000, 60_000
"""Messages of a seed; as many as come while the job is moved, if those are more."""


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    """A broker of this module's own: its tests make and delete the stream's topic."""
    with KafkaBroker() as own:
        yield own


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "end"), list(enumerate(ENDS)))
def test_every_event_counts_once_across_the_switch(
    spark: SparkSession,
    broker: KafkaBroker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    seed: int,
    end: str,
) -> None:
    random, shop = Random(seed), orders(seed, MOST)
    with Emulator() as lite, led(lite, spark):
        moved = Moved(spark, broker, tmp_path, capsys)
        with topics(broker, moved.lite), Mirror(PRODUCT, moved.lite, moved.kafka) as mirror:
            with Live(moved.lite, shop) as live:
                live.wait_for(1)
                moved.end(end, random)
                planned = moved.plan()
                moved.go_on(planned)
                live.wait_for(LEAST)
                assert live.going_on, "nothing was published during the switch: it proves nothing"
            assert len(live.published) / live.seconds > 0.95 * RATE
            mirror.wait_for(len(live.published))
            publish(moved.lite, closing(seed, MOST))
            mirror.wait_for(len(live.published) + 1)
            moved.go_on(planned)
            events = [one.event for one in live.published if one.event]
            assert moved.rows() == reference.product_discounts(events, OFFERS, WINDOW)
            assert_proven(moved.prove(), len(events), len(live.published) + mirror.repeated)


def assert_proven(proof: dict[str, Any], events: int, messages: int) -> None:
    """All events are counted once, some by each run, and no message is left unexplained."""
    tally = proof["tally"]
    assert (tally["late"], tally["lost"], tally["twice"]) == (0, 0, 0)
    assert tally["by_old"] + tally["by_new"] == tally["to_count"] == events
    assert 0 < tally["by_old"] < events
    assert list(proof["dead"]) == ["value is not one JSON object"]
    # The last order closes the windows and is in none that is final.
    assert proof["events"] == events + 1
    assert proof["messages"] == messages + 1
    assert proof["repeated"] == proof["messages"] - proof["events"] - sum(proof["dead"].values())
