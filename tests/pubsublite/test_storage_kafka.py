"""What holds for Kafka storage alone: both worlds see the same, and nothing is lost silently."""

import asyncio
import time
import uuid
from concurrent.futures import Future
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from pubsublite_emulator.errors import Code, LiteError
from pubsublite_emulator.kafka_reader import _good
from pubsublite_emulator.schema import message
from pubsublite_emulator.storage import Bounds, Retention, Storage, open_storage
from pubsublite_emulator.storage_kafka import KafkaStorage
from pubsublite_emulator.wire import Batch
from sources.kafka.options import COMMITTED
from tests.support.kafka_broker import KafkaBroker

PubSubMessage = message("PubSubMessage")
MessageResponse = message("MessageResponse")
KEEP = Retention(30 << 30)


class Started:
    """A storage for an `async with` block."""

    def __init__(self, broker: KafkaBroker) -> None:
        self._storage = open_storage(f"kafka://{broker.bootstrap}")

    async def __aenter__(self) -> Storage:
        await self._storage.start()
        return self._storage

    async def __aexit__(self, *_: object) -> None:
        await self._storage.close()


def name(purpose: str) -> str:
    return f"{purpose}-{uuid.uuid4().hex[:8]}"


class Outdated:
    """An admin client that at first answers as one does whose knowledge of a leader is old."""

    def __init__(self, admin: AdminClient, code: int) -> None:
        self._admin = admin
        self._codes = [code]

    def list_offsets(self, wanted: dict[TopicPartition, Any], **more: Any) -> dict[TopicPartition, Any]:
        if not self._codes:
            return cast(dict[TopicPartition, Any], self._admin.list_offsets(wanted, **more))
        failed = Future[Any]()
        failed.set_exception(KafkaException(KafkaError(self._codes.pop())))
        return dict.fromkeys(wanted, failed)


@pytest.mark.parametrize("code", [KafkaError.FENCED_LEADER_EPOCH, KafkaError.NOT_LEADER_FOR_PARTITION])
def test_a_leader_that_changed_is_asked_for_again(
    kafka_broker: KafkaBroker, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        async with Started(kafka_broker) as storage:
            topic = name("led-anew")
            await storage.create_topic(topic, 1, KEEP)
            monkeypatch.setattr(storage, "_admin", Outdated(cast(KafkaStorage, storage)._admin, code))
            assert await storage.bounds(topic, 0) == Bounds(0, 0)

    asyncio.run(test())


def test_kafka_readers_and_lite_readers_see_the_same(kafka_broker: KafkaBroker) -> None:
    topic, began = name("shared"), int(time.time() * 1000)
    kafka_broker.create_topic(topic, 1)
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap})
    headers: list[tuple[str, str | bytes | None]] = [("h", b"v"), ("h", None), ("h", b"w")]
    producer.produce(topic, b"from kafka", b"k", 0, timestamp=1_600_000_000_001, headers=headers)
    assert producer.flush(10) == 0

    async def through_lite() -> None:
        async with Started(kafka_broker) as storage:
            await storage.create_topic(topic, 1, KEEP)  # adopted
            lite = PubSubMessage(key=b"user", data=b"from lite")
            lite.attributes["a"].values.extend([b"1", b"2"])
            lite.event_time.FromNanoseconds(1_700_000_000_123_456_789)
            bare = PubSubMessage(data=b"no key")
            batch = [lite.SerializeToString(), bare.SerializeToString()]
            assert list(await storage.append(topic, 0, Batch(batch))) == [1, 2]
            reader = await storage.read(topic, 0, 0)
            found: list[Any] = []
            while len(found) < 3:
                found += MessageResponse.FromString((await reader.next()).messages()).messages
            await reader.close()
            assert [item.message.data for item in found] == [b"from kafka", b"from lite", b"no key"]
            assert list(found[0].message.attributes["h"].values) == [b"v", b"", b"w"]
            assert found[0].message.event_time.ToMilliseconds() == 1_600_000_000_001
            assert found[0].publish_time.ToMilliseconds() == 1_600_000_000_001
            assert found[1].message == lite
            assert found[2].message == bare
            await storage.commit("a-group", topic, {0: 2})

    asyncio.run(through_lite())
    consumer = Consumer({**COMMITTED, "bootstrap.servers": kafka_broker.bootstrap, "group.id": "a-group"})
    try:
        consumer.assign([TopicPartition(topic, 0, 1)])
        first, second = consumer.poll(10), consumer.poll(10)
        assert first is not None
        assert second is not None
        assert (first.offset(), first.key(), first.value()) == (1, b"user", b"from lite")
        assert (second.offset(), second.key(), second.value()) == (2, None, b"no key")
        own = ("pubsublite.event_time", b"1700000000.123456789")
        assert first.headers() == [("a", b"1"), ("a", b"2"), own]
        assert second.headers() == [("pubsublite.event_time", b"")]
        for one in (first, second):
            kind, published = one.timestamp()
            assert (kind, began <= published <= time.time() * 1000) == (1, True)
        assert consumer.committed([TopicPartition(topic, 0)], 10)[0].offset == 2
    finally:
        consumer.close()


