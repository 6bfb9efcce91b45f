"""Google's Python clients, unmodified, against both storages."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.pubsublite.cloudpubsub import AsyncPublisherClient, PublisherClient, SubscriberClient
from google.cloud.pubsublite.types import (
    BacklogLocation,
    CloudRegion,
    FlowControlSettings,
    LocationPath,
    MessageMetadata,
    Partition,
    PublishTime,
    ReservationPath,
    SubscriptionPath,
    TopicPath,
)
from google.cloud.pubsublite_v1 import Reservation, Subscription, Topic
from google.protobuf.field_mask_pb2 import FieldMask

from pubsublite_emulator import Emulator

FLOW = FlowControlSettings(messages_outstanding=1000, bytes_outstanding=10 << 20)
Eventually = Callable[..., None]


def publish(topic: TopicPath, messages: list[bytes], **more: str) -> list[MessageMetadata]:
    with PublisherClient() as publisher:
        futures = [publisher.publish(topic, data, **more) for data in messages]
        return [MessageMetadata.decode(future.result(120)) for future in futures]


class Received:
    """The messages a subscriber has received so far."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.messages: list[Any] = []

    def __call__(self, message: Any) -> None:
        with self.lock:
            self.messages.append(message)
        message.ack()

    @property
    def data(self) -> list[bytes]:
        with self.lock:
            return [message.data for message in self.messages]


@contextmanager
def subscribed(
    subscription: SubscriptionPath, partitions: set[Partition] | None = None
) -> Iterator[tuple[Received, Future[None]]]:
    received = Received()
    with SubscriberClient() as subscriber:
        streaming = subscriber.subscribe(subscription, received, FLOW, partitions)
        try:
            yield received, streaming
        finally:
            streaming.cancel()


def committed(lite: Emulator, subscription: SubscriptionPath) -> dict[int, int]:
    """Return the cursors, requested as the connector does."""
    from google.cloud.pubsublite_v1 import CursorServiceClient, ListPartitionCursorsRequest

    client = CursorServiceClient(client_options={"api_endpoint": "us-central1-pubsublite.googleapis.com"})
    request = ListPartitionCursorsRequest(parent=str(subscription))
    return {item.partition: item.cursor.offset for item in client.list_partition_cursors(request)}


def test_admin_topics(make: Any) -> None:
    admin = make.admin
    path = make.topic(partitions=2)
    location = LocationPath(path.project, path.location)
    assert admin.get_topic_partition_count(path) == 2
    assert admin.get_topic(path).partition_config.count == 2
    assert str(path) in [topic.name for topic in admin.list_topics(location)]
    changed = Topic(name=str(path), partition_config=Topic.PartitionConfig(count=3))
    updated = admin.update_topic(changed, FieldMask(paths=["partition_config.count"]))
    assert updated.partition_config.count == 3
    assert updated.partition_config.capacity.publish_mib_per_sec == 4
    assert admin.get_topic_partition_count(path) == 3
    fewer = Topic(name=str(path), partition_config=Topic.PartitionConfig(count=1))
    with pytest.raises(exceptions.InvalidArgument, match="expected that many or more"):
        admin.update_topic(fewer, FieldMask(paths=["partition_config.count"]))
    with pytest.raises(exceptions.AlreadyExists):
        admin.create_topic(admin.get_topic(path))
    subscription = make.subscription(path)
    assert [str(one) for one in admin.list_topic_subscriptions(path)] == [str(subscription)]
    admin.delete_topic(path)
    with pytest.raises(exceptions.NotFound):
        admin.get_topic(path)
    assert admin.get_subscription(subscription).topic.endswith("/_deleted-topic_")


