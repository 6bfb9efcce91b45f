"""Idempotent publishing on its own: what a producer sends again, and what it keeps of what was sent."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from pubsublite_emulator import sequences
from pubsublite_emulator.errors import Code, LiteError
from pubsublite_emulator.sequences import Producer, Producers
from pubsublite_emulator.wire import Batch


class Log:
    """A partition that accepts messages, or refuses them for a while."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.refuses = False

    async def append(self, batch: Batch) -> Sequence[int]:
        await asyncio.sleep(0)
        if self.refuses:
            raise LiteError(Code.UNAVAILABLE, "no broker")
        first = len(self.messages)
        self.messages += batch.messages
        return range(first, len(self.messages))


def batch(*messages: bytes, first: int) -> Batch:
    return Batch(list(messages), first=first)


def run(test: Callable[[Producer, Log], Coroutine[Any, Any, None]]) -> None:
    producer = Producer()
    producer.streams = 1
    asyncio.run(test(producer, Log()))


def test_what_could_not_be_stored_is_stored_when_it_comes_again() -> None:
    async def test(producer: Producer, log: Log) -> None:
        assert await producer.append(batch(b"a", first=0), log.append) == [0]
        log.refuses = True
        refused = [producer.append(batch(one, first=n), log.append) for n, one in ((1, b"b"), (2, b"c"))]
        for answer in refused:
            with pytest.raises(LiteError, match="no broker"):
                await answer
        log.refuses = False
        assert await producer.append(batch(b"b", first=1), log.append) == [1]
        assert await producer.append(batch(b"c", first=2), log.append) == [2]
        assert log.messages == [b"a", b"b", b"c"]

    run(test)


def test_what_is_still_on_its_way_is_not_sent_twice() -> None:
    async def test(producer: Producer, log: Log) -> None:
        answers = [producer.append(batch(b"a", b"b", first=0), log.append) for _ in range(2)]
        assert [await answer for answer in answers] == [[0, 1], [0, 1]]
        assert log.messages == [b"a", b"b"]

    run(test)


def test_on_one_stream_the_same_payload_twice_is_two_messages() -> None:
    async def test(producer: Producer, log: Log) -> None:
        assert await producer.append(batch(b"a", b"a", first=0), log.append) == [0, 1]
        assert await producer.append(batch(b"a", first=2), log.append) == [2]

    run(test)


def test_a_producer_remembers_the_newest_messages_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "_REMEMBERED_MESSAGES", 2)

    async def test(producer: Producer, log: Log) -> None:
        await producer.append(batch(b"a", b"b", b"c", first=0), log.append)
        assert await producer.append(batch(b"a", b"b", b"c", first=0), log.append) == [None, 1, 2]
        assert log.messages == [b"a", b"b", b"c"]

    run(test)


def test_the_producers_that_were_there_last_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "_REMEMBERED_PRODUCERS", 2)
    producers = Producers()
    ann, bob = (producers.open(name, "topic", 0) for name in (b"ann", b"bob"))
    assert producers.open(b"ann", "topic", 0) is ann
    producers.open(b"eve", "topic", 0)
    assert producers.open(b"ann", "topic", 0) is ann
    assert producers.open(b"bob", "topic", 0) is not bob
    assert producers.open(b"ann", "topic", 1) is not ann
