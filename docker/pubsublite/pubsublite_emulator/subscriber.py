"""SubscriberService: messages out, never a message or a byte more than the client has granted."""

from __future__ import annotations

import asyncio

from pubsublite_emulator.catalog import Resource
from pubsublite_emulator.errors import Code, LiteError, invalid
from pubsublite_emulator.export_subscriptions import refuse_readers
from pubsublite_emulator.readers import Ending
from pubsublite_emulator.rpc import Call, Service, parse
from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.state import State

_SubscribeRequest = message("SubscribeRequest")
_SubscribeResponse = message("SubscribeResponse")
_HEAD = 1
_MAX = (1 << 63) - 1


class Subscriber:
    """Delivers messages."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.service = Service("SubscriberService", {}, {"Subscribe": self.subscribe})

    async def subscribe(self, call: Call) -> None:
        """Serve one stream: an initial request, then tokens and seeks, answered by messages."""
        raw = await call.read()
        if raw is None:
            return
        request = parse(_SubscribeRequest, raw)
        if request.WhichOneof("request") != "initial":
            raise invalid("Subscribe: expected initial as the first message")
        initial = request.initial
        catalog = self._state.catalog
        subscription, topic = catalog.subscription_partition(initial.subscription, initial.partition)
        refuse_readers(subscription)
        with self._state.readers.reading(subscription.path.key, initial.partition) as ending:
            await _Session(self._state, call, subscription, topic, initial.partition).run(initial, ending)


class Tokens:
    """What the client still accepts: messages and bytes, counted exactly; the sums saturate at 2^63-1."""

    def __init__(self) -> None:
        self.messages = 0
        self.size = 0
        self.granted = asyncio.Event()

    def grant(self, messages: int, size: int) -> None:
        """Add what a client allows; raise INVALID_ARGUMENT for a negative amount."""
        if messages < 0 or size < 0:
            raise invalid(f"flow control of {messages} messages, {size} bytes: expected no negative number")
        self.messages = min(_MAX, self.messages + messages)
        self.size = min(_MAX, self.size + size)
        self.granted.set()

    def reset(self) -> None:
        """Revoke everything, as a seek does."""
        self.messages = self.size = 0


class _Session:
    """One subscriber's stream."""

    def __init__(
        self, state: State, call: Call, subscription: Resource, topic: Resource, partition: int
    ) -> None:
        self._state = state
        self._call = call
        self._subscription = subscription
        self._topic = topic
        self._partition = partition
        self._tokens = Tokens()
        self._writing = asyncio.Lock()
        self._delivery: asyncio.Task[None] | None = None
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._delivered = 0

    async def run(self, initial: Message, ending: Ending) -> None:
        start = await self._locate(initial.initial_location)
        self._call.log("%s partition %d: opened at %d", self._subscription.path, self._partition, start)
        await self._call.write(_SubscribeResponse(initial={"cursor": {"offset": start}}).SerializeToString())
        self._deliver_from(start)
        receiving = asyncio.create_task(self._receive())
        try:
            done, _ = await asyncio.wait(
                (receiving, self._failed, ending), return_when=asyncio.FIRST_COMPLETED
            )
            for finished in done:
                finished.result()
        finally:
            receiving.cancel()
            await self._stop_delivery()
            if not self._failed.cancel() and not self._failed.cancelled():
                self._failed.exception()  # seen, even if the stream ended for another reason first
            self._call.log(
                "%s partition %d: %d messages", self._subscription.path, self._partition, self._delivered
            )

    async def _receive(self) -> None:
        while (raw := await self._call.read()) is not None:
            request = parse(_SubscribeRequest, raw)
            kind = request.WhichOneof("request")
            if kind == "flow_control":
                self._tokens.grant(request.flow_control.allowed_messages, request.flow_control.allowed_bytes)
            elif kind == "seek":
                await self._seek(request.seek)
            else:
                raise invalid("Subscribe: expected flow_control or seek after the first message")

    async def _seek(self, location: Message) -> None:
        start = await self._locate(location)
        async with self._writing:
            await self._stop_delivery()
            self._tokens.reset()
            await self._call.write(_SubscribeResponse(seek={"cursor": {"offset": start}}).SerializeToString())
        self._deliver_from(start)

    async def _locate(self, location: Message) -> int:
        target = location.WhichOneof("target")
        if target != "cursor" and location.named_target != _HEAD:
            return await self._state.seeks.resume(self._subscription, self._topic, self._partition)
        bounds = await self._state.storage.bounds(self._topic.stored, self._partition)
        if target == "cursor":
            wanted = int(location.cursor.offset)
            if wanted < 0:
                raise invalid(f"cursor {wanted}: expected 0 or more")
            if wanted > bounds.head:
                raise LiteError(Code.OUT_OF_RANGE, f"cursor {wanted} is beyond the head, {bounds.head}")
            return max(wanted, bounds.oldest)
        return bounds.head

    def _deliver_from(self, offset: int) -> None:
        self._delivery = asyncio.create_task(self._deliver(offset))
        self._delivery.add_done_callback(self._delivery_done)

    def _delivery_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self._failed.done():
            self._failed.set_exception(error)

    async def _stop_delivery(self) -> None:
        if self._delivery is not None:
            self._delivery.cancel()
            await asyncio.wait((self._delivery,))

    async def _deliver(self, offset: int) -> None:
        reader = await self._state.storage.read(self._topic.stored, self._partition, offset)
        try:
            while True:
                block = await reader.next()
                while block.offsets:
                    now, block = block.take(self._tokens.messages, self._tokens.size)
                    if now.offsets:
                        await self._send(len(now.offsets), now.charged, now.response())
                    else:
                        self._tokens.granted.clear()
                        await self._tokens.granted.wait()
        finally:
            await reader.close()

    async def _send(self, messages: int, size: int, response: bytes) -> None:
        async with self._writing:
            self._tokens.messages -= messages
            self._tokens.size -= size
            self._delivered += messages
            await self._call.write(response)
