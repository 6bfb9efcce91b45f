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
from tests.pubsublite.raw import AssignRequest, Channel, Stream, joining

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
    assert joining(channel, subscription, b"short").refused() is Code.INVALID_ARGUMENT


def test_an_acknowledgement_that_nothing_waits_for_ends_nothing(channel: Channel, make: Any) -> None:
    """Take one that comes twice, or before anything was assigned, for a late one: an error would be final."""
    topic = make.topic()
    stream = joining(channel, make.subscription(topic), ANN)
    stream.send(ACKNOWLEDGED)
    assert list(stream.receive().partitions) == [0]
    for _ in range(3):
        stream.send(ACKNOWLEDGED)
    make.grow(topic, 2)
    assert list(stream.receive().partitions) == [0, 1]
    stream.send(ACKNOWLEDGED)
    make.grow(topic, 3)
    assert list(stream.receive().partitions) == [0, 1, 2]
    stream.close()


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


SECONDS = "pubsublite_emulator.assignment._ACKNOWLEDGE_SECONDS"
SETTLE = "pubsublite_emulator.assignment._SETTLE_SECONDS"


def take_over(channel: Channel, make: Any) -> tuple[Stream, Stream]:
    """Return the stream of one that owes an acknowledgement, and of another that it did not keep waiting."""
    subscription = make.subscription(make.topic(partitions=2))
    silent = joining(channel, subscription, ANN)
    assert list(silent.receive().partitions) == [0, 1]
    other = joining(channel, subscription, BOB)
    while (told := list(other.receive().partitions)) != [1]:
        assert told == []  # it joined before the acknowledgement was overdue
        other.send(ACKNOWLEDGED)
    other.send(ACKNOWLEDGED)
    return silent, other


def test_an_overdue_acknowledgement_keeps_nobody_waiting_and_may_still_come(
    channel: Channel, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SECONDS, 0.2)
    silent, other = take_over(channel, make)
    monkeypatch.setattr(SECONDS, 600)
    # Until it comes nothing is sent, because Google's clients end their streams over a second assignment.
    assert list(silent.send(ACKNOWLEDGED).receive().partitions) == [0]
    assert other.rest() == []  # it kept what it had taken over
    assert list(silent.send(ACKNOWLEDGED).receive().partitions) == [0, 1]
    silent.close()


def test_a_late_acknowledgement_of_one_that_is_alone_ends_nothing(
    channel: Channel, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acknowledge after the time is over, as a subscriber does that waits for a new partition of Kafka's."""
    topic = make.topic()
    monkeypatch.setattr(SECONDS, 0.2)
    alone = joining(channel, make.subscription(topic), ANN)
    assert list(alone.receive().partitions) == [0]
    for stream in take_over(channel, make):  # and so the acknowledgement above was overdue before
        stream.close()
    alone.send(ACKNOWLEDGED)
    make.grow(topic, 2)
    assert list(alone.receive().partitions) == [0, 1]
    alone.close()


def test_those_who_start_together_get_their_shares_at_once(
    channel: Channel, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SETTLE, 2.0)
    subscription = make.subscription(make.topic(partitions=3))
    streams = [joining(channel, subscription, one) for one in (ANN, BOB)]
    assert [list(stream.receive().partitions) for stream in streams] == [[0, 2], [1]]
    for stream in streams:
        stream.close()


def test_nothing_is_overdue_of_a_stream_that_another_took_the_place_of(
    channel: Channel, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscription = make.subscription(make.topic(partitions=2))
    monkeypatch.setattr(SECONDS, 0.2)
    joining(channel, subscription, ANN).receive()
    monkeypatch.setattr(SECONDS, 600)
    again = joining(channel, subscription, ANN)
    assert list(again.receive().partitions) == [0, 1]
    other = joining(channel, subscription, BOB)
    assert list(other.receive().partitions) == []
    other.send(ACKNOWLEDGED)
    monkeypatch.setattr(SECONDS, 0.2)
    for stream in take_over(channel, make):  # and so the first stream's was overdue before it
        stream.close()
    assert other.rest() == []  # nothing was taken from the one that came again
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


def test_those_who_stop_together_take_nothing_over() -> None:
    async def test() -> None:
        streams, both = _Streams(Group(2)), [Subscriber(), Subscriber()]
        running = [
            asyncio.create_task(streams.run(cast(Call, one), id_))
            for one, id_ in zip(both, (ANN, BOB), strict=True)
        ]
        await until(lambda: [one.told for one in both] == [[[0]], [[1]]])
        for one, task in zip(both, running, strict=True):
            one.requests.put_nowait(None)
            await task
        assert streams.empty
        assert [one.told for one in both] == [[[0]], [[1]]]

    asyncio.run(test())
