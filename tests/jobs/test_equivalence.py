"""The same events through replay files and through a real Kafka broker: the same rows, and the true ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from jobs.engine.job import Job
from jobs.popular_products_recommendation import JOB as POPULAR
from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from sources import kafka
from sources.catalog import STREAMS
from sources.kafka.options import KafkaOptions
from tests.support import event_sets, reference, streaming_reference
from tests.support.event_sets import BROWSING, DELAY, NOW, ORDERS, PRODUCT, PURCHASE, SKEW, WITHIN, EventSet
from tests.support.kafka_broker import KafkaBroker
from tests.support.publishing import publish_all
from tests.support.reference import Message, Row
from tests.support.runs import Runner, assert_equal, expected_stream, record
from tests.support.streaming_reference import Streamed, held_back

SEED, BATCHES, SIZE = 2, 3, 12
MINUTE = timedelta(minutes=1)


class Topics:
    """The streams' topics, recreated with one partition: there a batch's limit is its number of events."""

    def __init__(self, broker: KafkaBroker) -> None:
        self.flags = ("--source=kafka", f"--kafka-bootstrap-servers={broker.bootstrap}")
        for stream in STREAMS.values():
            broker.create_topic(stream.topic)
        self._options = KafkaOptions(broker.bootstrap)

    def publish(self, stream: str, messages: Sequence[Message]) -> None:
        publish_all(kafka, self._options, [record(stream, message) for message in messages])


@pytest.fixture
def topics(kafka_broker: KafkaBroker) -> Iterator[Topics]:
    yield Topics(kafka_broker)
    for stream in STREAMS.values():
        kafka_broker.delete_topic(stream.topic)


@pytest.fixture
def events() -> EventSet:
    return event_sets.generate(SEED, BATCHES, SIZE)


def discounts(events: EventSet) -> tuple[list[Row], Streamed]:
    expected = expected_stream(events, [PRODUCT])
    rows = reference.product_discounts(expected.events(PRODUCT), events.offers, MINUTE)
    return expected.final(rows), expected


def popular(events: EventSet) -> tuple[list[Row], Streamed]:
    expected = expected_stream(events, [BROWSING, PURCHASE])
    bought = expected.purchases(BROWSING, PURCHASE, WITHIN)
    return expected.final(reference.popular_products(bought, 10 * MINUTE, 10), held_back(WITHIN)), expected


def activity(events: EventSet) -> tuple[list[Row], Streamed]:
    expected = expected_stream(events, [BROWSING])
    return expected.final(reference.activity(expected.events(BROWSING), MINUTE, MINUTE)), expected


@pytest.mark.parametrize(
    ("job", "streams", "expect"),
    [
        (DISCOUNTS, [PRODUCT], discounts),
        pytest.param(POPULAR, [BROWSING, PURCHASE], popular, marks=pytest.mark.slow),
        pytest.param(ACTIVITY, [BROWSING], activity, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_replay_and_kafka_give_the_same(
    spark: SparkSession,
    topics: Topics,
    events: EventSet,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    job: Job[Any],
    streams: list[str],
    expect: object,
) -> None:
    assert callable(expect)
    rows, expected = expect(events)
    for stream in streams:
        topics.publish(stream, events.messages(stream))
    on_files = Runner(spark, tmp_path / "files", capsys)
    on_kafka = Runner(spark, tmp_path / "kafka", capsys)
    table = [on_files.discounts(events.offers)] if job is DISCOUNTS else []
    replayed = on_files.replay(job, events, streams, *table)
    read = on_kafka.run(job, *topics.flags, f"--kafka-max-events-per-batch={SIZE}", *table)
    assert replayed == read
    assert_equal(SEED, rows, expected, read)


@pytest.mark.slow
def test_late_events_of_the_next_run_meet_the_watermark_of_the_last_batch_without_data(
    spark: SparkSession,
    topics: Topics,
    events: EventSet,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """End a run with a batch without data: more is late than in one long run over the same events."""
    runner = Runner(spark, tmp_path, capsys)
    table = runner.discounts(events.offers)
    said = []
    for batch in events.batches[PRODUCT]:
        topics.publish(PRODUCT, batch)
        outcome = runner.run(DISCOUNTS, *topics.flags, table)
        said.append(outcome.said["late"])
    apart: list[list[Message]] = [part for batch in events.batches[PRODUCT] for part in (batch, [])]
    expected = streaming_reference.stream({PRODUCT: apart}, ORDERS, delay=DELAY, skew=SKEW, now=NOW)
    rows = reference.product_discounts(expected.events(PRODUCT), events.offers, MINUTE)
    assert expected.final(rows) == outcome.rows
    assert expected.counted[PRODUCT].late == sum(said)
    assert expected.counted[PRODUCT].late > expected_stream(events, [PRODUCT]).counted[PRODUCT].late
