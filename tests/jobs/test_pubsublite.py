"""The jobs over Pub/Sub Lite with Google's connector: Kafka's rows, the reference's rows, runs continued."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from google.cloud.pubsublite_v1 import CursorServiceClient
from pyspark.sql import DataFrame, SparkSession

from jobs.engine.job import Job
from jobs.popular_products_recommendation import JOB as POPULAR
from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.streaming_product_discounts import JOB as DISCOUNTS
from pubsublite_emulator import Emulator
from sources import kafka, pubsublite
from sources.base import Source
from sources.catalog import STREAMS
from sources.pubsublite.paths import subscription_path, topic_path
from sources.pubsublite.resources import admin_client, endpoint
from tests.sources.test_contract import options_of
from tests.support import event_sets, reference, streaming_reference
from tests.support.event_sets import BROWSING, DELAY, NOW, ORDERS, PRODUCT, PURCHASE, SKEW, WITHIN, EventSet
from tests.support.kafka_broker import KafkaBroker
from tests.support.lite import led
from tests.support.publishing import publish_all
from tests.support.reference import Message, Row
from tests.support.runs import Runner, record
from tests.support.streaming_reference import Streamed, held_back

MINUTE = timedelta(minutes=1)
EVENTS = event_sets.generate(7, batches=3, size=20)
ON_LITE = ("--source=pubsublite",)


def publish(source: Any, options: Any, stream: str, messages: Sequence[Message]) -> None:
    publish_all(source, options, [record(stream, message) for message in messages])


def committed(stream: str) -> dict[int, int]:
    options = options_of(pubsublite)
    with CursorServiceClient(client_options=endpoint(options)) as client:
        cursors = client.list_partition_cursors(parent=subscription_path(STREAMS[stream], options))
        return {one.partition: one.cursor.offset for one in cursors}


def opened(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the partitions that Spark opened, and at which offset, sorted."""
    lines = (line for line in caplog.messages if line.startswith("JAVA-SPARK") and ": opened at " in line)
    return sorted(line.rpartition("/")[2] for line in lines)


def rewind() -> None:
    """Seek back to the oldest message, because a fresh checkpoint starts at the subscription's cursor."""
    options = options_of(pubsublite)
    with admin_client(options) as admin:
        for stream in STREAMS.values():
            tail = {"name": subscription_path(stream, options), "named_target": "TAIL"}
            admin.seek_subscription(tail).result(120)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def on_kafka(spark: SparkSession, kafka_broker: KafkaBroker) -> Iterator[tuple[str, str]]:
    """Publish every message of `EVENTS` once by Kafka's publisher; yield the flags to read it from Kafka."""
    lite = Emulator(f"kafka://{kafka_broker.bootstrap}")
    flags = ("--source=kafka", f"--kafka-bootstrap-servers={kafka_broker.bootstrap}")
    with lite, led(lite, spark):
        options = options_of(pubsublite)
        pubsublite.create(list(STREAMS.values()), options)
        for stream in STREAMS:
            publish(kafka, options_of(kafka, flags[1]), stream, EVENTS.messages(stream))
        yield flags
        with admin_client(options) as admin:
            for one in STREAMS.values():
                admin.delete_subscription(name=subscription_path(one, options))
                admin.delete_topic(name=topic_path(one, options))


def in_one_batch(*streams: str) -> Streamed:
    batches = {stream: [EVENTS.messages(stream)] for stream in streams}
    return streaming_reference.stream(batches, ORDERS, delay=DELAY, skew=SKEW, now=NOW)


def discounts() -> list[Row]:
    expected = in_one_batch(PRODUCT)
    return expected.final(reference.product_discounts(expected.events(PRODUCT), EVENTS.offers, MINUTE))


def popular() -> list[Row]:
    expected = in_one_batch(BROWSING, PURCHASE)
    bought = expected.purchases(BROWSING, PURCHASE, WITHIN)
    return expected.final(reference.popular_products(bought, 10 * MINUTE, 10), held_back(WITHIN))


def activity() -> list[Row]:
    expected = in_one_batch(BROWSING)
    return expected.final(reference.activity(expected.events(BROWSING), MINUTE, MINUTE))