def test_admin_subscriptions(make: Any) -> None:
    admin = make.admin
    path = make.subscription(make.topic())
    found = admin.get_subscription(path)
    immediately = Subscription.DeliveryConfig.DeliveryRequirement.DELIVER_IMMEDIATELY
    stored = Subscription.DeliveryConfig.DeliveryRequirement.DELIVER_AFTER_STORED
    assert found.delivery_config.delivery_requirement == immediately
    changed = Subscription(name=str(path), delivery_config={"delivery_requirement": stored})
    mask = FieldMask(paths=["delivery_config.delivery_requirement"])
    assert admin.update_subscription(changed, mask).delivery_config.delivery_requirement == stored
    listed = admin.list_subscriptions(LocationPath(path.project, path.location))
    assert str(path) in [subscription.name for subscription in listed]
    admin.delete_subscription(path)
    with pytest.raises(exceptions.NotFound):
        admin.delete_subscription(path)


def test_admin_reservations(make: Any) -> None:
    admin = make.admin
    path = ReservationPath(123456, CloudRegion("us-central1"), f"reserved-{make.topic().name[-8:]}")
    admin.create_reservation(Reservation(name=str(path), throughput_capacity=2))
    changed = Reservation(name=str(path), throughput_capacity=3)
    updated = admin.update_reservation(changed, FieldMask(paths=["throughput_capacity"]))
    assert updated.throughput_capacity == 3
    topic = admin.get_topic(make.topic())
    topic.reservation_config.throughput_reservation = str(path)
    admin.update_topic(topic, FieldMask(paths=["reservation_config"]))
    assert [str(one) for one in admin.list_reservation_topics(path)] == [topic.name]
    with pytest.raises(exceptions.FailedPrecondition, match="in use"):
        admin.delete_reservation(path)
    topic.reservation_config.throughput_reservation = ""
    admin.update_topic(topic, FieldMask(paths=["reservation_config"]))
    admin.delete_reservation(path)
    assert str(path) not in [
        one.name for one in admin.list_reservations(LocationPath(123456, CloudRegion("us-central1")))
    ]


def test_a_projects_id_and_number_are_one(make: Any) -> None:
    topic = make.topic()
    named = TopicPath("my-project", topic.location, topic.name)
    assert make.admin.get_topic(named).name == str(named)
    subscription = make.subscription(named)
    assert make.admin.get_subscription(subscription).topic == str(topic)


def test_publish_and_subscribe(make: Any, lite: Emulator, eventually: Eventually) -> None:
    topic = make.topic(partitions=2)
    subscription = make.subscription(topic)
    messages = [b"%d" % number for number in range(500)]
    found = publish(topic, messages, ordering_key="", colour="red")
    for partition in (0, 1):
        offsets = [one.cursor.offset for one in found if one.partition.value == partition]
        assert offsets == list(range(len(offsets)))
    with subscribed(subscription) as (received, _):
        eventually(lambda: len(received.data) == 500)
        assert sorted(received.data, key=int) == messages
        assert received.messages[0].attributes["colour"] == "red"
        eventually(lambda: sum(committed(lite, subscription).values()) == 500)


def test_async_publisher(make: Any, eventually: Eventually) -> None:
    topic = make.topic()
    subscription = make.subscription(topic)

    async def publish_all() -> list[str]:
        async with AsyncPublisherClient() as publisher:
            return list(await asyncio.gather(*(publisher.publish(topic, b"%d" % n) for n in range(10))))

    assert [MessageMetadata.decode(one).cursor.offset for one in asyncio.run(publish_all())] == list(
        range(10)
    )
    with subscribed(subscription, {Partition(0)}) as (received, _):
        eventually(lambda: len(received.data) == 10)


def test_a_new_subscription_may_skip_the_backlog(make: Any, lite: Emulator, eventually: Eventually) -> None:
    topic = make.topic(partitions=2)
    before = publish(topic, [b"before"] * 7)
    subscription = make.subscription(topic, BacklogLocation.END)
    heads = [sum(one.partition.value == partition for one in before) for partition in (0, 1)]
    assert committed(lite, subscription) == {0: heads[0], 1: heads[1]}
    publish(topic, [b"after"])
    with subscribed(subscription) as (received, _):
        eventually(lambda: received.data == [b"after"])


