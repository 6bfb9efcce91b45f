"""Protobuf wire format, sliced by hand to avoid a Python object per message, which would be the bottleneck.

A published message is kept as the bytes the client sent. Once it has its offset, it is turned into a *frame*
a single time: a complete ``MessageResponse.messages`` entry, so that delivering a run of messages is one
slice of bytes. Sources: protobuf.dev/programming-guides/encoding; field numbers in ``pubsublite.proto``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from google.protobuf.message import DecodeError

from pubsublite_emulator.errors import invalid
from pubsublite_emulator.schema import message

PubSubMessage = message("PubSubMessage")
PublishRequest = message("PublishRequest")

# A message is charged at least 256 bytes (cloud.google.com/pubsub/lite/quotas).
MINIMUM_SIZE = 256
# Fields and tags only add to what is charged, except an empty event_time: 12 charged, 2 on the wire.
_SURELY_MINIMUM = MINIMUM_SIZE - 12
_TIMESTAMP_SIZE = 12
# Protobuf writes a negative number as this many bits of its two's complement.
_INT64 = (1 << 64) - 1
# gRPC receives at most 4 MiB by default in some languages; a response stays below unless a message is larger.
RESPONSE_BYTES = 1 << 20


def _encode(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SMALL = tuple(_encode(value) for value in range(1 << 14))


def varint(value: int) -> bytes:
    """Return ``value`` (not negative) as a base-128 varint."""
    return _SMALL[value] if value < 1 << 14 else _encode(value)


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the varint at ``position`` and the position after it; ``data`` must be well formed."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def size_bytes(encoded: bytes) -> int:
    """Return the bytes charged for an encoded ``PubSubMessage``, at least MINIMUM_SIZE.

    They are its key, data, attributes, and 12 for an event time.
    """
    if len(encoded) <= _SURELY_MINIMUM:
        return MINIMUM_SIZE
    parsed = PubSubMessage.FromString(encoded)
    size: int = len(parsed.key) + len(parsed.data) + _TIMESTAMP_SIZE * parsed.HasField("event_time")
    for name, attribute in parsed.attributes.items():
        size += len(name.encode()) + sum(map(len, attribute.values))
    return max(MINIMUM_SIZE, size)


def timestamp(nanoseconds: int) -> bytes:
    """Return a ``SequencedMessage.publish_time`` field holding ``nanoseconds`` since 1970."""
    return timestamp_field(b"\x12", nanoseconds)


def timestamp_field(tag: bytes, nanoseconds: int) -> bytes:
    """Return the field that begins with ``tag``, a ``Timestamp`` of ``nanoseconds`` since (or until) 1970."""
    seconds, nanos = divmod(nanoseconds, 1_000_000_000)
    body = b"\x08" + varint(seconds & _INT64) + b"\x10" + varint(nanos)
    return tag + varint(len(body)) + body


def frame(offset: int, publish_time: bytes, encoded: bytes, size: int) -> bytes:
    """Return one ``MessageResponse.messages`` entry; ``publish_time`` comes from :func:`timestamp`."""
    cursor = b"\x08" + varint(offset)
    body = b"".join(
        (
            *(b"\x0a", varint(len(cursor)), cursor, publish_time),
            *(b"\x1a", varint(len(encoded)), encoded, b"\x20", varint(size)),
        )
    )
    return b"\x0a" + varint(len(body)) + body


class Batch:
    """A client's messages, encoded: counted at once, split only when they are needed one by one."""

    __slots__ = ("_messages", "_raw", "count", "first_sequence_number", "size")

    def __init__(self, messages: Sequence[bytes], raw: bytes = b"", count: int = 0, first: int = 0) -> None:
        self._messages = messages
        self._raw = raw
        self.count = count or len(messages)
        self.first_sequence_number = first
        self.size = len(raw) or sum(map(len, messages))

    @property
    def messages(self) -> Sequence[bytes]:
        """Return each ``PubSubMessage``, encoded."""
        if self._raw:
            sliced = _slice(self._raw)
            if sliced is None or len(sliced) != self.count:
                request = PublishRequest.FromString(self._raw)
                sliced = [one.SerializeToString() for one in request.message_publish_request.messages]
            self._messages, self._raw = sliced, b""
        return self._messages


