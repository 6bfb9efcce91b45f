"""TopicStatsService: what a partition holds."""

from __future__ import annotations

from contextlib import aclosing

from pubsublite_emulator.errors import invalid
from pubsublite_emulator.rpc import Service, Unary
from pubsublite_emulator.scan import event_time, messages, publish_time
from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.state import State

_StatsResponse = message("ComputeMessageStatsResponse")
_HeadResponse = message("ComputeHeadCursorResponse")
_TimeResponse = message("ComputeTimeCursorResponse")
_NEVER = 1 << 63


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
        published = happened = _NEVER
        found = messages(self._state.storage, topic.stored, request.partition, start, end)
        async with aclosing(found):
            async for item in found:
                response.message_count += 1
                response.message_bytes += item.size_bytes
                published = min(published, publish_time(item))
                happened = min(happened, event_time(item))
        if response.message_count:
            response.minimum_publish_time.FromNanoseconds(published)
            response.minimum_event_time.FromNanoseconds(happened)
        return response

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