def test_seek_while_subscribed(make: Any, eventually: Eventually) -> None:
    topic = make.topic()
    subscription = make.subscription(topic)
    publish(topic, [b"1", b"2", b"3"])
    with subscribed(subscription) as (received, _):
        eventually(lambda: len(received.data) == 3)
        operation = make.admin.seek_subscription(subscription, BacklogLocation.BEGINNING)
        operation.result(120)
        eventually(lambda: received.data == [b"1", b"2", b"3"] * 2)


def test_seek_while_nobody_reads(make: Any, lite: Emulator) -> None:
    topic = make.topic()
    subscription = make.subscription(topic)
    publish(topic, [b"1", b"2", b"3"])
    operation = make.admin.seek_subscription(subscription, BacklogLocation.END)
    operation.result(120)
    assert operation.metadata.target == str(subscription)
    assert committed(lite, subscription) == {0: 3}
    make.admin.seek_subscription(subscription, PublishTime(datetime(2020, 1, 1, tzinfo=UTC))).result(120)
    assert committed(lite, subscription) == {0: 0}


READER = """
import os, sys
from google.cloud.pubsublite.cloudpubsub import SubscriberClient
from google.cloud.pubsublite.types import FlowControlSettings, SubscriptionPath
def show(message):
    os.write(1, message.message_id.encode() + b"\\n")  # whole lines, from several threads
    message.ack()
with SubscriberClient() as subscriber:
    flow = FlowControlSettings(1000, 10 << 20)
    subscriber.subscribe(SubscriptionPath.parse(sys.argv[1]), show, flow).result()
"""


class ReaderProcess:
    """A Python subscriber in its own process, and what it has read of each partition."""

    def __init__(self, subscription: SubscriptionPath) -> None:
        self.ids: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", READER, str(subscription)],
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.ids.append(line.strip())

    def partitions(self, since: int = 0) -> set[str]:
        return {one.split(",")[0] for one in self.ids[since:]}

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_two_subscribers_share_and_one_takes_over(make: Any, eventually: Eventually) -> None:
    topic = make.topic(partitions=4)
    subscription = make.subscription(topic)
    first, second = ReaderProcess(subscription), ReaderProcess(subscription)
    try:

        def shared() -> bool:
            seen = len(first.ids), len(second.ids)
            publish(topic, [b"x"] * 8)
            eventually(lambda: len(first.ids) + len(second.ids) >= sum(seen) + 8)
            mine, theirs = first.partitions(seen[0]), second.partitions(seen[1])
            return len(mine) == len(theirs) == 2 and not mine & theirs

        eventually(shared)
        second.kill()

        def taken_over() -> bool:
            seen = len(first.ids)
            publish(topic, [b"y"] * 8)
            return first.partitions(seen) == {"0", "1", "2", "3"}

        eventually(taken_over)
    finally:
        for reader in (first, second):
            if reader.process.poll() is None:
                reader.kill()


def test_subscribing_to_nothing_fails_for_good(make: Any) -> None:
    topic = make.topic()
    missing = SubscriptionPath(topic.project, topic.location, "missing")
    with subscribed(missing) as (_, streaming), pytest.raises(exceptions.NotFound):
        streaming.result(120)


def test_publish_outlives_faults(make: Any, lite: Emulator, eventually: Eventually) -> None:
    topic = make.topic()
    subscription = make.subscription(topic)
    lite.fail_next("Publish", "UNAVAILABLE", "ABORTED", "INTERNAL")
    lite.fail_next("Subscribe", "UNAVAILABLE", "UNKNOWN")
    lite.fail_next("StreamingCommitCursor", "UNAVAILABLE")
    lite.fail_next("AssignPartitions", "UNAVAILABLE")
    publish(topic, [b"through"])
    with subscribed(subscription) as (received, _):
        eventually(lambda: received.data == [b"through"])
        eventually(lambda: committed(lite, subscription) == {0: 1})
