"""PublisherService: batches in, offsets out, in both forms that client libraries read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from pubsublite_emulator import wire
from pubsublite_emulator.errors import LiteError, invalid
from pubsublite_emulator.paths import parse as parse_path
from pubsublite_emulator.rpc import Call, Service, parse
from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.sequences import Producer, Producers
from pubsublite_emulator.state import State

_PublishRequest = message("PublishRequest")
_PublishResponse = message("PublishResponse")
# From the latest quota page (cloud.google.com/pubsub/lite/quotas); older ones said 3.5 MiB and 1 MiB.
MAX_MESSAGE_BYTES = 10 << 20
# How many batches of a stream may wait for the storage; until there is room, the client is not read.
_IN_FLIGHT = 16


class Publisher:
    """Stores what publishers send."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._producers = Producers()
        self.service = Service("PublisherService", {}, {"Publish": self.publish})

    async def publish(self, call: Call) -> None:
        """Serve one stream: an initial request, then batches, answered in order."""
        raw = await call.read()
        if raw is None:
            return
        initial = _initial(raw)
        self._state.catalog.topic_partition(initial.topic, initial.partition)
        call.log("%s partition %d: opened", initial.topic, initial.partition)
        await call.write(_PublishResponse(initial_response={}).SerializeToString())
        await _Stream(self._state, call, initial, self._producer(initial)).run()

    def _producer(self, initial: Message) -> Producer | None:
        key = parse_path(initial.topic, "topics").key
        return self._producers.open(initial.client_id, key, initial.partition) if initial.client_id else None


def _initial(raw: bytes) -> Message:
    request = parse(_PublishRequest, raw)
    if request.WhichOneof("request_type") != "initial_request":
        raise invalid("Publish: expected initial_request as the first message")
    initial = request.initial_request
    if len(initial.client_id) not in (0, 16):
        raise invalid(f"client_id has {len(initial.client_id)} bytes: expected 16, or none")
    return initial


class _Stream:
    """The batches of one stream: read ahead by one task, answered in order by another."""

    def __init__(self, state: State, call: Call, initial: Message, producer: Producer | None) -> None:
        self._state = state
        self._call = call
        self._topic: str = initial.topic
        self._partition: int = initial.partition
        self._producer = producer
        self._stored: asyncio.Queue[Awaitable[Sequence[int | None]] | None] = asyncio.Queue(_IN_FLIGHT)

    async def run(self) -> None:
        receiving = asyncio.create_task(self._receive())
        published = 0
        try:
            while (stored := await self._stored.get()) is not None:
                offsets = await stored
                published += len(offsets)
                await self._call.write(response(offsets))
        finally:
            receiving.cancel()
            self._call.log("%s partition %d: %d messages", self._topic, self._partition, published)

    async def _receive(self) -> None:
        try:
            while (raw := await self._call.read()) is not None:
                await self._stored.put(self._append(raw))
            await self._stored.put(None)
        except LiteError as error:
            refusal: asyncio.Future[Sequence[int | None]] = asyncio.get_running_loop().create_future()
            refusal.set_exception(error)
            await self._stored.put(refusal)

    def _append(self, raw: bytes) -> Awaitable[Sequence[int | None]]:
        batch = wire.split_batch(raw)
        if batch is None:
            raise invalid("Publish: expected message_publish_request after the first message")
        topic = self._state.catalog.topic_partition(self._topic, self._partition)
        if len(raw) > MAX_MESSAGE_BYTES and (largest := max(map(len, batch.messages))) > MAX_MESSAGE_BYTES:
            raise invalid(f"a message has {largest} bytes: expected at most {MAX_MESSAGE_BYTES}")

        def append(new: wire.Batch) -> Awaitable[Sequence[int]]:
            return self._state.storage.append(topic.stored, self._partition, new)

        return self._producer.append(batch, append) if self._producer else append(batch)


def response(offsets: Sequence[int | None]) -> bytes:
    """Return an encoded ``PublishResponse``.

    It has both ``start_cursor``, for Java 1.9, and ``cursor_ranges``, for later clients.
    """
    runs = wire.ranges(offsets)
    answer = _PublishResponse()
    answer.message_response.SetInParent()
    if runs:
        answer.message_response.start_cursor.offset = runs[0].offset
    for run in runs:
        answer.message_response.cursor_ranges.add(
            start_cursor={"offset": run.offset}, start_index=run.start_index, end_index=run.end_index
        )
    return bytes(answer.SerializeToString())
