"""One suite over every source: the same messages give the same envelopes, in batch and in streaming."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from pubsublite_emulator import Emulator
from sources.base import Message, Source, SourceError, load, names
from sources.catalog import Stream, partition_of
from sources.envelope import ENVELOPE
from sources.flags import options
from tests.support.kafka_broker import KafkaBroker
from tests.support.lite import led
from tests.support.topic import put

STREAM = Stream("contract")
NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
MEBIBYTE = bytes(range(256)) * 4096


def at(microseconds: int) -> datetime:
    return NOON.replace(microsecond=microseconds)


MESSAGES = [
    Message("contract", b"21", b"{}", at(0)),
    Message("contract", b"abc", b"", at(1_000)),
    Message("contract", b"foobar", None, at(1_999)),
    Message("contract", b"21", b"\xff\x00\n", at(123_456), {"trace": [b"1"]}),
    Message("contract", b"abc", MEBIBYTE, at(3_000), {"trace": [b"a", None, b"a"], "\u00fc": [b""]}),
    Message("contract", b"\xff\xfe", b'"\xe2\x80\xa8"', at(4_000), {"raw": [b"\xff", None], "text": [b"x"]}),
    Message("contract", None, b"no key", at(5_000)),
    Message("contract", b"", b"empty key", at(6_000)),
    Message("contract", b"a-little-bit-long-string", b"\\u0000 \x00", at(7_000)),
]
# partition, offset, key, value, attributes, event_at. The partitions of 21, abc, foobar and a-little-... come
# from the vectors of Kafka's own tests; a message without a key goes to its publisher's first, partition 0.
EXPECTED = [
    (0, 0, b"21", b"{}", {}, at(0)),
    (0, 1, b"foobar", None, {}, at(1_000)),
    (0, 2, b"21", b"\xff\x00\n", {"trace": [b"1"]}, at(123_000)),
    (0, 3, None, b"no key", {}, at(5_000)),
    (0, 4, b"a-little-bit-long-string", b"\\u0000 \x00", {}, at(7_000)),
    (1, 0, b"abc", b"", {}, at(1_000)),
    (1, 1, b"abc", MEBIBYTE, {"trace": [b"a", None, b"a"], "\u00fc": [b""]}, at(3_000)),
    (1, 2, b"\xff\xfe", b'"\xe2\x80\xa8"', {"raw": [b"\xff", None], "text": [b"x"]}, at(4_000)),
    (1, 3, b"", b"empty key", {}, at(6_000)),
]
# Pub/Sub Lite has no null: a value without bytes is empty, a key without bytes is null.
EXPECTED_ON_LITE = [
    (0, 0, b"21", b"{}", {}, at(0)),
    (0, 1, b"foobar", b"", {}, at(1_000)),
    (0, 2, b"21", b"\xff\x00\n", {"trace": [b"1"]}, at(123_000)),
    (0, 3, None, b"no key", {}, at(5_000)),
    (0, 4, b"a-little-bit-long-string", b"\\u0000 \x00", {}, at(7_000)),
    (1, 0, b"abc", b"", {}, at(1_000)),
    (1, 1, b"abc", MEBIBYTE, {"trace": [b"a", b"", b"a"], "\u00fc": [b""]}, at(3_000)),
    (1, 2, b"\xff\xfe", b'"\xe2\x80\xa8"', {"raw": [b"\xff", b""], "text": [b"x"]}, at(4_000)),
    (1, 3, None, b"empty key", {}, at(6_000)),
]


@dataclass
class Backend:
    source: Source
    options: Any
    stream: Stream = STREAM
    expected: list[tuple[Any, ...]] = field(default_factory=lambda: EXPECTED)
    reads_batches: bool = True

    def batch(self, spark: SparkSession) -> DataFrame:
        return self.source.envelope(self.source.read(spark.read, self.stream, self.options))

    def streaming(self, spark: SparkSession) -> DataFrame:
        return self.source.envelope(self.source.read(spark.readStream, self.stream, self.options))


def options_of(source: Source, *arguments: str) -> Any:
    return options(source.OPTIONS, arguments, prog="test")


def kafka(request: pytest.FixtureRequest) -> Backend:
    broker: KafkaBroker = request.getfixturevalue("kafka_broker")
    broker.create_topic(STREAM.topic, 2, max_message_bytes=2 * 1024 * 1024)
    return Backend(load("kafka"), options_of(load("kafka"), "--kafka-bootstrap-servers", broker.bootstrap))


def replay(request: pytest.FixtureRequest) -> Backend:
    directory = request.getfixturevalue("tmp_path_factory").mktemp("contract")
    return Backend(load("replay"), options_of(load("replay"), "--replay-dir", str(directory)))


def pubsublite(request: pytest.FixtureRequest, storage: str = "memory") -> Backend:
    stack = ExitStack()
    request.addfinalizer(stack.close)
    lite = stack.enter_context(Emulator(storage))
    stack.enter_context(led(lite, request.getfixturevalue("spark")))
    source, stream = load("pubsublite"), Stream(f"contract-{storage.partition(':')[0]}")
    options = options_of(source)
    assert source.create([stream], options) == [stream.topic, stream.subscription]
    return Backend(source, options, stream, EXPECTED_ON_LITE, reads_batches=False)


def pubsublite_over_kafka(request: pytest.FixtureRequest) -> Backend:
    return pubsublite(request, f"kafka://{request.getfixturevalue('kafka_broker').bootstrap}")


BACKENDS: dict[str, Callable[[pytest.FixtureRequest], Backend]] = {
    "kafka": kafka,
    "replay": replay,
    "pubsublite": pubsublite,
    "pubsublite over Kafka": pubsublite_over_kafka,
}


@pytest.fixture(scope="module", params=sorted({*names(), *BACKENDS}))
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return a source that holds `MESSAGES`, published through itself."""
    assert request.param in BACKENDS, f"no function here makes a {request.param} for this suite"
    backend = BACKENDS[request.param](request)
    acknowledged: list[tuple[Message, Exception | None]] = []
    publisher = backend.source.publisher(backend.options)
    messages = [replace(message, stream=backend.stream.name) for message in MESSAGES]
    for message in messages:
        publisher.publish([message], lambda message, failure: acknowledged.append((message, failure)))
        if request.param == "kafka" and any(None in values for values in message.attributes.values()):
            publisher.flush()
            (refused,) = [one for one in acknowledged if one[0] is message]
            assert "without a value; expected one" in str(refused[1])
            put(backend.options.kafka_bootstrap_servers, message, partition_of(message.key or b"", 2))
            acknowledged[acknowledged.index(refused)] = (message, None)
    publisher.close()
    assert sorted(messages.index(message) for message, failure in acknowledged if failure is None) == list(
        range(len(messages))
    )
    return backend


