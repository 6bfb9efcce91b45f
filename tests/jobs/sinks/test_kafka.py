"""The Kafka sink on its own: a message's key and value, on a real broker."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from jobs.engine.run import run
from jobs.engine.sink import Results, SinkError
from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.sinks import kafka
from jobs.sinks.kafka import TopicOptions
from sources.base import SourceError
from sources.catalog import BROWSING
from tests.jobs.engine.test_run import event, replay
from tests.support.kafka_broker import KafkaBroker
from tests.support.topic import stored

RESULTS = Results("job", "application", ("window_start", "product_id"), (), False, True)
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


def options(broker: KafkaBroker, topic: str | None) -> TopicOptions:
    return TopicOptions(kafka_bootstrap_servers=broker.bootstrap, sink_topic=topic)


def frame(spark: SparkSession, *rows: tuple[int, str, str]) -> DataFrame:
    """Return rows by the minute of the day at which their window starts."""
    columns = "window_start timestamp, product_id string, net_revenue decimal(18,2)"
    whole = [(MIDNIGHT + timedelta(minutes=minute), name, Decimal(net)) for minute, name, net in rows]
    return spark.createDataFrame(whole, columns)


def sent(broker: KafkaBroker, topic: str, count: int) -> list[tuple[str, dict[str, str]]]:
    """Return keys and values on the topic's one partition, in order."""
    return [((one.key or b"").decode(), json.loads(one.value)) for one in stored(broker.bootstrap, topic)]


def test_the_key_is_window_and_product_and_a_batch_that_comes_again_has_the_same(
    spark: SparkSession, kafka_broker: KafkaBroker
) -> None:
    kafka_broker.create_topic("sink-keys")
    write = kafka.open_sink(spark, options(kafka_broker, "sink-keys"), RESULTS)
    rows = frame(spark, (0, "mug", "1.50"), (13 * 60 + 5, "a|b ☕", "0.00")).coalesce(1)
    for _ in range(2):
        write(rows, 0)
    expected = [
        (
            "2026-01-01T00:00:00.000Z|mug",
            {"window_start": "2026-01-01T00:00:00.000Z", "product_id": "mug", "net_revenue": 1.5},
        ),
        (
            "2026-01-01T13:05:00.000Z|a|b ☕",
            {"window_start": "2026-01-01T13:05:00.000Z", "product_id": "a|b ☕", "net_revenue": 0.0},
        ),
    ]
    assert sent(kafka_broker, "sink-keys", 4) == expected * 2


def test_a_topic_that_is_deleted_in_between_is_named(
    spark: SparkSession, kafka_broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "PATIENCE_SECONDS", 4)
    kafka_broker.create_topic("sink-deleted")
    write = kafka.open_sink(spark, options(kafka_broker, "sink-deleted"), RESULTS)
    write(frame(spark, (0, "mug", "1.50")), 0)
    kafka_broker.delete_topic("sink-deleted")
    with pytest.raises(SinkError) as refused:
        write(frame(spark, (5, "mug", "1.50")), 1)
    assert str(refused.value) == (
        "--sink-topic sink-deleted: deleted while the job ran; expected it to stay; remedy: create it again, "
        "then run the same command: it continues"
    )
    kafka_broker.create_topic("sink-deleted")
    write(frame(spark, (5, "mug", "1.50")), 1)
    ((key, _),) = sent(kafka_broker, "sink-deleted", 1)
    assert key == "2026-01-01T00:05:00.000Z|mug"


def test_a_row_that_the_topic_finds_too_large_is_told(spark: SparkSession, kafka_broker: KafkaBroker) -> None:
    kafka_broker.create_topic("sink-narrow", max_message_bytes=1_000)
    write = kafka.open_sink(spark, options(kafka_broker, "sink-narrow"), RESULTS)
    write(frame(spark, (0, "mug", "1.50")), 0)
    with pytest.raises(SinkError) as refused:
        write(frame(spark, (0, "m" * 1_024, "1.50")), 1)
    assert str(refused.value) == (
        "--sink-topic sink-narrow: a row is larger than the topic's max.message.bytes; expected room for ids "
        "of 1,024 bytes; remedy: raise it (its default is 1 MiB), then run the same command: it continues"
    )


def test_a_topic_that_is_not_given_or_not_there_is_told_at_the_start(
    spark: SparkSession, kafka_broker: KafkaBroker
) -> None:
    with pytest.raises(SinkError, match=r"^--sink-topic is not given; --sink kafka needs it$"):
        kafka.open_sink(spark, options(kafka_broker, None), RESULTS)
    with pytest.raises(SourceError, match=r"^no topic 'sink-absent' on "):
        kafka.open_sink(spark, options(kafka_broker, "sink-absent"), RESULTS)


def test_the_longest_id_goes_through_and_a_longer_one_keeps_no_row_back(
    spark: SparkSession, kafka_broker: KafkaBroker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row with an id of 2 MiB would be refused by the broker, at every restart."""
    kafka_broker.create_topic("sink-ids")
    longest = "ë" * 512
    first = [event("a", 0, product_id=longest), event("b", 0.1, product_id="x" * 2**21)]
    files = replay(tmp_path, BROWSING, first, [event("c", 2)])
    broker = f"--kafka-bootstrap-servers={kafka_broker.bootstrap}"
    sink = ["--sink=kafka", "--sink-topic=sink-ids", broker]
    assert run(ACTIVITY, [files, f"--checkpoint-root={tmp_path / 'checkpoints'}", *sink]) == 0
    assert "total_in=3 total_out=1 total_late=0 total_dead=1" in capsys.readouterr().err
    start, end = "2026-01-01T12:00:00.000Z", "2026-01-01T12:01:00.000Z"
    row = {"window_start": start, "window_end": end, "key": longest, "events": 1}
    assert sent(kafka_broker, "sink-ids", 1) == [(f"{start}|{longest}", row)]
