"""A job killed again and again at random moments gives exactly the rows of a run that nothing disturbed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import Consumer, TopicPartition
from pyspark.sql import SparkSession

from sources import replay_files
from sources.kafka_connection import COMMITTED
from tests.jobs import event_sets, frames, reference, streaming_reference
from tests.jobs.event_sets import DELAY, NOW, ORDERS, PRODUCT, SKEW, EventSet
from tests.jobs.process import JobProcess
from tests.jobs.reference import Row
from tests.jobs.runs import csv, record
from tests.kafka_broker import KafkaBroker

KILLS = 10
BATCHES = 30
JOB = "streaming_product_discounts"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def expected_rows(events: EventSet) -> list[Row]:
    streamed = streaming_reference.stream(
        {PRODUCT: events.batches[PRODUCT]}, ORDERS, delay=DELAY, skew=SKEW, now=NOW
    )
    rows = reference.product_discounts(streamed.events(PRODUCT), events.offers, timedelta(minutes=1))
    return sorted(streamed.final(rows))


def run_with_kills(folder: Path, events: EventSet, random: Random, *sink: str) -> None:
    """Run to the end of the input, killed `KILLS` times on the way."""
    for number, batch in enumerate(events.batches[PRODUCT], 1):
        file = folder / "replay" / PRODUCT / f"{number:04}.jsonl"
        replay_files.write(file, (record(PRODUCT, message) for message in batch))
    (folder / "discounts.csv").write_text(csv(events.offers))
    flags = [
        f"--replay-dir={folder / 'replay'}",
        f"--discounts={folder / 'discounts.csv'}",
        f"--checkpoint-root={folder / 'checkpoints'}",
        *sink,
    ]
    for _ in range(KILLS):
        with JobProcess(JOB, *flags) as job:
            # A batch of its own first, so that the kills wander over the whole input; then any moment.
            job.wait_for(r" batch=\d+ ")
            assert not job.ends_within(random.uniform(0, 1.5)), f"ended before the last kill\n{job.said}"
            job.kill()
    with JobProcess(JOB, *flags) as job:
        assert job.wait(400) == 0, job.said


def test_delta_has_every_row_once(spark: SparkSession, tmp_path: Path) -> None:
    events = event_sets.generate(101, BATCHES)
    run_with_kills(tmp_path, events, Random(1), "--sink=delta", f"--sink-path={tmp_path / 'rows'}")
    assert expected_rows(events) == frames.rows(spark.read.format("delta").load(str(tmp_path / "rows")))


def test_kafka_has_every_row_at_least_once_and_each_key_one_value(
    kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    events = event_sets.generate(102, BATCHES)
    kafka_broker.create_topic("killed-results", partitions=2)
    run_with_kills(
        tmp_path,
        events,
        Random(2),
        *("--sink=kafka", "--sink-topic=killed-results"),
        f"--kafka-bootstrap-servers={kafka_broker.bootstrap}",
    )
    messages = all_messages(kafka_broker, "killed-results")
    by_key = dict(messages)
    assert len(set(messages)) == len(by_key), "a key came with two values"
    assert expected_rows(events) == sorted(row(value) for value in by_key.values())


def all_messages(broker: KafkaBroker, topic: str) -> list[tuple[bytes, bytes]]:
    consumer = Consumer(
        {**COMMITTED, "bootstrap.servers": broker.bootstrap, "group.id": "test", "enable.partition.eof": True}
    )
    partitions = [TopicPartition(topic, number, 0) for number in range(2)]
    consumer.assign(partitions)
    found: list[tuple[bytes, bytes]] = []
    ended = 0
    while ended < len(partitions):
        message = consumer.poll(10)
        assert message is not None, "the broker does not answer"
        if message.error():
            ended += 1
        else:
            found.append((message.key() or b"", message.value() or b""))
    consumer.close()
    return found


def row(value: bytes) -> Row:
    read: dict[str, object] = json.loads(value, parse_float=Decimal)
    times = [datetime.fromisoformat(str(read.pop(name))) for name in ("window_start", "window_end")]
    return (*times, *read.values())
