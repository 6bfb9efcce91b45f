"""One contract for every storage."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pubsublite_emulator.errors import Code, LiteError
from pubsublite_emulator.schema import message
from pubsublite_emulator.storage import Bounds, Retention, Storage, open_storage
from pubsublite_emulator.wire import Batch
from tests.support.kafka_broker import KafkaBroker

PubSubMessage = message("PubSubMessage")
MessageResponse = message("MessageResponse")
KEEP = Retention(30 << 30)

Test = Callable[[Storage, str], Coroutine[Any, Any, None]]
RunTest = Callable[[Test], None]


@asynccontextmanager
async def started(address: str) -> AsyncIterator[Storage]:
    storage = open_storage(address)
    await storage.start()
    try:
        yield storage
    finally:
        await storage.close()


@pytest.fixture(params=["memory", "kafka"])
def address(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory"
    broker: KafkaBroker = request.getfixturevalue("kafka_broker")
    return f"kafka://{broker.bootstrap}"


@pytest.fixture
def run(address: str) -> RunTest:
    def run(test: Test) -> None:
        async def body() -> None:
            async with started(address) as storage, asyncio.timeout(60):
                topic = storage.topic_names("us-central1-a", f"contract-{uuid.uuid4().hex[:8]}")[0]
                await storage.create_topic(topic, 2, KEEP)
                await test(storage, topic)

        asyncio.run(body())

    return run


def encoded(data: bytes, **more: Any) -> bytes:
    return bytes(PubSubMessage(data=data, **more).SerializeToString())


async def read(storage: Storage, topic: str, partition: int, offset: int, count: int) -> list[Any]:
    reader = await storage.read(topic, partition, offset)
    found: list[Any] = []
    try:
        while len(found) < count:
            block = await reader.next()
            found += MessageResponse.FromString(block.messages()).messages
    finally:
        await reader.close()
    return found


async def refused(code: Code, call: Awaitable[Any]) -> None:
    with pytest.raises(LiteError) as caught:
        await call
    assert caught.value.code is code


def test_messages_come_back_in_order_with_their_offsets(run: RunTest) -> None:
    async def test(storage: Storage, topic: str) -> None:
        assert list(await storage.append(topic, 1, Batch([encoded(b"a"), encoded(b"b")]))) == [0, 1]
        assert list(await storage.append(topic, 1, Batch([encoded(b"c", key=b"k")]))) == [2]
        found = await read(storage, topic, 1, 0, 3)
        assert [(item.cursor.offset, item.message.data, item.message.key) for item in found] == [
            (0, b"a", b""),
            (1, b"b", b""),
            (2, b"c", b"k"),
        ]
        assert [item.size_bytes for item in found] == [256, 256, 256]
        assert all(abs(item.publish_time.ToSeconds() - time.time()) < 60 for item in found)
        assert await storage.bounds(topic, 1) == Bounds(0, 3)
        assert await storage.bounds(topic, 0) == Bounds(0, 0)

    run(test)


def test_reading_starts_anywhere(run: RunTest) -> None:
    async def test(storage: Storage, topic: str) -> None:
        await storage.append(topic, 0, Batch([encoded(b"%d" % number) for number in range(700)]))
        await storage.append(topic, 0, Batch([encoded(b"700")]))
        found = await read(storage, topic, 0, 699, 2)
        assert [(item.cursor.offset, item.message.data) for item in found] == [(699, b"699"), (700, b"700")]

    run(test)


def test_a_reader_waits_for_the_next_message(run: RunTest) -> None:
    async def test(storage: Storage, topic: str) -> None:
        reading = asyncio.create_task(read(storage, topic, 0, 0, 1))
        await asyncio.wait((reading,), timeout=0.3)
        assert not reading.done()
        await storage.append(topic, 0, Batch([encoded(b"late")]))
        assert [item.message.data for item in await reading] == [b"late"]

    run(test)


def test_batches_queued_together_keep_their_order(run: RunTest) -> None:
    async def test(storage: Storage, topic: str) -> None:
        waiting = [storage.append(topic, 0, Batch([encoded(b"%d" % number)] * 3)) for number in range(50)]
        offsets = [list(await one) for one in waiting]
        assert offsets == [[first, first + 1, first + 2] for first in range(0, 150, 3)]

    run(test)


def test_attributes_and_event_times_survive(run: RunTest) -> None:
    async def test(storage: Storage, topic: str) -> None:
        whole = PubSubMessage(key=b"\x00\xff", data=b"\xfe" * 300)
        whole.attributes["colour"].values.extend([b"red", b"\xff\x00", b""])
        whole.attributes["été"].values.append(b"x")
        whole.event_time.FromNanoseconds(1_700_000_000_123_456_789)
        early, first, timeless = (PubSubMessage(data=b"x" * 300) for _ in range(3))
        early.event_time.FromNanoseconds(-1_500_000_001)
        first.event_time.FromSeconds(0)
        wanted, began = [whole, early, first, timeless], time.time_ns()
        await storage.append(topic, 0, Batch([one.SerializeToString() for one in wanted]))
        found = await read(storage, topic, 0, 0, 4)
        assert [one.message for one in found] == wanted
        # data 300, key 2, colour 6 + 3 + 2 + 0, été 5 bytes + 1, event time 12
        assert [one.size_bytes for one in found] == [331, 312, 312, 300]
        for one in found:
            assert began - 1_000_000 <= one.publish_time.ToNanoseconds() <= time.time_ns()

    run(test)


def test_a_message_of_ten_mebibytes(run: RunTest) -> None:
    async def test(storage: Storage, topic: str) -> None:
        await storage.append(topic, 0, Batch([encoded(b"x" * (10 << 20)), encoded(b"after")]))
        found = await read(storage, topic, 0, 0, 2)
        assert [len(item.message.data) for item in found] == [10 << 20, 5]

    run(test)


def test_time_cursor_finds_the_first_message_not_before(run: RunTest) -> None:
    """Find event times in whatever order they come; a message without one counts by its publish time."""

    async def test(storage: Storage, topic: str) -> None:
        began, messages = time.time_ns(), [encoded(b"t")]
        for nanoseconds in (2_000_000_000, 1_000_000_000, 3_000_000_001):
            item = PubSubMessage(data=b"t")
            item.event_time.FromNanoseconds(nanoseconds)
            messages.insert(-1, item.SerializeToString())
        await storage.append(topic, 0, Batch(messages))
        for since, offset in ((2_000_000_000, 0), (2_000_000_001, 2), (3_000_000_002, 3)):
            assert await storage.offset_at(topic, 0, since, event=True) == offset
        assert await storage.offset_at(topic, 0, began - 1_000_000_000, event=True) == 3
        assert await storage.offset_at(topic, 0, began - 1_000_000_000, event=False) == 0
        assert await storage.offset_at(topic, 0, began + 600_000_000_000, event=True) is None
        assert await storage.offset_at(topic, 1, 0, event=True) is None

    run(test)


def test_cursors_are_kept_by_group(run: RunTest) -> None:
    async def test(storage: Storage, topic: str) -> None:
        group = f"group-{topic}".replace("/", "-")
        assert await storage.committed(group, topic) == {}
        await storage.commit(group, topic, {0: 7, 1: 3})
        await storage.commit(group, topic, {0: 5})
        await storage.commit(group, topic, {})
        assert await storage.committed(group, topic) == {0: 5, 1: 3}
        assert await storage.committed(group + "-other", topic) == {}
        await storage.forget(group)
        assert await storage.committed(group, topic) == {}
        await storage.forget(group)

    run(test)


def test_growth_adds_empty_partitions(run: RunTest) -> None:
    async def test(storage: Storage, topic: str) -> None:
        await storage.append(topic, 0, Batch([encoded(b"before")]))
        await storage.update_topic(topic, 3, Retention(40 << 30, 3600.0))
        assert await storage.partitions(topic) == 3
        assert list(await storage.append(topic, 2, Batch([encoded(b"new")]))) == [0]
        assert await storage.bounds(topic, 0) == Bounds(0, 1)

    run(test)


def test_an_added_partition_can_be_read_at_once(run: RunTest) -> None:
    async def test(storage: Storage, topic: str) -> None:
        assert await storage.bounds(topic, 0) == Bounds(0, 0)  # and so Kafka's library knows the topic
        await storage.update_topic(topic, 4, Retention(30 << 30))
        assert await storage.bounds(topic, 3) == Bounds(0, 0)

    run(test)


def test_a_deleted_topic_is_not_found(run: RunTest) -> None:
    async def test(storage: Storage, topic: str) -> None:
        await storage.delete_topic(topic)
        await refused(Code.NOT_FOUND, storage.partitions(topic))
        await storage.delete_topic(topic)

    run(test)


@pytest.mark.parametrize("address", ["kafka://", "redis://localhost", "memory://x", ""])
def test_an_unknown_storage_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="expected memory or kafka://HOST:PORT"):
        open_storage(address)