def plain(rows: list[Row]) -> list[tuple[Any, ...]]:
    """Return the rows as Python values without stream and published_at, by partition and offset."""
    return sorted(
        (
            row.partition,
            row.offset,
            None if row.key is None else bytes(row.key),
            None if row.value is None else bytes(row.value),
            {name: [None if v is None else bytes(v) for v in vs] for name, vs in row.attributes.items()},
            row.event_at.replace(tzinfo=UTC),
        )
        for row in rows
    )


def test_a_batch_gives_the_canonical_envelope(backend: Backend, spark: SparkSession) -> None:
    if not backend.reads_batches:
        with pytest.raises(SourceError, match=r"expected spark\.readStream.*remedy: .*available-now"):
            backend.batch(spark)
        return
    frame = backend.batch(spark)
    assert [(f.name, f.dataType) for f in frame.schema] == [(f.name, f.dataType) for f in ENVELOPE]
    rows = frame.collect()
    assert plain(rows) == backend.expected
    assert {row.stream for row in rows} == {backend.stream.name}
    assert all(row.published_at is not None for row in rows)


def test_a_stream_gives_the_same(backend: Backend, spark: SparkSession, tmp_path: Path) -> None:
    rows: list[Row] = []
    frame = backend.streaming(spark)
    assert [(f.name, f.dataType) for f in frame.schema] == [(f.name, f.dataType) for f in ENVELOPE]
    query = (
        frame.writeStream.foreachBatch(lambda frame, _: rows.extend(frame.collect()))
        .option("checkpointLocation", str(tmp_path))
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(60)
    assert plain(rows) == backend.expected
    assert {row.stream for row in rows} == {backend.stream.name}
    assert all(row.published_at is not None for row in rows)


def test_records_are_the_same_without_spark(backend: Backend) -> None:
    records = backend.source.records(backend.stream, backend.options)
    found = [record for _, record in zip(range(len(MESSAGES)), filter(None, records), strict=False)]
    assert (
        sorted((r.partition, r.offset, r.key, r.value, r.attributes, r.event_at) for r in found)
        == backend.expected
    )


def test_the_identity_is_stable(backend: Backend, spark: SparkSession) -> None:
    identity = backend.source.check(spark, [backend.stream], backend.options)
    assert list(identity) == [backend.stream.name]
    assert backend.source.check(spark, [backend.stream], backend.options) == identity


def test_a_stream_that_is_not_there_is_said_at_the_start(backend: Backend, spark: SparkSession) -> None:
    with pytest.raises(SourceError, match=r"absent.*expected.*remedy.*twinstream (create|publish)"):
        backend.source.check(spark, [backend.stream, Stream("absent")], backend.options)
