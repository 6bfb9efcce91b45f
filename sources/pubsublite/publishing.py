"""Publishing to Pub/Sub Lite through the publish streams of google-cloud-pubsublite.

The library's `PublisherClient` chooses the partition itself (by SHA-256 of the key), takes one text value per
attribute, and after a lost connection repeats what was already stored. The generated client, used here, sends
what it is given to the partition it is given.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence

from sources import instants
from sources.base import Acknowledge, Message
from sources.catalog import Stream, partition_of
from sources.pubsublite.client_library import pubsublite_v1
from sources.pubsublite.options import LiteOptions
from sources.pubsublite.paths import topic_path
from sources.pubsublite.resources import admin_client, endpoint, partition_count
from sources.pubsublite.stream import PartitionStream, Sending

MOST_MESSAGES, MOST_BYTES = 20_000, 32 << 20
"""Messages and bytes that may be unacknowledged before `publish` waits."""
_LOOK_SECONDS = 1.0


class LitePublisher:
    """A publisher to the partition that Kafka would choose, which also survives lost connections.

    A message is stored once, for as long as the service remembers the client's messages; an emulator forgets
    them when its process ends.

    Pub/Sub Lite has no null: a value or an attribute's value of None is stored as empty, and an empty key is
    no key. A message that is refused, or that could not be sent for a minute, is acknowledged with the error.
    SourceError is raised if the service does not answer.
    """

    def __init__(self, options: LiteOptions) -> None:
        self._options = options
        self._admin = admin_client(options)
        self._streams: dict[str, list[PartitionStream]] = {}
        self._settled: queue.SimpleQueue[tuple[Sending, Exception | None]] = queue.SimpleQueue()
        self._keyless = self._messages = self._bytes = 0

    def publish(self, messages: Sequence[Message], acknowledge: Acknowledge) -> None:
        """Send `messages`; raise SourceError, with none sent, if a stream has no topic."""
        for name in {message.stream for message in messages} - self._streams.keys():
            self._streams[name] = self._open(Stream(name))
        for message in messages:
            self._send(message, acknowledge)
        self._acknowledge_settled()

    def flush(self) -> None:
        """Wait until every message is acknowledged."""
        while self._messages:
            self._wait()

    def close(self) -> None:
        """Flush, then close every stream and connection."""
        self.flush()
        for streams in self._streams.values():
            for stream in streams:
                stream.close()
        self._admin.transport.close()  # type: ignore[no-untyped-call]

    def _open(self, stream: Stream) -> list[PartitionStream]:
        count = partition_count(self._admin, stream, self._options)
        path, connection = topic_path(stream, self._options), endpoint(self._options)
        return [PartitionStream(path, number, connection, self._settled.put) for number in range(count)]

    def _send(self, message: Message, acknowledge: Acknowledge) -> None:
        sending = _sending(message, acknowledge)
        while self._messages and (self._messages >= MOST_MESSAGES or self._bytes + sending.size > MOST_BYTES):
            self._wait()
        self._messages += 1
        self._bytes += sending.size
        partitions = self._streams[message.stream]
        partitions[self._partition(message.key, len(partitions))].send(sending)

    def _partition(self, key: bytes | None, count: int) -> int:
        if key is not None:
            return partition_of(key, count)
        self._keyless += 1
        return (self._keyless - 1) % count

    def _wait(self) -> None:
        """Wait until something is settled, or for a second."""
        try:
            settled = self._settled.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            for streams in self._streams.values():
                for stream in streams:
                    stream.cut_if_stuck()
            return
        self._settle(*settled)
        self._acknowledge_settled()

    def _acknowledge_settled(self) -> None:
        while not self._settled.empty():
            self._settle(*self._settled.get())

    def _settle(self, sending: Sending, failure: Exception | None) -> None:
        self._messages -= 1
        self._bytes -= sending.size
        sending.acknowledge(sending.message, failure)


def _sending(message: Message, acknowledge: Acknowledge) -> Sending:
    encoded = pubsublite_v1().PubSubMessage.meta.pb(key=message.key or b"", data=message.value or b"")
    for name, values in message.attributes.items():
        encoded.attributes[name].values.extend(value or b"" for value in values)
    if message.event_at is not None:
        encoded.event_time.FromMilliseconds(instants.milliseconds(message.event_at))
    return Sending(encoded, encoded.ByteSize(), message, acknowledge)
