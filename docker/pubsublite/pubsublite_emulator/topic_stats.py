"""TopicStatsService: what a partition holds."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pubsublite_emulator.errors import invalid
from pubsublite_emulator.rpc import Service, Unary
from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.state import State
from pubsublite_emulator.wire import Block

_MessageResponse = message("MessageResponse")
_StatsResponse = message("ComputeMessageStatsResponse")
_HeadResponse = message("ComputeHeadCursorResponse")
_TimeResponse = message("ComputeTimeCursorResponse")


class TopicStats:
    """Heads, counts and times."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.service = Service(
            "TopicStatsService",
            {
                "ComputeMessageStats": Unary(message("ComputeMessageStatsRequest"), self.stats),
                "ComputeHeadCursor": Unary(message("ComputeHeadCursorRequest"), self.head),
                "ComputeTimeCursor": Unary(message("ComputeTimeCursorRequest"), self.time),
            },
            {},
        )

    async def head(self, request: Message) -> Message:
        """Answer TopicStatsService.ComputeHeadCursor: the next offset.

        The message before it can be delivered.
        """
        topic = self._state.catalog.topic_partition(request.topic, request.partition)
        bounds = await self._state.storage.bounds(topic.stored, request.partition)
        return _HeadResponse(head_cursor={"offset": bounds.head})

    async def stats(self, request: Message) -> Message:
        """Answer TopicStatsService.ComputeMessageStats over [start, end) exactly, by reading the range."""
        topic = self._state.catalog.topic_partition(request.topic, request.partition)
        start, end = request.start_cursor.offset, request.end_cursor.offset
        if start < 0 or end < start:
            raise invalid(f"range {start} to {end}: expected 0 <= start <= end")
        response = _StatsResponse()
        published: int | None = None
        happened: int | None = None
        async for block in self._blocks(topic.stored, request.partition, start, end):
            for item in _MessageResponse.FromString(block.messages()).messages:
                if item.cursor.offset >= end:
                    break
                response.message_count += 1
                response.message_bytes += item.size_bytes
                time = item.publish_time.ToNanoseconds()
                own = item.message.event_time.ToNanoseconds() if item.message.HasField("event_time") else time
                published = time if published is None else min(published, time)
                happened = own if happened is None else min(happened, own)
        if published is not None and happened is not None:
            response.minimum_publish_time.FromNanoseconds(published)
            response.minimum_event_time.FromNanoseconds(happened)
        return response

    async def _blocks(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Block]:
        bounds = await self._state.storage.bounds(topic, partition)
        end = min(end, bounds.head)
        if max(start, bounds.oldest) >= end:
            return
        reader = await self._state.storage.read(topic, partition, start)
        try:
            reached = start
            while reached < end:
                block = await reader.next()
                reached = block.offsets[-1] + 1
                yield block
        finally:
            await reader.close()

    async def time(self, request: Message) -> Message:
        """Answer TopicStatsService.ComputeTimeCursor, without a cursor if nothing is that new."""
        topic = self._state.catalog.topic_partition(request.topic, request.partition)
        kind = request.target.WhichOneof("time")
        if kind is None:
            raise invalid("ComputeTimeCursor: expected target.publish_time or target.event_time")
        time = getattr(request.target, kind).ToNanoseconds()
        offset = await self._state.storage.offset_at(
            topic.stored, request.partition, time, event=kind == "event_time"
        )
        return _TimeResponse() if offset is None else _TimeResponse(cursor={"offset": offset})
