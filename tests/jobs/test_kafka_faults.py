"""What happens to a broker's topics while a job reads them or is stopped, and what the job says about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest
from kafka import KafkaProducer
from pyspark.sql import SparkSession

from jobs.engine.run import run
from jobs.laptop.doctor import broker as doctor
from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from sources import kafka
from sources.base import Message
from sources.catalog import BROWSING, PRODUCT, Stream
from tests.sources.test_contract import options_of
from tests.support.kafka_broker import KafkaBroker
from tests.support.process import JobProcess
from tests.support.publishing import publish_all
from tests.support.topic import delete_before

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def topics(kafka_broker: KafkaBroker) -> Iterator[KafkaBroker]:
    """Yield the broker with two streams' topics of one partition each."""
    kafka_broker.create_topic(PRODUCT.topic)
    kafka_broker.create_topic(BROWSING.topic)
    yield kafka_broker
    kafka_broker.delete_topic(PRODUCT.topic)
    kafka_broker.delete_topic(BROWSING.topic)


def event(name: str, minute: float, **fields: object) -> bytes:
    at = (NOON + timedelta(minutes=minute)).isoformat()
    fields = {"event_id": name, "user_id": "ann", "product_id": "mug", "event_time": at, **fields}
    return json.dumps(fields).encode()


def order(name: str, minute: float, quantity: int = 1) -> bytes:
    return event(name, minute, quantity=quantity, unit_price=10)


def publish(broker: KafkaBroker, stream: Stream, *values: bytes) -> None:
    options = options_of(kafka, f"--kafka-bootstrap-servers={broker.bootstrap}")
    publish_all(kafka, options, [Message(stream.name, b"ann", value, NOON) for value in values])


def flags(broker: KafkaBroker, folder: Path, *more: str) -> list[str]:
    places = [
        f"--checkpoint-root={folder / 'checkpoints'}",
        "--sink=parquet",
        f"--sink-path={folder / 'rows'}",
    ]
    return ["--source=kafka", f"--kafka-bootstrap-servers={broker.bootstrap}", *places, *more]


def test_an_aborted_transaction_holds_no_orders(
    spark: SparkSession, topics: KafkaBroker, tmp_path: Path
) -> None:
    producer = KafkaProducer(bootstrap_servers=topics.bootstrap, transactional_id="orders")
    producer.init_transactions()
    for commits, value in ((True, order("a", 0)), (False, order("b", 0.1, 100)), (True, order("c", 0.2))):
        producer.begin_transaction()
        producer.send(PRODUCT.topic, value, partition=0, timestamp_ms=int(NOON.timestamp() * 1000))
        producer.flush()
        producer.commit_transaction() if commits else producer.abort_transaction()
    producer.close()
    read = options_of(kafka, f"--kafka-bootstrap-servers={topics.bootstrap}")
    records = kafka.records(PRODUCT, read)
    found = [record and record.value for record in islice(records, 3)]
    assert found == [order("a", 0), order("c", 0.2), None]
    publish(topics, PRODUCT, order("d", 5))
    assert run(DISCOUNTS, flags(topics, tmp_path, "--trigger=available-now")) == 0
    (row,) = spark.read.parquet(str(tmp_path / "rows")).collect()
    assert (row.orders, row.units) == (2, 2)


@pytest.mark.parametrize(("limit", "late", "warnings"), [(50, 50, 1), (200, 0, 0)])
def test_a_limit_that_makes_events_late_in_a_catch_up_is_named(
    spark: SparkSession,
    kafka_broker: KafkaBroker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    limit: int,
    late: int,
    warnings: int,
) -> None:
    """Keep each partition in order: an event per second on the first, one per ten seconds on the second.

    In batches of fifty, the third and the fourth have 25 of the first partition's, behind the second's.
    """
    kafka_broker.create_topic(BROWSING.topic, partitions=2)
    producer = KafkaProducer(bootstrap_servers=kafka_broker.bootstrap)
    at = int(NOON.timestamp() * 1000)
    for partition, seconds in ((0, 1), (1, 10)):
        for number in range(100):
            value = event(f"{partition}-{number}", number * seconds / 60)
            stamp = at + number * seconds * 1000
            producer.send(BROWSING.topic, value, b"ann", partition=partition, timestamp_ms=stamp)
    producer.close()
    flag = f"--kafka-max-events-per-batch={limit}"
    try:
        assert run(ACTIVITY, flags(kafka_broker, tmp_path, "--trigger=available-now", flag)) == 0
    finally:
        kafka_broker.delete_topic(BROWSING.topic)
    said = capsys.readouterr().err.splitlines()
    assert f"total_late={late} " in said[-1]
    named = [one for one in said if 'warning="' in one and "--kafka-max-events-per-batch" in one]
    assert len(named) == warnings
    assert all("remedy: start over with a larger --watermark, or" in one for one in named)


@pytest.mark.slow
def test_a_topic_made_again_under_a_running_job_ends_it(topics: KafkaBroker, tmp_path: Path) -> None:
    with JobProcess(ACTIVITY.name, *flags(topics, tmp_path)) as job:
        publish(topics, BROWSING, event("a", 0), event("b", 1))
        job.wait_for(r" batch=\d+ in=[12] ")
        topics.delete_topic(BROWSING.topic)
        topics.create_topic(BROWSING.topic)
        publish(topics, BROWSING, *(event(name, 2) for name in "cdefg"))
        assert job.wait() == 1
    assert "browsing-stream was recreated (id was " in job.lines[-1]
    assert "twinstream reset product_activity_windows --source kafka" in job.lines[-1]


def test_retention_that_overtakes_a_stopped_job_is_told_by_the_run_and_the_doctor(
    spark: SparkSession, topics: KafkaBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = flags(topics, tmp_path, "--trigger=available-now")
    publish(topics, BROWSING, event("a", 0), event("b", 1))
    assert run(ACTIVITY, command) == 0
    publish(topics, BROWSING, *(event(name, 2) for name in "cdefg"))
    delete_before(topics.bootstrap, BROWSING.topic, {0: 6})
    capsys.readouterr()
    assert run(ACTIVITY, command) == 1
    (said,) = capsys.readouterr().err.splitlines()
    lost = "4 events of browsing-stream-topic's partition 0 (offsets 2 to 5)"
    assert f"retention has taken what this run would read next: {lost}; expected " in said
    assert "twinstream reset product_activity_windows --source kafka" in said
    (found,) = doctor.checkpoints(tmp_path / "checkpoints", topics.bootstrap)
    assert found.state == "fault"
    assert lost in found.found
    assert (
        run(ACTIVITY, [*command[:2], f"--checkpoint-root={tmp_path / 'new'}", "--trigger=available-now"]) == 0
    )
