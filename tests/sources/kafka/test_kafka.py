import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from kafka import KafkaProducer
from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from jobs.engine.sink import Results
from jobs.sinks import kafka as kafka_sink
from jobs.sinks.kafka import TopicOptions
from pubsublite_emulator.errors import LiteError
from pubsublite_emulator.storage import open_storage
from sources import flags, kafka
from sources.base import Message, Record, SourceError
from sources.catalog import Stream
from sources.kafka.options import KafkaOptions
from sources.kafka.retained import retained_offsets
from tests.support.kafka_broker import KafkaBroker
from tests.support.topic import delete_before

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
_names = (f"kafka-{number}" for number in count())


def options_of(*arguments: str) -> KafkaOptions:
    return flags.options(KafkaOptions, arguments, prog="test")


@pytest.fixture
def stream(kafka_broker: KafkaBroker) -> Iterator[Stream]:
    stream = Stream(next(_names))
    kafka_broker.create_topic(stream.topic, 2)
    yield stream
    kafka_broker.delete_topic(stream.topic)


@pytest.fixture
def options(kafka_broker: KafkaBroker) -> KafkaOptions:
    return options_of("--kafka-bootstrap-servers", kafka_broker.bootstrap)


def publish(options: KafkaOptions, *messages: Message) -> list[str | None]:
    """Return each message's outcome: None if it was stored, otherwise the reason."""
    told: dict[int, str | None] = {}

    def acknowledge(message: Message, failure: Exception | None) -> None:
        assert id(message) not in told
        told[id(message)] = str(failure) if failure else None

    publisher = kafka.publisher(options)
    publisher.publish(messages, acknowledge)
    publisher.close()
    return [told[id(message)] for message in messages]


def message(stream: Stream, value: str, minute: int = 0, key: bytes = b"abc") -> Message:
    return Message(stream.name, key, value.encode(), NOON + timedelta(minutes=minute))


def values(frame: DataFrame) -> list[str]:
    return sorted(bytes(row.value).decode() for row in frame.select("value").collect())


def read(spark: SparkSession, stream: Stream, options: KafkaOptions) -> list[str]:
    return values(kafka.read(spark.read, stream, options))


