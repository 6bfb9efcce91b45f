"""CursorService: each subscription's progress. A cursor is the first offset not yet acknowledged."""

from __future__ import annotations

from pubsublite_emulator.errors import invalid
from pubsublite_emulator.rpc import Call, Service, Unary, parse
from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.state import State

_StreamingRequest = message("StreamingCommitCursorRequest")
_StreamingResponse = message("StreamingCommitCursorResponse")
_CommitCursorResponse = message("CommitCursorResponse")
_ListResponse = message("ListPartitionCursorsResponse")


class Cursor:
    """Commits and lists cursors. The last commit wins, even one that moves a cursor backwards."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.service = Service(
            "CursorService",
            {
                "CommitCursor": Unary(message("CommitCursorRequest"), self.commit),
                "ListPartitionCursors": Unary(message("ListPartitionCursorsRequest"), self.list),
            },
            {"StreamingCommitCursor": self.stream},
        )

    async def commit(self, request: Message) -> Message:
        """Answer CursorService.CommitCursor."""
        await self._commit(request.subscription, request.partition, request.cursor.offset)
        return _CommitCursorResponse()

    async def list(self, request: Message) -> Message:
        """Answer CursorService.ListPartitionCursors: every partition that has a cursor, on one page."""
        subscription = self._state.catalog.get(request.parent, "subscriptions")
        topic = self._state.catalog.topic_of(subscription)
        committed = await self._state.storage.committed(subscription.group, topic.stored)
        response = _ListResponse()
        for partition, offset in sorted(committed.items()):
            response.partition_cursors.add(partition=partition).cursor.offset = offset
        return response

    async def stream(self, call: Call) -> None:
        """Serve CursorService.StreamingCommitCursor: each commit is acknowledged once it is stored."""
        raw = await call.read()
        if raw is None:
            return
        request = parse(_StreamingRequest, raw)
        if request.WhichOneof("request") != "initial":
            raise invalid("StreamingCommitCursor: expected initial as the first message")
        initial = request.initial
        self._state.catalog.subscription_partition(initial.subscription, initial.partition)
        call.log("%s partition %d: opened", initial.subscription, initial.partition)
        await call.write(_StreamingResponse(initial={}).SerializeToString())
        acknowledged = _StreamingResponse(commit={"acknowledged_commits": 1}).SerializeToString()
        offset = None
        while (raw := await call.read()) is not None:
            request = parse(_StreamingRequest, raw)
            if request.WhichOneof("request") != "commit":
                raise invalid("StreamingCommitCursor: expected commit after the first message")
            offset = request.commit.cursor.offset
            await self._commit(initial.subscription, initial.partition, offset)
            await call.write(acknowledged)
        call.log("%s partition %d: closed at %s", initial.subscription, initial.partition, offset)

    async def _commit(self, name: str, partition: int, offset: int) -> None:
        if offset < 0:
            raise invalid(f"cursor {offset}: expected 0 or more")
        subscription, topic = self._state.catalog.subscription_partition(name, partition)
        await self._state.storage.commit(subscription.group, topic.stored, {partition: offset})
