"""The proof knows what each job counts: purchases after a view, the best products only, sliding windows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.engine.job import Job
from jobs.engine.run import run
from jobs.laptop.cutover.command import command
from jobs.laptop.cutover.kafka_events import KafkaEvents
from jobs.laptop.cutover.migration import parse_migration
from jobs.laptop.cutover.proof import _bounds
from jobs.popular_products_recommendation import JOB as POPULAR
from jobs.product_activity_windows import JOB as ACTIVITY
from sources import kafka
from sources.base import Message
from sources.catalog import BROWSING, PURCHASE, Stream
from sources.flags import Parser
from tests.sources.test_contract import options_of
from tests.support.kafka_broker import KafkaBroker
from tests.support.publishing import publish_all

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def message(stream: Stream, name: str, minute: float, user: str, product: str) -> Message:
    at = NOON + timedelta(minutes=minute)
    fields = {"event_id": name, "user_id": user, "product_id": product, "event_time": at.isoformat()}
    order = {"quantity": 1, "unit_price": "1.50"} if stream is PURCHASE else {}
    return Message(stream.name, user.encode(), json.dumps(fields | order).encode(), at)


MESSAGES = [
    message(BROWSING, "v1", 0, "ann", "mug"),
    message(BROWSING, "v2", 1, "bob", "mug"),
    message(BROWSING, "v3", 2, "ann", "pot"),
    message(BROWSING, "v3", 2, "ann", "pot"),
    message(BROWSING, "v4", 90, "eve", "cup"),
    message(PURCHASE, "b1", 3, "ann", "mug"),
    message(PURCHASE, "b2", 4, "bob", "mug"),
    message(PURCHASE, "b3", 5, "ann", "pot"),  # second best: left out by --top 1
    message(PURCHASE, "b4", 6, "eve", "pot"),  # not after a view
    message(PURCHASE, "b5", 90, "eve", "cup"),
]


@pytest.fixture(scope="module")
def flag() -> Iterator[str]:
    with KafkaBroker() as broker:
        flag = f"--kafka-bootstrap-servers={broker.bootstrap}"
        options = options_of(kafka, flag)
        kafka.create([BROWSING, PURCHASE], options)
        publish_all(kafka, options, MESSAGES)
        yield flag


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "flags", "events", "counted"),
    [
        (POPULAR, ["--top=1"], 9, (3, 2)),
        (ACTIVITY, ["--window-type=sliding", "--window=2 minutes", "--slide=1 minute"], 4, (6, 6)),
    ],
)
def test_a_run_that_lost_nothing_is_proven(
    spark: SparkSession,
    flag: str,
    tmp_path: Path,
    job: Job[Any],
    flags: list[str],
    events: int,
    counted: tuple[int, int],
) -> None:
    places = [f"--checkpoint-root={tmp_path}", "--sink=delta", f"--sink-path={tmp_path / 'rows'}", flag]
    assert run(job, ["--source=kafka", "--trigger=available-now", *places, *flags]) == 0
    said = StringIO()
    with redirect_stdout(said):
        assert command(job, ["--prove", "--format=json", *places, *flags]) == 0
    proof: dict[str, Any] = json.loads(said.getvalue())
    to_count, by_new = counted
    assert proof["events"] == events
    assert proof["repeated"] == 1
    assert proof["finished"] is None
    assert proof["tally"] == {
        "to_count": to_count, "by_old": 0, "by_new": by_new, "late": 0, "lost": 0, "twice": 0,
    }  # fmt: skip


def test_before_the_new_run_there_is_nothing_to_prove(
    flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--sink=delta", f"--sink-path={tmp_path / 'rows'}", f"--checkpoint-root={tmp_path}", flag]
    assert command(ACTIVITY, ["--prove", *flags]) == 1
    said = capsys.readouterr().err
    assert "expected the checkpoint of the run on Kafka; remedy: start that run" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("oldest", "since"),
    [
        (NOON, NOON),  # Kafka has the first window from its start
        (NOON + timedelta(seconds=59), NOON),
        # Older events with a later stamp may be missing for the window, and for ten minutes of skew.
        (NOON + timedelta(minutes=1), NOON + timedelta(minutes=11)),
    ],
)
def test_windows_that_kafka_may_lack_events_of_prove_nothing(
    spark: SparkSession, oldest: datetime, since: datetime
) -> None:
    rows = spark.createDataFrame(
        [(NOON, NOON + timedelta(minutes=30))], "window_start timestamp, window_end timestamp"
    )
    came = KafkaEvents({}, rows, rows, 1, {}, 1, oldest)
    made = parse_migration(ACTIVITY, Parser(), ["--sink=delta", "--sink-path=rows"])
    assert _bounds(rows, came, timedelta(minutes=1), made) == (since, NOON + timedelta(minutes=30))