def split_batch(raw: bytes) -> Batch | None:
    """Return the messages of an encoded ``PublishRequest``, or None if it is not a batch.

    Raise ``INVALID_ARGUMENT`` for anything protobuf cannot parse: one call into C checks the whole batch.
    """
    try:
        request = PublishRequest.FromString(raw)
    except DecodeError as error:
        raise invalid(f"not a PublishRequest: {error}") from None
    if request.WhichOneof("request_type") != "message_publish_request":
        return None
    batch = request.message_publish_request
    count = len(batch.messages)
    return Batch((), raw if count else b"", count, batch.first_sequence_number)


def _slice(raw: bytes) -> list[bytes] | None:
    """Return the messages of a batch encoded as every protobuf library does; None for another field order."""
    if raw[0] != 0x12:
        return None
    end, position = read_varint(raw, 1)
    if position + end != len(raw):
        return None
    messages: list[bytes] = []
    append = messages.append
    end = len(raw)
    while position < end and raw[position] == 0x0A:
        length = raw[position + 1]
        if length < 0x80:
            position += 2
        else:
            length, position = read_varint(raw, position + 1)
        append(raw[position : position + length])
        position += length
    if position < end and raw[position] == 0x10:
        _, position = read_varint(raw, position + 1)
    return messages if position == end else None


@dataclass(frozen=True, slots=True)
class Block:
    """A run of delivered messages: ``len(offsets)`` frames in ``data``.

    ``ends`` and ``weights`` have one more entry than ``offsets``: message ``i`` is
    ``data[ends[i]:ends[i + 1]]`` and is charged ``weights[i + 1] - weights[i]`` bytes.
    """

    offsets: Sequence[int]
    data: bytes
    ends: Sequence[int]
    weights: Sequence[int]

    def since(self, offset: int) -> Block:
        """Return the messages at ``offset`` and above (none, some or all)."""
        if not self.offsets or self.offsets[0] >= offset:
            return self
        index = bisect_right(self.offsets, offset - 1)
        return Block(self.offsets[index:], self.data, self.ends[index:], self.weights[index:])

    def take(self, messages: int, size: int) -> tuple[Block, Block]:
        """Split into what both budgets allow now (and one response carries) and the rest."""
        count = min(
            messages,
            bisect_right(self.weights, self.weights[0] + size) - 1,
            max(1, bisect_right(self.ends, self.ends[0] + RESPONSE_BYTES) - 1),
        )
        count = min(count, len(self.offsets))
        head = Block(self.offsets[:count], self.data, self.ends[: count + 1], self.weights[: count + 1])
        return head, Block(self.offsets[count:], self.data, self.ends[count:], self.weights[count:])

    @property
    def charged(self) -> int:
        """Return the bytes of flow control that the block costs."""
        return self.weights[-1] - self.weights[0]

    def response(self) -> bytes:
        """Return an encoded ``SubscribeResponse`` with every message of the block."""
        body = self.data[self.ends[0] : self.ends[-1]]
        return b"\x1a" + varint(len(body)) + body

    def messages(self) -> bytes:
        """Return an encoded ``MessageResponse`` with every message of the block."""
        return self.data[self.ends[0] : self.ends[-1]]


def block(offsets: Sequence[int], frames: Sequence[bytes], sizes: Sequence[int]) -> Block:
    """Return a block of ``frames`` charged ``sizes``."""
    ends = list(accumulate(map(len, frames), initial=0))
    return Block(offsets, b"".join(frames), ends, list(accumulate(sizes, initial=0)))


def join(first: Block, second: Block) -> Block:
    """Join two adjacent blocks into one."""
    frames = (first.messages(), second.messages())
    ends = [end - first.ends[0] for end in first.ends]
    weights = [weight - first.weights[0] for weight in first.weights]
    ends += [end - second.ends[0] + ends[-1] for end in second.ends[1:]]
    weights += [weight - second.weights[0] + weights[-1] for weight in second.weights[1:]]
    return Block([*first.offsets, *second.offsets], b"".join(frames), ends, weights)


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Messages ``start_index`` to ``end_index`` (exclusive) of a batch, stored from ``offset`` on."""

    offset: int
    start_index: int
    end_index: int


def ranges(offsets: Sequence[int | None]) -> list[OffsetRange]:
    """Return the runs of consecutive offsets in a batch, leaving out messages of unknown offset (None)."""
    if isinstance(offsets, range):
        return [OffsetRange(offsets[0], 0, len(offsets))] if offsets else []
    found: list[OffsetRange] = []
    start = 0
    for index, offset in enumerate(offsets):
        following = offsets[index + 1] if index + 1 < len(offsets) else None
        if offset is None or following != offset + 1:
            first = offsets[start]
            if first is not None:
                found.append(OffsetRange(first, start, index + 1))
            start = index + 1
    return found
