"""How a subscription's partitions are shared among its subscribers, call by call."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import grpc
import pytest

from pubsublite_emulator.assigner import Group
from pubsublite_emulator.assignment import _Streams
from pubsublite_emulator.rpc import Call
from pubsublite_emulator.schema import message
from tests.pubsublite.raw import AssignRequest, Channel, joining

ACKNOWLEDGED = AssignRequest(ack={})
ANN, BOB = b"a" * 16, b"b" * 16
Assignment = message("PartitionAssignment")
Code = grpc.StatusCode


def test_assignments_wait_for_their_acknowledgement(channel: Channel, make: Any) -> None:
    subscription = make.subscription(make.topic(partitions=2))
    first = joining(channel, subscription, ANN)
    assert list(first.receive().partitions) == [0, 1]
    second = joining(channel, subscription, BOB)
    assert list(second.receive().partitions) == []  # the first one has not released them
    second.send(ACKNOWLEDGED)
    first.send(ACKNOWLEDGED)
    assert list(first.receive().partitions) == [0]
    first.send(ACKNOWLEDGED)
    assert list(second.receive().partitions) == [1]
    second.send(ACKNOWLEDGED)
    first.close()
    assert list(second.receive().partitions) == [0, 1]
    assert second.send(ACKNOWLEDGED).send(ACKNOWLEDGED).refused() is Code.INVALID_ARGUMENT
    assert joining(channel, subscription, b"short").refused() is Code.INVALID_ARGUMENT


def test_a_subscriber_that_connects_again_keeps_its_place(channel: Channel, make: Any) -> None:
    subscription = make.subscription(make.topic(partitions=2))
    first = joining(channel, subscription, ANN)
    assert list(first.receive().partitions) == [0, 1]
    again = joining(channel, subscription, ANN)
    assert first.refused() is Code.ABORTED
    assert list(again.receive().partitions) == [0, 1]
    again.send(ACKNOWLEDGED)
    other = joining(channel, subscription, BOB)
    assert list(other.receive().partitions) == []
    assert list(again.receive().partitions) == [0]
    again.close()
    other.close()


def let_an_acknowledgement_be_overdue(channel: Channel, make: Any) -> None:
    subscription = make.subscription(make.topic(partitions=2))
    silent = joining(channel, subscription, ANN)
    assert list(silent.receive().partitions) == [0, 1]
    other = joining(channel, subscription, BOB)
    assert list(other.receive().partitions) == []
    assert list(silent.receive().partitions) == [0]
    assert list(other.receive().partitions) == [1]
    silent.close()
    other.close()


SECONDS = "pubsublite_emulator.assignment._ACKNOWLEDGE_SECONDS"


def test_an_overdue_acknowledgement_counts_as_given(
    channel: Channel, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SECONDS, 0.2)
    let_an_acknowledgement_be_overdue(channel, make)


def test_nothing_is_overdue_of_a_stream_that_another_took_the_place_of(
    channel: Channel, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = make.subscription(make.topic(partitions=2))
    monkeypatch.setattr(SECONDS, 0.2)
    joining(channel, subscription, ANN).receive()
    monkeypatch.setattr(SECONDS, 600)
    again = joining(channel, subscription, ANN)
    assert list(again.receive().partitions) == [0, 1]
    again.send(ACKNOWLEDGED)
    other = joining(channel, subscription, BOB)
    assert list(other.receive().partitions) == []
    other.send(ACKNOWLEDGED)
    assert list(again.receive().partitions) == [0]
    monkeypatch.setattr(SECONDS, 0.2)
    let_an_acknowledgement_be_overdue(channel, make)  # and so the first stream's was overdue before it
    again.send(ACKNOWLEDGED)  # refused if it already counts as given
    assert list(other.receive().partitions) == [1]
    other.close()
    assert list(again.receive().partitions) == [0, 1]
    again.close()


def test_a_topic_that_grows_is_assigned_anew(channel: Channel, make: Any) -> None:
    topic = make.topic()
    stream = joining(channel, make.subscription(topic), ANN)
    assert list(stream.receive().partitions) == [0]
    stream.send(ACKNOWLEDGED)
    make.grow(topic, 2)
    assert list(stream.receive().partitions) == [0, 1]
    stream.close()


class Subscriber:
    """A stream in this process that acknowledges what it is told, after awaiting `slow` if that is set."""

    def __init__(self) -> None:
        self.requests: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.told: list[list[int]] = []
        self.slow: asyncio.Future[None] | None = None

    async def read(self) -> bytes | None:
        return await self.requests.get()

    async def write(self, data: bytes) -> None:
        if self.slow:
            await self.slow
        self.told.append(list(Assignment.FromString(data).partitions))
        self.requests.put_nowait(ACKNOWLEDGED.SerializeToString())

    def log(self, text: str, *values: object) -> None:
        """Log nothing."""


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():
            await asyncio.sleep(0)


def test_a_subscriber_that_leaves_while_another_is_told_ends_no_stream_but_its_own() -> None:
    async def test() -> None:
        streams, three = _Streams(Group(3)), [Subscriber() for _ in range(3)]
        first, second, third = three
        ids = (b"1" * 16, b"2" * 16, b"3" * 16)
        running = [
            asyncio.create_task(streams.run(cast(Call, one), id_))
            for one, id_ in zip(three, ids, strict=True)
        ]
        await until(lambda: [one.told[-1:] for one in three] == [[[0]], [[1]], [[2]]])
        second.slow = asyncio.get_running_loop().create_future()
        first.requests.put_nowait(None)  # the other two are to be told, the second one first
        await until(lambda: ids[0] not in streams.group.members)
        third.requests.put_nowait(None)
        await until(lambda: ids[2] not in streams.group.members)
        second.slow.set_result(None)
        await asyncio.gather(running[0], running[2])
        await until(lambda: second.told[-1] == [0, 1, 2])
        second.requests.put_nowait(None)
        await running[1]

    asyncio.run(test())