def test_a_broker_that_is_not_there_is_one_line_within_30_seconds(
    spark: SparkSession, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:1: .*; expected a Kafka broker; remedy: ") as raised:
        kafka.check(spark, [Stream("any")], options_of("--kafka-bootstrap-servers", "127.0.0.1:1"))
    assert time.monotonic() - began < 60
    assert "\n" not in str(raised.value)
    assert "NetworkClient" not in capfd.readouterr().err


@pytest.mark.parametrize("servers", ["nonsense", "no-such-host.invalid:9092"])
def test_an_address_that_cannot_be_is_one_line(spark: SparkSession, servers: str) -> None:
    with pytest.raises(SourceError, match=f"{servers}: .*bootstrap.servers.*; expected a Kafka broker"):
        kafka.check(spark, [Stream("any")], options_of("--kafka-bootstrap-servers", servers))


def test_publishing_and_recording_say_the_same_of_an_absent_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sources.kafka.client.ANSWER_SECONDS", 2)
    options = options_of("--kafka-bootstrap-servers", "127.0.0.1:1")
    for ask in (
        lambda: kafka.publisher(options),
        lambda: next(kafka.records(Stream("any"), options)),
        lambda: kafka.create([Stream("any")], options),
    ):
        began = time.monotonic()
        with pytest.raises(SourceError, match=r"127\.0\.0\.1:1: .*; expected a Kafka broker; remedy: "):
            ask()
        assert time.monotonic() - began < 60


@pytest.mark.slow
def test_every_command_says_where_a_broker_leads_its_clients_in_vain(spark: SparkSession) -> None:
    """Each within seconds; without the look at where it leads, a client waits for minutes."""
    results = Results("job", "application", ("window_start",), (), False, True)
    with KafkaBroker(advertised="127.0.0.1:1") as broker:
        options = TopicOptions(broker.bootstrap, sink_topic="any")
        asked: dict[str, Callable[[], object]] = {
            "create": lambda: kafka.create([Stream("any")], options),
            "publish": lambda: kafka.publisher(options),
            "record": lambda: next(kafka.records(Stream("any"), options)),
            "run": lambda: kafka.check(spark, [Stream("any")], options),
            "run --sink kafka": lambda: kafka_sink.open_sink(spark, options, results),
            "cutover": lambda: retained_offsets(Stream("any"), NOON, options),
            "serve --storage kafka://": lambda: asyncio.run(started(f"kafka://{broker.bootstrap}")),
        }
        for name, ask in asked.items():
            began = time.monotonic()
            with pytest.raises((SourceError, LiteError)) as raised:
                ask()
            said = "leads its clients to 127.0.0.1:1, where nothing answers from here; expected "
            assert said in str(raised.value), name
            assert time.monotonic() - began < 30, name


async def started(address: str) -> None:
    await open_storage(address).start()


def test_a_topic_that_is_not_there_names_the_command_that_makes_it(
    spark: SparkSession, stream: Stream, options: KafkaOptions
) -> None:
    absent = Stream("absent")
    expected = r"no topic 'absent-topic' .*remedy.*: twinstream create --source kafka"
    for ask in (
        lambda: kafka.check(spark, [stream, absent], options),
        lambda: publish(options, message(stream, "x"), message(absent, "x")),
        lambda: next(kafka.records(absent, options)),
    ):
        with pytest.raises(SourceError, match=expected):
            ask()
    assert read(spark, stream, options) == []


def test_that_command_makes_it_once(
    spark: SparkSession, kafka_broker: KafkaBroker, options: KafkaOptions
) -> None:
    made = Stream(next(_names))
    assert kafka.create([made], options) == [made.topic]
    assert kafka.create([made], options) == []
    assert publish(options, message(made, "x" * 3_600_000)) == [None]
    assert list(kafka.check(spark, [made], options)) == [made.name]
    kafka_broker.delete_topic(made.topic)


def test_a_topic_made_anew_is_another(
    spark: SparkSession, kafka_broker: KafkaBroker, stream: Stream, options: KafkaOptions
) -> None:
    before = kafka.check(spark, [stream], options)
    assert kafka.check(spark, [stream], options) == before
    kafka_broker.delete_topic(stream.topic)
    kafka_broker.create_topic(stream.topic, 2)
    assert kafka.check(spark, [stream], options) != before


def test_reading_starts_where_asked(spark: SparkSession, stream: Stream, options: KafkaOptions) -> None:
    publish(options, *(message(stream, str(minute), minute) for minute in range(4)))
    later = replace(options, kafka_starting=datetime(2026, 1, 1, 12, 2, tzinfo=UTC))
    assert read(spark, stream, later) == ["2", "3"]
    assert read(spark, stream, replace(options, kafka_starting=datetime(2027, 1, 1, tzinfo=UTC))) == []
    with pytest.raises(SourceError, match=r"--kafka-starting latest leaves a batch nothing"):
        kafka.read(spark.read, stream, replace(options, kafka_starting="latest"))


def test_a_time_has_a_zone() -> None:
    given = options_of("--kafka-starting=2026-01-01T13:02:00+01:00")
    assert given.kafka_starting == datetime(2026, 1, 1, 12, 2, tzinfo=UTC)


def test_a_time_without_zone_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options_of("--kafka-starting=2026-01-01")
    assert "'2026-01-01': expected earliest, latest or a time" in capsys.readouterr().err


def test_a_batch_has_no_more_events_than_asked(
    spark: SparkSession, stream: Stream, options: KafkaOptions, tmp_path: Path
) -> None:
    publish(options, *(message(stream, str(n), key=key) for n in range(10) for key in (b"abc", b"21")))
    options = replace(options, kafka_max_events_per_batch=8)
    sizes: list[int] = []
    query = (
        kafka.read(spark.readStream, stream, options)
        .writeStream.foreachBatch(lambda frame, _: sizes.append(frame.count()))
        .option("checkpointLocation", str(tmp_path))
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(60)
    assert sum(sizes) == 20
    assert max(sizes) <= 8


def test_events_that_are_gone_before_they_were_read_fail_the_query(
    spark: SparkSession, kafka_broker: KafkaBroker, stream: Stream, options: KafkaOptions, tmp_path: Path
) -> None:
    def read_on() -> StreamingQuery:
        frame = kafka.read(spark.readStream, stream, options)
        writer = frame.writeStream.format("noop").option("checkpointLocation", str(tmp_path))
        return writer.trigger(availableNow=True).start()

    publish(options, message(stream, "a"))
    assert read_on().awaitTermination(60)
    publish(options, *(message(stream, value) for value in "bcd"))
    delete_before(kafka_broker.bootstrap, stream.topic, {1: 3})
    with pytest.raises(StreamingQueryException, match="failOnDataLoss"):
        read_on().awaitTermination(60)


def test_a_topic_stamped_by_the_broker_has_no_time_of_the_producers(
    spark: SparkSession, kafka_broker: KafkaBroker, options: KafkaOptions
) -> None:
    stamped = Stream(next(_names))
    kafka_broker.create_topic(stamped.topic, 1, message_timestamp_type="LogAppendTime")
    began = datetime.now(UTC) - timedelta(seconds=1)
    publish(options, message(stamped, "x"))
    (row,) = kafka.envelope(kafka.read(spark.read, stamped, options)).collect()
    assert row.event_at is None
    assert began <= row.published_at.replace(tzinfo=UTC) <= datetime.now(UTC) + timedelta(seconds=1)
    record = next(kafka.records(stamped, options))
    assert record is not None
    assert (record.event_at, record.published_at) == (None, row.published_at.replace(tzinfo=UTC))
    kafka_broker.delete_topic(stamped.topic)


def test_a_timestamp_beyond_the_year_9999_is_named_with_its_place(
    kafka_broker: KafkaBroker, options: KafkaOptions
) -> None:
    """Publish microseconds instead of milliseconds; Kafka 4 accepts them if the topic's limit is lifted."""
    far = Stream(next(_names))
    kafka_broker.create_topic(far.topic, 1, message_timestamp_after_max_ms=2**63 - 1)
    with closing(KafkaProducer(bootstrap_servers=kafka_broker.bootstrap)) as producer:
        producer.send(far.topic, b"x", timestamp_ms=1_767_268_800_000_000).get(30)
    said = f"{far.topic}, partition 0, offset 0: its timestamp, 1767268800000000 ms after 1970 is outside of"
    with pytest.raises(SourceError, match=f"^{said} the years 1 to 9999 in UTC; expected .*; remedy: "):
        next(kafka.records(far, options))
    kafka_broker.delete_topic(far.topic)


def test_one_message_that_the_broker_refuses_takes_no_other_with_it(
    spark: SparkSession, stream: Stream, options: KafkaOptions
) -> None:
    messages = [message(stream, str(number)) for number in range(50)]
    messages[20] = Message(stream.name, b"abc", b"far ahead", datetime(2120, 1, 1, tzinfo=UTC))
    messages[30] = message(stream, "x" * 2_000_000)
    told = publish(options, *messages)
    assert [number for number, failure in enumerate(told) if failure] == [20, 30]
    assert "InvalidTimestampError" in str(told[20])
    assert "MessageSizeTooLargeError" in str(told[30])
    assert read(spark, stream, options) == sorted(str(n) for n in range(50) if n not in (20, 30))


@pytest.mark.slow
def test_more_messages_than_the_client_holds_are_all_stored(
    spark: SparkSession, stream: Stream, options: KafkaOptions
) -> None:
    one = message(stream, "x")
    stored = []
    publisher = kafka.publisher(options)
    publisher.publish([one] * 250_000, lambda _, failure: stored.append(failure is None))
    publisher.close()
    assert stored == [True] * 250_000
    assert kafka.read(spark.read, stream, options).count() == 250_000


def test_every_message_is_accounted_for_when_the_broker_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sources.kafka.publishing.ANSWER_SECONDS", 3)
    with KafkaBroker() as broker:
        stream = Stream("dies")
        broker.create_topic(stream.topic, 2)
        told: list[bool] = []
        publisher = kafka.publisher(options_of("--kafka-bootstrap-servers", broker.bootstrap))
        publisher.publish([message(stream, "1")], lambda _, failure: told.append(failure is None))
        publisher.flush()
        broker.kill()
        publisher.publish([message(stream, "2")] * 10, lambda _, failure: told.append(failure is None))
        publisher.close()
    assert told == [True] + [False] * 10


def test_a_backlog_comes_in_the_order_of_time_over_all_partitions(
    stream: Stream, options: KafkaOptions
) -> None:
    even, odd = range(0, 2000, 2), range(1, 2000, 2)
    publish(options, *(message(stream, str(minute), minute, b"abc") for minute in even))
    publish(options, *(message(stream, str(minute), minute, b"21") for minute in odd))
    records = kafka.records(stream, options)
    backlog: list[Record] = []
    while (record := next(records)) is not None:
        backlog.append(record)
    assert [int(record.value or b"") for record in backlog] == list(range(2000))
    publish(options, message(stream, "live", 1))
    live = next(record for record in records if record is not None)
    assert live.value == b"live"