def test_what_would_be_lost_is_refused(kafka_broker: KafkaBroker) -> None:
    topic = name("plain")
    empty, named, early, split = (PubSubMessage(data=b"x") for _ in range(4))
    empty.attributes["nothing"].SetInParent()
    named.attributes["pubsublite.event_time"].values.append(b"1")
    early.event_time.seconds = -62_135_596_801  # the year 0
    split.event_time.nanos = 1_000_000_000

    async def body() -> None:
        async with Started(kafka_broker) as storage:
            await storage.create_topic(topic, 1, KEEP)
            for item in (empty, named, early, split):
                with pytest.raises(LiteError) as caught:
                    await storage.append(topic, 0, Batch([item.SerializeToString()]))
                assert caught.value.code is Code.INVALID_ARGUMENT
            assert (await storage.bounds(topic, 0)).head == 0

    asyncio.run(body())


def written_by(producer: str, broker: KafkaBroker, topic: str) -> None:
    """Write a record as Google's clients do on Kafka, or with a header that holds no time."""
    header = {"Go": b"1700000000.000000001", "Java": b"1700000000", "another": b"yesterday"}[producer]
    writer = Producer({"bootstrap.servers": broker.bootstrap})
    writer.produce(topic, b"x", headers=[("pubsublite.event_time", header)])
    assert writer.flush(10) == 0


@pytest.mark.parametrize(
    ("producer", "nanoseconds"),
    [("Go", 1_700_000_000_000_000_001), ("Java", 1_700_000_000_000_000_000), ("another", None)],
)
def test_the_event_time_of_googles_clients_on_kafka_is_read(
    kafka_broker: KafkaBroker, producer: str, nanoseconds: int | None
) -> None:
    topic = name("headed")
    kafka_broker.create_topic(topic, 1)
    written_by(producer, kafka_broker, topic)

    async def body() -> None:
        async with Started(kafka_broker) as storage, asyncio.timeout(30):
            reader = await storage.read(topic, 0, 0)
            (found,) = MessageResponse.FromString((await reader.next()).messages()).messages
            await reader.close()
            expected = PubSubMessage(data=b"x")
            if nanoseconds is not None:
                expected.event_time.FromNanoseconds(nanoseconds)
            assert found.message == expected

    asyncio.run(body())


def test_a_topic_whose_timestamps_the_broker_sets_keeps_event_times(kafka_broker: KafkaBroker) -> None:
    topic = name("stamped")
    kafka_broker.create_topic(topic, 1, message_timestamp_type="LogAppendTime")
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap})
    producer.produce(topic, b"from kafka", timestamp=1_600_000_000_001)
    assert producer.flush(10) == 0
    timed, bare = PubSubMessage(data=b"timed"), PubSubMessage(data=b"bare")
    timed.event_time.FromSeconds(1)

    async def body() -> None:
        async with Started(kafka_broker) as storage, asyncio.timeout(30):
            await storage.create_topic(topic, 1, KEEP)
            await storage.append(topic, 0, Batch([one.SerializeToString() for one in (timed, bare)]))
            reader = await storage.read(topic, 0, 0)
            found: list[Any] = []
            while len(found) < 3:
                found += MessageResponse.FromString((await reader.next()).messages()).messages
            await reader.close()
            assert [one.message for one in found] == [PubSubMessage(data=b"from kafka"), timed, bare]
            assert all(one.publish_time.ToSeconds() > 1_700_000_000 for one in found)

    asyncio.run(body())


def test_topics_that_do_not_fit_are_refused(kafka_broker: KafkaBroker) -> None:
    topic = name("one")
    kafka_broker.create_topic(topic, 1)

    async def body() -> None:
        async with Started(kafka_broker) as storage:
            with pytest.raises(LiteError, match="has 1 partitions") as caught:
                await storage.create_topic(topic, 2, KEEP)
            assert caught.value.code is Code.FAILED_PRECONDITION
            for refused, why in (
                ("tilde~", "expected only letters"),
                ("pubsublite-emulator-resources", "the emulator keeps its resources there"),
            ):
                with pytest.raises(LiteError, match=why) as caught:
                    await storage.create_topic(refused, 1, KEEP)
                assert caught.value.code is Code.INVALID_ARGUMENT

    asyncio.run(body())


