"""Sliced bytes equal what protobuf would have encoded."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pubsublite_emulator import wire
from pubsublite_emulator.errors import LiteError
from pubsublite_emulator.log import PartitionLog
from pubsublite_emulator.schema import message

PubSubMessage = message("PubSubMessage")
PublishRequest = message("PublishRequest")
SequencedMessage = message("SequencedMessage")
SubscribeResponse = message("SubscribeResponse")
MessageResponse = message("MessageResponse")

values = st.lists(st.binary(max_size=4), max_size=3)
messages = st.builds(
    lambda key, data, attributes, seconds: PubSubMessage(
        key=key,
        data=data,
        attributes={name: {"values": found} for name, found in attributes.items()},
        event_time=None if seconds is None else {"seconds": seconds},
    ),
    st.binary(max_size=5),
    st.binary(max_size=400),
    st.dictionaries(st.text(max_size=3), values, max_size=2),
    st.none() | st.integers(0, 2**33),
)


@given(st.lists(messages, max_size=6), st.integers(0, 2**40))
def test_a_batch_splits_into_its_messages(items: list[object], first: int) -> None:
    request = PublishRequest(message_publish_request={"messages": items, "first_sequence_number": first})
    batch = wire.split_batch(request.SerializeToString())
    assert batch is not None
    assert batch.count == len(items)
    assert [PubSubMessage.FromString(one) for one in batch.messages] == items
    assert batch.first_sequence_number == first


def test_a_batch_in_any_order_of_fields_splits_too() -> None:
    one, two = (PubSubMessage(data=data).SerializeToString() for data in (b"1", b"2"))
    body = b"\x10\x05" + b"".join(b"\x0a" + bytes([len(item)]) + item for item in (one, two))
    batch = wire.split_batch(b"\x12" + bytes([len(body)]) + body)
    assert batch is not None
    assert (list(batch.messages), batch.first_sequence_number) == ([one, two], 5)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_batch_or_refused(raw: bytes) -> None:
    try:
        batch = wire.split_batch(raw)
    except LiteError:
        return
    if batch is not None:
        for one in batch.messages:
            PubSubMessage.FromString(one)


@given(messages, st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_frame_is_the_sequenced_message(item: object, offset: int, nanoseconds: int) -> None:
    encoded = item.SerializeToString()  # type: ignore[attr-defined]
    size = wire.size_bytes(encoded)
    raw = wire.frame(offset, wire.timestamp(nanoseconds), encoded, size)
    (found,) = MessageResponse.FromString(raw).messages
    expected = SequencedMessage(cursor={"offset": offset}, message=item, size_bytes=size)
    expected.publish_time.FromNanoseconds(nanoseconds)
    assert found == expected


@pytest.mark.parametrize(
    ("item", "size"),
    [
        (PubSubMessage(), 256),
        (PubSubMessage(data=b"x" * 244), 256),
        (PubSubMessage(data=b"x" * 256), 256),
        (PubSubMessage(data=b"x" * 250, key=b"k" * 7), 257),
        (PubSubMessage(data=b"x" * 250, event_time={}), 262),
        (PubSubMessage(data=b"x" * 300, attributes={"é": {"values": [b"12", b"3"]}}), 305),
    ],
)
def test_what_a_message_is_charged(item: object, size: int) -> None:
    assert wire.size_bytes(item.SerializeToString()) == size  # type: ignore[attr-defined]


@given(st.lists(st.integers(0, 600), min_size=1, max_size=20), st.integers(0, 25), st.integers(0, 5000))
def test_taking_never_exceeds_either_budget(lengths: list[int], most: int, size: int) -> None:
    log = PartitionLog()
    log.append(wire.Batch([PubSubMessage(data=b"x" * one).SerializeToString() for one in lengths]), 0)
    whole = log.read(0)
    assert whole is not None
    now, rest = whole.take(most, size)
    taken = SubscribeResponse.FromString(now.response()).messages.messages
    assert len(taken) <= most
    assert sum(one.size_bytes for one in taken) == now.charged <= size
    assert [*now.offsets, *rest.offsets] == list(range(len(lengths)))
    if rest.offsets and len(taken) < most:
        assert now.charged + rest.weights[1] - rest.weights[0] > size


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ([], []),
        ([5, 6, 7], [(5, 0, 3)]),
        ([5, 7, 8], [(5, 0, 1), (7, 1, 3)]),
        ([None, 4, None, 5], [(4, 1, 2), (5, 3, 4)]),
    ],
)
def test_runs_of_offsets(offsets: list[int | None], expected: list[tuple[int, int, int]]) -> None:
    assert [(one.offset, one.start_index, one.end_index) for one in wire.ranges(offsets)] == expected


@given(st.lists(st.integers(1, 400), min_size=1, max_size=8), st.data())
def test_a_log_reads_from_anywhere(counts: list[int], data: st.DataObject) -> None:
    log = PartitionLog()
    for count in counts:
        log.append(wire.Batch([b"\x12\x01x"] * count), 1)
        if data.draw(st.booleans()):
            log.read(log.head - 1)
    offset = start = data.draw(st.integers(0, log.head - 1))
    found: list[int] = []
    while (block := log.read(offset)) is not None:
        found += [one.cursor.offset for one in MessageResponse.FromString(block.messages()).messages]
        offset = block.offsets[-1] + 1
    assert found == list(range(start, log.head))


def test_a_log_forgets_the_oldest_and_keeps_the_newest() -> None:
    log = PartitionLog()
    for number in range(10):
        log.append(wire.Batch([b"\x12\x01x"] * 300), number)
    log.trim(1 << 40, 4)
    assert (log.oldest, log.head) == (1200, 3000)
    log.trim(0, None)
    assert (log.oldest, log.head) == (2700, 3000)
    block = log.read(0)
    assert block is not None
    assert list(block.offsets) == list(range(2700, 3000))
    assert all(later > earlier for earlier, later in pairwise(block.ends))
