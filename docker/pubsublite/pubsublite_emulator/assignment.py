"""PartitionAssignmentService: shares a subscription's partitions among its connected subscribers."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pubsublite_emulator.assigner import Group, Member
from pubsublite_emulator.errors import Code, LiteError, invalid
from pubsublite_emulator.export_subscriptions import refuse_readers
from pubsublite_emulator.readers import Ending
from pubsublite_emulator.rpc import Call, Service, parse
from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.state import State

_Request = message("PartitionAssignmentRequest")
_Assignment = message("PartitionAssignment")
# After this time without an acknowledgement, others are given what the subscriber should have released; the
# eviction of duplicate subscribers resolves the rest.
_ACKNOWLEDGE_SECONDS = 30
# Subscribers that connect or leave within this time of the first are assigned together. Otherwise the first
# of several that start at once would get every partition, and the last of several that stop would get them
# all back; Google's Go suite (pscompat, PartitionAssignment) expects one assignment for each.
_SETTLE_SECONDS = 0.2


class Assignment:
    """Assigns partitions to subscribers."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._groups: dict[str, _Streams] = {}
        self.service = Service("PartitionAssignmentService", {}, {"AssignPartitions": self.assign})

    async def assign(self, call: Call) -> None:
        """Serve one subscriber's stream: its initial request, then an acknowledgment for each assignment."""
        raw = await call.read()
        if raw is None:
            return
        initial = _initial(raw)
        subscription = self._state.catalog.get(initial.subscription, "subscriptions")
        refuse_readers(subscription)
        topic = self._state.catalog.topic_of(subscription)
        key = subscription.path.key
        streams = self._groups.setdefault(key, _Streams(Group(topic.body.partition_config.count)))
        call.log("%s: opened by %s", initial.subscription, initial.client_id.hex())
        try:
            await streams.run(call, initial.client_id)
        finally:
            if streams.empty and self._groups.get(key) is streams:
                del self._groups[key]
            call.log("%s: closed by %s", initial.subscription, initial.client_id.hex())

    async def grow(self, subscription: str, partitions: int) -> None:
        """Share out the partitions added to the topic of the subscription with this key."""
        if streams := self._groups.get(subscription):
            streams.group.partitions = partitions
            await streams.tell()

    def end(self, subscription: str, error: LiteError) -> None:
        """End the streams of the subscription with this key; they fail with ``error``."""
        if streams := self._groups.pop(subscription, None):
            streams.end(error)


def _initial(raw: bytes) -> Message:
    request = parse(_Request, raw)
    if request.WhichOneof("request") != "initial":
        raise invalid("AssignPartitions: expected initial as the first message")
    if len(request.initial.client_id) != 16:
        raise invalid(f"client_id has {len(request.initial.client_id)} bytes: expected 16")
    return request.initial


class _Streams:
    """A group and the streams of its members."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self._calls: dict[bytes, Call] = {}
        self._endings: dict[bytes, Ending] = {}
        self._timers: dict[bytes, asyncio.TimerHandle] = {}
        self._telling = asyncio.Lock()
        self._settling: asyncio.TimerHandle | None = None
        self._told_later: set[asyncio.Task[None]] = set()

    @property
    def empty(self) -> bool:
        """Return whether nobody is connected."""
        return not self._calls

    async def run(self, call: Call, client: bytes) -> None:
        if older := self._endings.get(client):
            older.set_exception(LiteError(Code.ABORTED, "the same client id connected again"))
            self._stop_timer(client)
        ending: Ending = asyncio.get_running_loop().create_future()
        self._calls[client], self._endings[client] = call, ending
        if client in self.group.members:
            self.group.members[client] = Member()
        else:
            self._settle_soon()
        receiving = asyncio.create_task(self._receive(call, client))
        try:
            done, _ = await asyncio.wait((receiving, ending), return_when=asyncio.FIRST_COMPLETED)
            for finished in done:
                finished.result()
        finally:
            receiving.cancel()
            ending.cancel()
            if self._calls.get(client) is call:
                self._leave(client)

    def end(self, error: LiteError) -> None:
        for ending in self._endings.values():
            if not ending.done():
                ending.set_exception(error)

    async def _receive(self, call: Call, client: bytes) -> None:
        await self.tell()
        while (raw := await call.read()) is not None:
            if parse(_Request, raw).WhichOneof("request") != "ack":
                raise invalid("AssignPartitions: expected ack after the first message")
            if self.group.acknowledge(client):
                self._stop_timer(client)
                await self.tell()
            else:  # nothing waits for it, and an error would end the client's stream for good
                call.log("ignored an acknowledgement: no assignment is outstanding")

    def _settle_soon(self) -> None:
        if self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(_SETTLE_SECONDS, self._settle)

    def _settle(self) -> None:
        self._settling = None
        for client in self._calls:
            self.group.members.setdefault(client, Member())
        self._tell_later()

    def _leave(self, client: bytes) -> None:
        self._stop_timer(client)
        for held in (self._calls, self._endings, self.group.members):
            held.pop(client, None)
        self._settle_soon()

    async def tell(self) -> None:
        async with self._telling:
            due = {self._calls[client]: (client, told) for client, told in self.group.due().items()}
            for call, (client, partitions) in due.items():
                if self._calls.get(client) is not call:
                    continue  # it left while another client was being told
                self._timers[client] = asyncio.get_running_loop().call_later(
                    _ACKNOWLEDGE_SECONDS, self._overdue, client
                )
                call.log("assigned partitions %s", sorted(partitions))
                with suppress(LiteError):  # a broken stream ends itself; the others continue
                    await call.write(_Assignment(partitions=sorted(partitions)).SerializeToString())

    def _overdue(self, client: bytes) -> None:
        self.group.give_up(client)
        self._tell_later()

    def _tell_later(self) -> None:
        self._told_later.add(task := asyncio.create_task(self.tell()))
        task.add_done_callback(self._told_later.discard)

    def _stop_timer(self, client: bytes) -> None:
        if timer := self._timers.pop(client, None):
            timer.cancel()
