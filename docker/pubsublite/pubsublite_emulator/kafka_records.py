"""Messages as Kafka records and back, as Google's clients map them on Managed Service for Apache Kafka.

key <-> key (empty <-> null), data <-> value, attributes <-> headers (one header per value), publish time <->
the record's timestamp, event time <-> the header `pubsublite.event_time`, as seconds and nine digits of
nanoseconds since 1970 (cloud.google.com/go/pubsublite v1.10.0, internal/wire/kafka_publisher.go and
kafka_subscriber.go; google-cloud-pubsublite for Python, the same).

A record without that header was written by another producer: its timestamp, where the producer gave it, is
its event time too, as `sources/kafka` and the sink of Google's Kafka connector see it. The header of a
message without an event time is empty, which Google's clients read as none, and not as the timestamp.

The mapping is lossy: the order of headers across keys is lost; null and empty become the same. What would
vanish without a trace is refused: an attribute without values, or with the name of that header.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import TIMESTAMP_CREATE_TIME
from confluent_kafka import Message as KafkaMessage

from pubsublite_emulator import wire
from pubsublite_emulator.errors import invalid
from pubsublite_emulator.schema import Message

EVENT_TIME = "pubsublite.event_time"
_TIME = re.compile(rb"(-?[0-9]{1,12})(?:\.([0-9]{1,9}))?")
# The years 1 to 9999, the range of google.protobuf.Timestamp.
_SECONDS = range(-62_135_596_800, 253_402_300_800)
_MILLISECOND, _SECOND = 1_000_000, 1_000_000_000

Header = tuple[str, str | bytes | None]


@dataclass(frozen=True, slots=True)
class Record:
    """What a producer sends; ``timestamp`` is in milliseconds."""

    key: bytes | None
    value: bytes | None
    headers: list[Header]
    timestamp: int


def to_record(encoded: bytes, *, broker_time: bool) -> Record:
    """Convert an encoded ``PubSubMessage`` to a record; raise INVALID_ARGUMENT for what it cannot hold.

    ``broker_time`` says that the broker sets the timestamps of the topic.
    """
    message = wire.PubSubMessage.FromString(encoded)
    headers: list[Header] = []
    for name in sorted(message.attributes):
        values = message.attributes[name].values
        if not values:
            raise invalid(f"attribute {name!r} has no values: a Kafka header cannot say so; leave it out")
        if name == EVENT_TIME:
            raise invalid(f"attribute {name!r}: Kafka storage keeps event times there; use another name")
        headers += [(name, value) for value in values]
    if message.HasField("event_time"):
        headers.append((EVENT_TIME, _written(message.event_time)))
    elif not broker_time:
        headers.append((EVENT_TIME, b""))
    return Record(message.key or None, message.data, headers, time.time_ns() // _MILLISECOND)


def _written(event_time: Message) -> bytes:
    if event_time.seconds not in _SECONDS or not 0 <= event_time.nanos < _SECOND:
        raise invalid(
            f"event_time of {event_time.seconds} seconds and {event_time.nanos} nanoseconds: expected the "
            "years 1 to 9999, and 0 to 999,999,999 nanoseconds"
        )
    return b"%d.%09d" % (event_time.seconds, event_time.nanos)


def to_block(records: Sequence[KafkaMessage]) -> wire.Block:
    """Return consumed records as messages ready for delivery."""
    offsets, frames, sizes = [], [], []
    for record in records:
        kind, milliseconds = record.timestamp()
        published = max(0, milliseconds) * _MILLISECOND
        stamped = milliseconds >= 0 and kind == TIMESTAMP_CREATE_TIME
        encoded = _encode(record, published if stamped else None)
        offset, size = record.offset() or 0, wire.size_bytes(encoded)
        offsets.append(offset)
        sizes.append(size)
        frames.append(wire.frame(offset, wire.timestamp(published), encoded, size))
    return wire.block(offsets, frames, sizes)


def _encode(record: KafkaMessage, event: int | None) -> bytes:
    """Return the record as a message; ``event`` is its event time if no header says otherwise."""
    attributes: list[Header] = []
    headers = record.headers() or ()
    for name, content in headers.items() if isinstance(headers, dict) else headers:
        if name == EVENT_TIME:
            event = _read(_bytes(content))
        else:
            attributes.append((name, content))
    key, value = _bytes(record.key()), _bytes(record.value())
    parts = []
    for tag, content in ((b"\x0a", key), (b"\x12", value)):
        if content:
            parts += [tag, wire.varint(len(content)), content]
    if attributes:
        parts.append(_encode_attributes(attributes))
    if event is not None:
        parts.append(wire.timestamp_field(b"\x22", event))
    return b"".join(parts)


def _read(header: bytes) -> int | None:
    """Return the nanoseconds since 1970 that the header says; None for an empty one, or no time."""
    found = _TIME.fullmatch(header)
    if found is None or (seconds := int(found[1])) not in _SECONDS:
        return None
    return seconds * _SECOND + int((found[2] or b"").ljust(9, b"0"))


def _encode_attributes(headers: Sequence[Header]) -> bytes:
    message = wire.PubSubMessage()
    for name, content in headers:
        message.attributes[name].values.append(_bytes(content))
    return bytes(message.SerializeToString())


def _bytes(content: str | bytes | None) -> bytes:
    return content.encode() if isinstance(content, str) else content or b""
