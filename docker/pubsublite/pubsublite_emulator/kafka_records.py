"""Messages as Kafka records and back, as Google's migration connector maps them.

key <-> key (empty <-> null), data <-> value, attributes <-> headers (one header per value), event time <->
the record's timestamp (github.com/googleapis/java-pubsub-group-kafka-connector, "Schema support and data
model").

The mapping is lossy: an event time is cut off at the millisecond; a record has one timestamp, so a message
without an event time comes back with its publish time as both; the order of headers across keys is lost; null
and empty become the same. What would vanish without a trace is refused: an attribute without values, and an
event time before 1970 or on a topic whose timestamps the broker sets.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import TIMESTAMP_CREATE_TIME
from confluent_kafka import Message as KafkaMessage

from pubsublite_emulator import wire
from pubsublite_emulator.errors import invalid

_NANOSECONDS = 1_000_000


Headers = dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]]


@dataclass(frozen=True, slots=True)
class Record:
    """What a producer sends; ``timestamp`` is in milliseconds."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, str | bytes | None]]
    timestamp: int
    truncated: bool


def to_record(encoded: bytes, *, broker_time: bool) -> Record:
    """Convert an encoded ``PubSubMessage`` to a record; raise INVALID_ARGUMENT for what it cannot hold.

    ``broker_time`` says that the broker sets the timestamps of the topic.
    """
    message = wire.PubSubMessage.FromString(encoded)
    headers: list[tuple[str, str | bytes | None]] = []
    for name in sorted(message.attributes):
        values = message.attributes[name].values
        if not values:
            raise invalid(f"attribute {name!r} has no values: a Kafka header cannot say so; leave it out")
        headers += [(name, value) for value in values]
    timestamp, rest = divmod(time.time_ns(), _NANOSECONDS)[0], 0
    if message.HasField("event_time"):
        if broker_time:
            raise invalid("event_time: this topic's timestamps are set by the broker, so it would be lost")
        timestamp, rest = divmod(message.event_time.ToNanoseconds(), _NANOSECONDS)
        if timestamp < 0:
            raise invalid("event_time: a Kafka timestamp cannot be before 1970")
    return Record(message.key or None, message.data, headers, timestamp, rest > 0)


def to_block(records: Sequence[KafkaMessage]) -> wire.Block:
    """Return consumed records as messages ready for delivery."""
    offsets, frames, sizes = [], [], []
    for record in records:
        kind, milliseconds = record.timestamp()
        encoded = _encode(record, milliseconds if kind == TIMESTAMP_CREATE_TIME else None)
        offset, size = record.offset() or 0, wire.size_bytes(encoded)
        offsets.append(offset)
        sizes.append(size)
        published = wire.timestamp(max(0, milliseconds) * _NANOSECONDS)
        frames.append(wire.frame(offset, published, encoded, size))
    return wire.block(offsets, frames, sizes)


def _encode(record: KafkaMessage, event: int | None) -> bytes:
    key, value, headers = record.key() or b"", record.value() or b"", record.headers()
    if headers:
        return _encode_object(_bytes(key), _bytes(value), headers, event)
    parts = []
    for tag, content in ((b"\x0a", _bytes(key)), (b"\x12", _bytes(value))):
        if content:
            parts += [tag, wire.varint(len(content)), content]
    if event is not None and event >= 0:
        parts.append(wire.timestamp_field(b"\x22", event * _NANOSECONDS))
    return b"".join(parts)


def _encode_object(key: bytes, value: bytes, headers: Headers, event: int | None) -> bytes:
    message = wire.PubSubMessage(key=key, data=value)
    for name, content in headers.items() if isinstance(headers, dict) else headers:
        message.attributes[name].values.append(_bytes(content or b""))
    if event is not None and event >= 0:
        message.event_time.FromMilliseconds(event)
    return bytes(message.SerializeToString())


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
