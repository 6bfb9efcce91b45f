"""One suite over every source: the same messages give the same envelopes, in batch and in streaming."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from sources.catalog import Stream
from sources.envelope import ENVELOPE
from sources.source import Message, Source, SourceError, load
from tests.kafka_broker import KafkaBroker

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
# partition, offset, key, value, attributes, event_at. The partitions of 21, abc, foobar and a-little-... are
# by the vectors of Kafka's own tests; a message without a key is its publisher's first: partition 0.
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


@dataclass
class Backend:
    source: Source
    options: Namespace

    def batch(self, spark: SparkSession) -> DataFrame:
        return self.source.envelope(self.source.read(spark.read, STREAM, self.options))

    def streaming(self, spark: SparkSession) -> DataFrame:
        return self.source.envelope(self.source.read(spark.readStream, STREAM, self.options))


def options_of(source: Source, *arguments: str) -> Namespace:
    parser = ArgumentParser()
    source.add_arguments(parser.add_argument_group())
    return parser.parse_args(arguments)


def kafka(request: pytest.FixtureRequest) -> Backend:
    broker: KafkaBroker = request.getfixturevalue("kafka_broker")
    broker.create_topic(STREAM.topic, 2, max_message_bytes=2 * 1024 * 1024)
    return Backend(load("kafka"), options_of(load("kafka"), "--kafka-bootstrap-servers", broker.bootstrap))


def replay(request: pytest.FixtureRequest) -> Backend:
    directory = request.getfixturevalue("tmp_path_factory").mktemp("contract")
    return Backend(load("replay"), options_of(load("replay"), "--replay-dir", str(directory)))


BACKENDS: dict[str, Callable[[pytest.FixtureRequest], Backend]] = {"kafka": kafka, "replay": replay}


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> Backend:
    """A source that holds `MESSAGES`, published through itself."""
    backend = BACKENDS[request.param](request)
    acknowledged: list[tuple[Message, Exception | None]] = []
    publisher = backend.source.publisher(backend.options)
    publisher.publish(MESSAGES, lambda message, failure: acknowledged.append((message, failure)))
    publisher.close()
    assert sorted(MESSAGES.index(message) for message, failure in acknowledged if failure is None) == list(
        range(len(MESSAGES))
    )
    return backend


def plain(rows: list[Row]) -> list[tuple[Any, ...]]:
    """The rows as Python values without stream and published_at, by partition and offset."""
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
    frame = backend.batch(spark)
    assert [(f.name, f.dataType) for f in frame.schema] == [(f.name, f.dataType) for f in ENVELOPE]
    rows = frame.collect()
    assert plain(rows) == EXPECTED
    assert {row.stream for row in rows} == {"contract"}
    assert all(row.published_at is not None for row in rows)


def test_a_stream_gives_the_same(backend: Backend, spark: SparkSession, tmp_path: Path) -> None:
    rows: list[Row] = []
    query = (
        backend.streaming(spark)
        .writeStream.foreachBatch(lambda frame, _: rows.extend(frame.collect()))
        .option("checkpointLocation", str(tmp_path))
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(60)
    assert plain(rows) == EXPECTED


def test_records_are_the_same_without_spark(backend: Backend) -> None:
    records = backend.source.records(STREAM, backend.options)
    found = [record for _, record in zip(range(len(MESSAGES)), filter(None, records), strict=False)]
    assert (
        sorted((r.partition, r.offset, r.key, r.value, r.attributes, r.event_at) for r in found) == EXPECTED
    )


def test_the_identity_is_stable(backend: Backend, spark: SparkSession) -> None:
    identity = backend.source.check(spark, [STREAM], backend.options)
    assert list(identity) == ["contract"]
    assert backend.source.check(spark, [STREAM], backend.options) == identity


def test_a_stream_that_is_not_there_is_said_at_the_start(backend: Backend, spark: SparkSession) -> None:
    with pytest.raises(SourceError, match=r"absent.*expected.*remedy.*python -m sources"):
        backend.source.check(spark, [STREAM, Stream("absent")], backend.options)