def test_a_broker_without_enough_others_for_its_replicas_is_told_with_a_remedy() -> None:
    name = "projects/1/locations/us-central1-a/topics/copied"

    async def body(broker: KafkaBroker) -> None:
        async with Started(broker) as storage:
            for creating in (storage.create_topic("copied", 1, KEEP), storage.save(name, b"x")):
                with pytest.raises(LiteError, match="replication factor of 3 cannot be reached") as caught:
                    await creating
                assert caught.value.code is Code.FAILED_PRECONDITION
                assert "remedy: lower that, or create the topic with fewer replicas" in caught.value.message
            for topic in ("copied", "pubsublite-emulator-resources"):
                broker.create_topic(topic, 1)
            await storage.create_topic("copied", 1, KEEP)
            await storage.save(name, b"x")
            assert await storage.saved() == {name: b"x"}

    with KafkaBroker(settings={"default.replication.factor": 3}) as broker:
        asyncio.run(body(broker))


def test_the_head_is_never_a_transaction_marker(kafka_broker: KafkaBroker) -> None:
    topic = name("markers")
    kafka_broker.create_topic(topic, 1)
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap, "transactional.id": topic})
    producer.init_transactions()
    for finish in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        producer.produce(topic, b"x", partition=0)
        producer.flush()
        finish()

    async def body() -> None:
        async with Started(kafka_broker) as storage:
            # 0: a record, 1: its marker, 2: aborted, 3: its marker
            assert await storage.bounds(topic, 0) == Bounds(0, 1)
            assert list(
                await storage.append(topic, 0, Batch([PubSubMessage(data=b"y").SerializeToString()]))
            ) == [4]
            assert await storage.bounds(topic, 0) == Bounds(0, 5)

    asyncio.run(body())


def test_resources_outlive_the_emulator(kafka_broker: KafkaBroker) -> None:
    resource = f"projects/1/locations/us-central1-a/topics/{name('kept')}"

    async def body() -> None:
        for record in (b"first", b"second", None):
            async with Started(kafka_broker) as storage:
                await storage.save(resource, record)
            async with Started(kafka_broker) as storage:
                assert (await storage.saved()).get(resource) == record

    asyncio.run(body())


def test_a_reader_passes_over_what_was_aborted(kafka_broker: KafkaBroker) -> None:
    topic = name("aborted")
    kafka_broker.create_topic(topic, 1)
    producer = Producer({"bootstrap.servers": kafka_broker.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    for commits, value in ((True, b"x"), (False, b"never"), (True, b"y")):
        producer.begin_transaction()
        producer.produce(topic, value, partition=0)
        producer.flush()
        producer.commit_transaction(30) if commits else producer.abort_transaction(30)

    async def body() -> None:
        async with Started(kafka_broker) as storage, asyncio.timeout(60):
            reader = await storage.read(topic, 0, 0)
            found: list[tuple[int, bytes]] = []
            while len(found) < 2:
                block = MessageResponse.FromString((await reader.next()).messages())
                found += [(one.cursor.offset, one.message.data) for one in block.messages]
            await reader.close()
            assert found == [(0, b"x"), (4, b"y")]

    asyncio.run(body())


def test_a_message_that_the_broker_finds_too_large_is_refused_and_its_neighbours_are_stored(
    kafka_broker: KafkaBroker,
) -> None:
    """Send them together, and two more that the topic takes one by one only."""
    topic = name("narrow")
    kafka_broker.create_topic(topic, 1, max_message_bytes=10_000)
    sizes = (6_000, 20_000, 6_000, 6_000)
    messages = [PubSubMessage(data=bytes(size)).SerializeToString() for size in sizes]

    async def body() -> None:
        async with Started(kafka_broker) as storage, asyncio.timeout(60):
            appending = [asyncio.ensure_future(storage.append(topic, 0, Batch([one]))) for one in messages]
            first, refused, *others = await asyncio.gather(*appending, return_exceptions=True)
            assert isinstance(refused, LiteError)
            assert refused.code is Code.INVALID_ARGUMENT
            assert "MSG_SIZE_TOO_LARGE" in refused.message
            assert [first, *others] == [[0], [1], [2]]

    asyncio.run(body())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KafkaError.UNKNOWN_TOPIC_OR_PART, Code.NOT_FOUND),
        (KafkaError._UNKNOWN_TOPIC, Code.NOT_FOUND),
        (KafkaError._UNKNOWN_PARTITION, Code.NOT_FOUND),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, Code.PERMISSION_DENIED),
        (KafkaError._TRANSPORT, None),
    ],
)
def test_a_reader_ends_where_there_is_nothing_to_wait_for(error: int, code: Code | None) -> None:
    """End at once: librdkafka takes minutes to report that a topic which existed is gone."""
    record = Message(topic="t", partition=0, error=KafkaError(error))
    if code is None:
        assert not _good(record)
        return
    with pytest.raises(LiteError) as caught:
        _good(record)
    assert caught.value.code is code


def test_a_broker_that_is_not_there_is_named() -> None:
    async def body() -> None:
        storage = open_storage("kafka://127.0.0.1:1")
        with pytest.raises(LiteError, match=r"127\.0\.0\.1:1") as caught:
            await storage.start()
        assert caught.value.code is Code.UNAVAILABLE

    asyncio.run(body())
