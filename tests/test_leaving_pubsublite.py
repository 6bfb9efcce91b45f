"""The page "Leaving Pub/Sub Lite" (jobs/laptop/cutover/README.md), followed command by command.

A job on Dataproc is moved from Pub/Sub Lite to Managed Kafka by Google's Kafka Connect source, and from image
2.3 to 3.0, while orders are published before, between and after. The table holds each of them once.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sources.catalog import PRODUCT
from sources.laptop.scenarios import SCENARIOS, one_round
from tests.containers import published
from tests.containers.stack import table_rows
from tests.dataproc.gcloud import eventually
from tests.support.lite import copy_authority
from tests.support.reader import Shell, blocks
from tests.support.reference import Event, Message, Row

pytestmark = [
    pytest.mark.needs("gcloud"),
    pytest.mark.needs("java"),
    pytest.mark.slow,
    pytest.mark.timeout(1200),
]

MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECONDS = 300
"""Seconds from the last order to the last row: the Lite connector looks for new messages once a minute."""


def test_the_page_is_walked(tmp_path: Path) -> None:
    copy_authority(tmp_path / "pubsublite")
    start, old_job, cluster, copy, stop, switch, publishers, prove, image_3, prove_again = blocks("leaving")
    table = tmp_path / "dataproc" / "gs" / "my-bucket" / "discounts"
    with Shell(tmp_path) as shell:
        for block in (start, old_job):
            shell.type(block, 400)
        eventually(lambda: table_rows(table) == rows(1), SECONDS)
        for block in (cluster, copy, stop):
            shell.type(block, 400)

        assert "# Where streaming_product_discounts on Pub/Sub Lite stands" in shell.type(switch, 400)
        shell.type(publishers)
        eventually(lambda: table_rows(table) == rows(3), SECONDS)
        assert_proven(shell.type(prove, 400), rounds=3)

        shell.type(image_3, 600)
        eventually(lambda: table_rows(table) == rows(4), SECONDS)
        assert_proven(shell.type(prove_again, 400), rounds=4)


def assert_proven(said: str, rounds: int) -> None:
    """Check that all messages came to Kafka and every event of a final window is counted once."""
    counts = dict(re.findall(r"^(.+?) +\| +(\d+)$", said, re.MULTILINE))
    assert int(counts["messages on Kafka"]) == int(counts["events"]) == len(orders(rounds))
    to_count = next(int(count) for name, count in counts.items() if name.startswith("to count"))
    assert to_count == len(orders(rounds)) - 1  # the last order only makes the windows before it final
    assert (counts["lost"], counts["counted twice"]) == ("0", "0")
    assert "every event exactly once" in said


def rows(rounds: int) -> list[Row]:
    """Return the rows that are final after that many rounds: the newest order's window is not."""
    return published.discounts(orders(rounds)[:-1], MINUTE)


def orders(rounds: int) -> list[Event]:
    """Return the orders of the page's first rounds, the oldest first."""
    scenario = SCENARIOS["static-join"]
    messages = [
        Message(0, arrival.message.value, arrival.at)
        for number in range(rounds)
        for batch in one_round(scenario, number + 1, NOON + number * 8 * MINUTE)
        for arrival in batch
    ]
    found = published.valid(messages, PRODUCT.name, 10 * MINUTE)
    return sorted(found, key=lambda order: order.event_time)