def envelopes(source: Source, spark: SparkSession, flags: Sequence[str], checkpoint: Path) -> list[Row]:
    """Return every stream's envelopes, read in one streaming query."""
    found: list[Any] = []
    options = options_of(source, *flags)
    streams = [source.envelope(source.read(spark.readStream, one, options)) for one in STREAMS.values()]
    query = (
        reduce(DataFrame.union, streams)
        .writeStream.foreachBatch(lambda frame, _: found.extend(frame.collect()))
        .option("checkpointLocation", str(checkpoint))
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(90)
    return sorted(map(tuple, found), key=lambda row: row[:3])


def without_null(envelope: Row) -> Row:
    """Return the envelope as Pub/Sub Lite can express it: no value is an empty one, an empty key is none."""
    stream, partition, offset, key, value, *times = envelope
    return (stream, partition, offset, key or None, value or b"", *times)


def test_equal_envelopes_with_equal_offsets(
    spark: SparkSession, on_kafka: tuple[str, str], tmp_path: Path
) -> None:
    from_kafka = envelopes(kafka, spark, on_kafka[1:], tmp_path / "kafka")
    from_lite = envelopes(pubsublite, spark, (), tmp_path / "lite")
    assert len(from_lite) == 180
    assert {row[:2] for row in from_lite} == {(name, partition) for name in STREAMS for partition in (0, 1)}
    assert list(map(without_null, from_kafka)) == from_lite
    assert [row for row in from_kafka if row == without_null(row)] == [
        row for row in from_lite if row in from_kafka
    ]


@pytest.mark.parametrize(
    ("job", "streams", "expect"),
    [
        (DISCOUNTS, 1, discounts),
        pytest.param(POPULAR, 2, popular, marks=pytest.mark.slow),
        pytest.param(ACTIVITY, 1, activity, marks=pytest.mark.slow),
    ],
    ids=["discounts", "popular", "activity"],
)
def test_equal_rows(
    spark: SparkSession,
    on_kafka: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    job: Job[Any],
    streams: int,
    expect: Any,
) -> None:
    caplog.set_level("INFO", "pubsublite_emulator")
    by_kafka, by_lite = (Runner(spark, tmp_path / name, capsys) for name in ("kafka", "lite"))
    rewind()
    table = [by_kafka.discounts(EVENTS.offers)] if job is DISCOUNTS else []
    read, expected = by_lite.run(job, *ON_LITE, *table), expect()
    assert read.rows == expected
    assert read.rows, "the events give no rows: they prove nothing"
    # Once per partition, although the query's plan has each stream twice: for its rows and its dead letters.
    assert len(opened(caplog)) == 2 * streams, opened(caplog)
    kafkas = by_kafka.run(job, *on_kafka, *table)
    assert read.rows == kafkas.rows
    assert read.said == kafkas.said
    assert [letter[:2] for letter in read.dead] == [letter[:2] for letter in kafkas.dead]
    different = {(a[2], b[2]) for a, b in zip(kafkas.dead, read.dead, strict=True) if a != b}
    assert different <= {("value is null (a tombstone)", "value is not one JSON object (empty)")}


def test_a_restart_goes_on_where_the_checkpoint_ends(
    spark: SparkSession,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    events: EventSet = event_sets.generate(8, batches=2, size=40)
    runner = Runner(spark, tmp_path, capsys)
    table = runner.discounts(events.offers)
    ends, cursors = [], []
    caplog.set_level("INFO", "pubsublite_emulator")
    with Emulator() as lite, led(lite, spark):
        options = options_of(pubsublite)
        pubsublite.create(list(STREAMS.values()), options)
        for batch in events.batches[PRODUCT]:
            publish(pubsublite, options, PRODUCT, batch)
            outcome = runner.run(DISCOUNTS, *ON_LITE, table)
            ends.append(outcome.said["in"])
            cursors.append(sum(committed(PRODUCT).values()))
    # Each run is two batches to the reference: the data, then the batch without data that ends the run.
    apart: list[list[Message]] = [part for batch in events.batches[PRODUCT] for part in (batch, [])]
    expected = streaming_reference.stream({PRODUCT: apart}, ORDERS, delay=DELAY, skew=SKEW, now=NOW)
    rows = reference.product_discounts(expected.events(PRODUCT), events.offers, MINUTE)
    assert expected.final(rows) == outcome.rows
    assert outcome.rows
    assert ends == [40, 40]
    assert opened(caplog) == [
        "product-stream-subscription partition 0: opened at 0",
        "product-stream-subscription partition 0: opened at 17",
        "product-stream-subscription partition 1: opened at 0",
        "product-stream-subscription partition 1: opened at 23",
    ]
    # The second run's batch did not move the watermark, so no batch came after it to commit it.
    assert cursors == [40, 40]
