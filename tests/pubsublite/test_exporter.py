"""Export subscriptions deliver to Google's own in-memory Pub/Sub: each message, as documented, and once."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from google.cloud.pubsublite.types import BacklogLocation, SubscriptionPath, TopicPath
from google.cloud.pubsublite_v1 import Subscription
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from pubsublite_emulator import Emulator
from pubsublite_emulator.pubsub_client import PubsubClient
from pubsublite_emulator.pubsub_messages import PubsubMessage
from pubsublite_emulator.schema import message
from tests.pubsublite.conftest import Resources, eventually
from tests.pubsublite.exporting import Destination, State, export, publish
from tests.pubsublite.pubsub_server import PubsubServer
from tests.pubsublite.raw import Channel

pytestmark = [pytest.mark.slow, pytest.mark.needs("go"), pytest.mark.timeout(900)]
EVENT_TIME = "x-goog-pubsublite-event-time-timestamp-proto"


@pytest.fixture(scope="module")
def lite(storage: str, pubsub: PubsubServer) -> Iterator[Emulator]:
    with Emulator(storage) as emulator, pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.env.items():
            patch.setenv(name, value)
        yield emulator


@pytest.fixture
def destination(lite: Emulator) -> Destination:
    return Destination().create()


def state(make: Resources, subscription: Subscription) -> int:
    path = SubscriptionPath.parse(subscription.name)
    return int(make.admin.get_subscription(path).export_config.current_state)


def update(make: Resources, subscription: Subscription, path: str, **config: Any) -> None:
    changed = Subscription(name=subscription.name, export_config=config)
    make.admin.update_subscription(changed, FieldMask(paths=[f"export_config.{path}"]))


def test_every_field_arrives(make: Resources, channel: Channel, destination: Destination) -> None:
    topic = make.topic()
    happened = Timestamp(seconds=1_600_000_000, nanos=500_000_000)
    publish(
        channel,
        topic,
        {
            "key": b"user-1",
            "data": b"\x00\xff",
            "attributes": {"color": {"values": ["grün".encode()]}},
            "event_time": {"seconds": happened.seconds, "nanos": happened.nanos},
        },
        {"data": b"plain"},
    )
    created = export(make, topic, destination)
    full, plain = sorted(destination.pull(2), key=lambda one: one.data)
    assert (full.data, full.ordering_key) == (b"\x00\xff", "user-1")
    carried = dict(full.attributes)
    assert Timestamp.FromString(base64.b64decode(carried.pop(EVENT_TIME))) == happened
    assert carried == {"color": "grün"}
    assert (plain.data, plain.ordering_key) == (b"plain", "")
    assert state(make, created) == State.ACTIVE


def test_each_partition_arrives_once_and_each_key_in_order(
    make: Resources, channel: Channel, destination: Destination
) -> None:
    topic = make.topic(partitions=2)
    export(make, topic, destination)
    for partition in (0, 1):
        numbered = [
            {"key": b"%d-%d" % (partition, number % 3), "data": b"%04d" % number} for number in range(120)
        ]
        publish(channel, topic, *numbered, partition=partition)
    by_key: dict[str, list[bytes]] = {}
    for one in destination.pull(240):
        by_key.setdefault(one.ordering_key, []).append(one.data)
    assert by_key == {
        f"{partition}-{key}": [b"%04d" % number for number in range(key, 120, 3)]
        for partition in (0, 1)
        for key in (0, 1, 2)
    }


def test_a_new_partition_is_exported(make: Resources, channel: Channel, destination: Destination) -> None:
    topic = make.topic()
    export(make, topic, destination)
    make.grow(topic, 2)
    publish(channel, topic, {"data": b"new"}, partition=1)
    assert [one.data for one in destination.pull(1)] == [b"new"]


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
def test_what_pubsub_does_not_take_becomes_a_dead_letter(
    make: Resources, channel: Channel, destination: Destination
) -> None:
    topic, letters = make.topic(), make.topic()
    unfit: list[dict[str, Any]] = [
        {"key": b"\xff", "data": b"key"},
        {"key": b"k" * 1025, "data": b"long key"},
        {"data": b"two values", "attributes": {"a": {"values": [b"1", b"2"]}}},
        {"data": b"no value", "attributes": {"a": {"values": []}}},
        {"data": b"bytes", "attributes": {"a": {"values": [b"\xff"]}}},
        {"data": b"long value", "attributes": {"a": {"values": [b"v" * 1025]}}},
        {"data": b"reserved name", "attributes": {"google": {"values": [b"v"]}}},
        {"data": b"long name", "attributes": {"n" * 257: {"values": [b"v"]}}},
        {"data": b"taken name", "attributes": {EVENT_TIME: {"values": [b"v"]}}},
        {"data": b"many", "attributes": {f"a{number}": {"values": [b"v"]} for number in range(101)}},
        {},
        {"data": b"x" * 10_000_001},
    ]
    refused: dict[str, Any] = {"data": b"refused", "key": b"user"}
    fit = [{"data": b"before", "key": b"user"}, {"data": b"after", "key": b"user"}]
    publish(channel, topic, fit[0], *unfit, refused, fit[1])
    export(make, topic, destination, dead_letter_topic=str(letters))
    assert [one.data for one in destination.pull(2)] == [b"before", b"after"]
    assert set_aside(channel, make, letters, len(unfit) + 1) == [
        message("PubSubMessage")(**one) for one in [*unfit, refused]
    ]


def set_aside(channel: Channel, make: Resources, letters: TopicPath, count: int) -> list[Any]:
    subscription = make.subscription(letters)
    stream = channel.stream("SubscriberService", "Subscribe", "SubscribeResponse")
    request = message("SubscribeRequest")
    stream.send(request(initial={"subscription": str(subscription), "initial_location": {"named_target": 2}}))
    stream.receive()
    stream.send(request(flow_control={"allowed_messages": 100, "allowed_bytes": 1 << 30}))
    found: list[Any] = []
    while len(found) < count:
        found += [one.message for one in stream.receive().messages.messages]
    return found


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
def test_without_a_topic_for_it_it_is_dropped_and_the_log_says_so(
    make: Resources, channel: Channel, destination: Destination, caplog: pytest.LogCaptureFixture
) -> None:
    topic = make.topic()
    publish(channel, topic, {"key": b"\xff", "data": b"unfit"}, {"data": b"fit"})
    created = export(make, topic, destination)
    assert [one.data for one in destination.pull(1)] == [b"fit"]
    where = f"{created.name} partition 0 offset 0"
    reason = "the key is not UTF-8: b'\\xff'"
    assert f"{where} is dropped, because there is no dead_letter_topic: {reason}" in caplog.messages


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
def test_a_missing_topic_is_shown_and_waited_for(make: Resources, channel: Channel, lite: Emulator) -> None:
    topic, missing = make.topic(), Destination()
    created = export(make, topic, missing)
    eventually(lambda: state(make, created) == State.NOT_FOUND, 30)
    missing.create()
    eventually(lambda: state(make, created) == State.ACTIVE, 30)
    missing.delete()
    publish(channel, topic, {"data": b"patient"})
    eventually(lambda: state(make, created) == State.NOT_FOUND, 30)
    missing.create()
    assert [one.data for one in missing.pull(1)] == [b"patient"]
    eventually(lambda: state(make, created) == State.ACTIVE, 30)


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
def test_a_missing_topic_of_dead_letters_is_shown_and_nothing_is_lost(
    make: Resources, channel: Channel, destination: Destination
) -> None:
    topic = make.topic()
    publish(channel, topic, {"key": b"\xff"}, {"data": b"next"})
    created = export(make, topic, destination, dead_letter_topic=f"{topic}-letters")
    eventually(lambda: state(make, created) == State.NOT_FOUND, 30)
    update(make, created, "dead_letter_topic", dead_letter_topic=str(make.topic()))
    assert [one.data for one in destination.pull(1)] == [b"next"]


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
def test_a_missing_permission_is_shown_and_nothing_comes_twice(
    make: Resources,
    channel: Channel,
    destination: Destination,
    pubsub: PubsubServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried, real = [], PubsubClient.publish

    async def counted(client: PubsubClient, topic: str, messages: Sequence[PubsubMessage]) -> None:
        tried.append(topic)
        await real(client, topic, messages)

    monkeypatch.setattr(PubsubClient, "publish", counted)
    topic, letters = make.topic(), make.topic()
    pubsub.deny(destination.topic)
    publish(channel, topic, {"key": b"\xff"}, {"data": b"patient"}, {"data": b"refused", "key": b"user"})
    created = export(make, topic, destination, dead_letter_topic=str(letters))
    eventually(lambda: state(make, created) == State.PERMISSION_DENIED, 30)
    eventually(lambda: tried.count(destination.topic) >= 6, 30)
    pubsub.allow(destination.topic)
    assert [one.data for one in destination.pull(1)] == [b"patient"]
    eventually(lambda: state(make, created) == State.ACTIVE, 30)
    assert [one.data for one in set_aside(channel, make, letters, 2)] == [b"", b"refused"]
    publish(channel, letters, {"data": b"last"})
    assert [one.data for one in set_aside(channel, make, letters, 3)] == [b"", b"refused", b"last"]
    assert destination.is_empty()


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
def test_a_paused_one_goes_on_where_it_was(
    make: Resources, channel: Channel, destination: Destination
) -> None:
    topic = make.topic()
    created = export(make, topic, destination)
    publish(channel, topic, {"data": b"1"})
    assert [one.data for one in destination.pull(1)] == [b"1"]
    update(make, created, "desired_state", desired_state=State.PAUSED)
    assert state(make, created) == State.PAUSED
    publish(channel, topic, {"data": b"2"})
    assert destination.is_empty()
    update(make, created, "desired_state", desired_state=State.ACTIVE)
    assert [one.data for one in destination.pull(1)] == [b"2"]
    assert destination.is_empty()


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
def test_a_seek_moves_one_that_is_active(make: Resources, channel: Channel, destination: Destination) -> None:
    topic = make.topic()
    created = export(make, topic, destination)
    publish(channel, topic, {"data": b"1"}, {"data": b"2"})
    assert len(destination.pull(2)) == 2
    path = SubscriptionPath.parse(created.name)
    seek: Any = make.admin.seek_subscription(path, BacklogLocation.BEGINNING)
    seek.result(timeout=30)
    assert sorted(one.data for one in destination.pull(2)) == [b"1", b"2"]


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
def test_a_deleted_one_delivers_no_more(make: Resources, channel: Channel, destination: Destination) -> None:
    topic = make.topic()
    created = export(make, topic, destination)
    publish(channel, topic, {"data": b"1"})
    assert len(destination.pull(1)) == 1
    make.admin.delete_subscription(SubscriptionPath.parse(created.name))
    publish(channel, topic, {"data": b"2"})
    assert destination.is_empty()
