"""One partition's subscribe stream, reopened where it left off if it breaks."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from datetime import UTC
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sources.base import Record
from sources.catalog import Stream
from sources.pubsublite.client_library import pubsublite_v1
from sources.pubsublite.stream import PATIENCE_SECONDS, passes

if TYPE_CHECKING:
    from google.cloud.pubsublite_v1 import SubscribeRequest, SubscriberServiceClient

MESSAGES, BYTES = 1000, 16 << 20
"""Limits of what is sent ahead; the largest message is 10 MiB (cloud.google.com/pubsub/lite/quotas)."""
_PAUSE = 0.5


class PartitionReader:
    """A thread that puts a partition's records into `arrived`, from offset 0 on; a lasting error is last."""

    def __init__(
        self,
        stream: Stream,
        subscription: str,
        partition: int,
        connection: dict[str, str],
        arrived: queue.Queue[Record | Exception],
    ) -> None:
        self._stream, self._subscription, self._partition = stream, subscription, partition
        self._connection, self._arrived = connection, arrived
        self._next = 0
        self._failing_since = 0.0
        self._closed = threading.Event()
        self._client: SubscriberServiceClient | None = None
        self._thread = threading.Thread(target=self._run, name=subscription, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the stream; nothing arrives after this."""
        self._closed.set()
        if self._client:
            self._client.transport.close()  # type: ignore[no-untyped-call]
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._converse()
            except Exception as failure:
                self._failing_since = self._failing_since or time.monotonic()
                waited = time.monotonic() - self._failing_since
                if not passes(failure) or waited > PATIENCE_SECONDS:
                    self._put(failure)
                    break
                self._closed.wait(_PAUSE)

    def _converse(self) -> None:
        grants: queue.SimpleQueue[SubscribeRequest | None] = queue.SimpleQueue()
        grants.put(self._initial())
        grants.put(_grant(MESSAGES, BYTES))
        where = {"partition": str(self._partition), "subscription": self._subscription}
        metadata = [("x-goog-request-params", urlencode(where))]
        with pubsublite_v1().SubscriberServiceClient(client_options=self._connection) as self._client:
            if self._closed.is_set():
                return
            try:
                for answer in self._client.subscribe(iter(grants.get, None), metadata=metadata):
                    self._failing_since = 0.0
                    grants.put(self._taken(answer.messages._pb.messages))
            finally:
                grants.put(None)

    def _taken(self, messages: Any) -> SubscribeRequest:
        """Pass the messages on, and return the request that lets as many follow."""
        for message in messages:
            self._put(_record(self._stream, self._partition, message))
            self._next = message.cursor.offset + 1
        return _grant(len(messages), sum(message.size_bytes for message in messages))

    def _initial(self) -> SubscribeRequest:
        return _request(
            initial={
                "subscription": self._subscription,
                "partition": self._partition,
                "initial_location": {"cursor": {"offset": self._next}},
            }
        )

    def _put(self, arrival: Record | Exception) -> None:
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._arrived.put(arrival, timeout=0.2)
                break


def _grant(messages: int, size: int) -> SubscribeRequest:
    return _request(flow_control={"allowed_messages": messages, "allowed_bytes": size})


def _request(**fields: Any) -> SubscribeRequest:
    request: SubscribeRequest = pubsublite_v1().SubscribeRequest(**fields)
    return request


def _record(stream: Stream, partition: int, stored: Any) -> Record:
    message: Any = stored.message
    return Record(
        stream=stream.name,
        key=message.key or None,
        value=message.data,
        event_at=message.event_time.ToDatetime(UTC) if message.HasField("event_time") else None,
        attributes={name: list(values.values) for name, values in message.attributes.items()},
        partition=partition,
        offset=stored.cursor.offset,
        published_at=stored.publish_time.ToDatetime(UTC),
    )
