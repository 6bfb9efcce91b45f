"""The 23 steps of the quickstart of Google's samples for Python, each on a regional and a zonal topic.

The samples are not published as a package, so the steps are taken here by the same client, in the same order.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core.exceptions import NotFound
from google.cloud.pubsub_v1 import PublisherClient as PubsubPublisher
from google.cloud.pubsub_v1.subscriber.message import Message as PubsubMessage
from google.cloud.pubsub_v1.types import BatchSettings
from google.cloud.pubsublite import AdminClient
from google.cloud.pubsublite.cloudpubsub import PublisherClient, SubscriberClient
from google.cloud.pubsublite.types import (
    BacklogLocation,
    CloudRegion,
    CloudZone,
    FlowControlSettings,
    LocationPath,
    MessageMetadata,
    PublishTime,
    ReservationPath,
    SubscriptionPath,
    TopicPath,
)
from google.cloud.pubsublite_v1 import ExportConfig, Reservation, Subscription, Topic
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from pubsublite_emulator import Emulator
from tests.pubsublite.conftest import PROJECT, eventually
from tests.pubsublite.pubsub_server import PubsubServer
from tests.support.kafka_broker import KafkaBroker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("go"),
    pytest.mark.timeout(900),
]
REGION = CloudRegion("us-central1")
PLACES: tuple[CloudRegion | CloudZone, ...] = (REGION, CloudZone(REGION, "b"))
RESERVATION = ReservationPath(PROJECT, REGION, "py-lite-reservation")
TOPICS = [TopicPath(PROJECT, place, "py-lite-topic") for place in PLACES]
SUBSCRIPTIONS = [SubscriptionPath(PROJECT, place, "py-lite-subscription") for place in PLACES]
EXPORTS = [SubscriptionPath(PROJECT, place, "py-lite-export-subscription") for place in PLACES]
GIB = 1 << 30
Delivery = Subscription.DeliveryConfig.DeliveryRequirement


@pytest.fixture(scope="module")
def kafka_broker() -> Iterator[KafkaBroker]:
    """Run a broker for this module alone: the quickstart lists everything that there is."""
    with KafkaBroker() as own:
        yield own


@pytest.fixture
def admin(pubsub: PubsubServer, lite: Emulator) -> AdminClient:
    return AdminClient(REGION)


def mask(*paths: str) -> FieldMask:
    return FieldMask(paths=paths)


def test_the_quickstart(admin: AdminClient) -> None:
    reservation(admin)
    topics(admin)
    subscriptions(admin)
    exports(admin)
    sent = [publish(topic) for topic in TOPICS]
    for subscription, expected in zip(SUBSCRIPTIONS, sent, strict=True):
        assert receive(subscription) == expected
    seek(admin)
    for subscription, expected in zip(SUBSCRIPTIONS, sent, strict=True):
        assert receive(subscription) == expected
    delete(admin)


def reservation(admin: AdminClient) -> None:
    created = admin.create_reservation(Reservation(name=str(RESERVATION), throughput_capacity=4))
    assert created.name == str(RESERVATION)
    changed = Reservation(name=str(RESERVATION), throughput_capacity=8)
    assert admin.update_reservation(changed, mask("throughput_capacity")).throughput_capacity == 8
    assert admin.get_reservation(RESERVATION).throughput_capacity == 8
    listed = admin.list_reservations(LocationPath(PROJECT, REGION))
    assert [one.name for one in listed] == [str(RESERVATION)]


def topics(admin: AdminClient) -> None:
    for place, path in zip(PLACES, TOPICS, strict=True):
        wanted = Topic(
            name=str(path),
            partition_config=Topic.PartitionConfig(
                count=1,
                capacity=Topic.PartitionConfig.Capacity(publish_mib_per_sec=4, subscribe_mib_per_sec=8),
            ),
            retention_config=Topic.RetentionConfig(
                per_partition_bytes=30 * GIB, period=Duration(seconds=604_800)
            ),
            reservation_config=Topic.ReservationConfig(throughput_reservation=str(RESERVATION)),
        )
        assert admin.create_topic(wanted).name == str(path)
        changed = Topic(
            name=str(path),
            partition_config=Topic.PartitionConfig(
                capacity=Topic.PartitionConfig.Capacity(publish_mib_per_sec=16, subscribe_mib_per_sec=32)
            ),
            retention_config=Topic.RetentionConfig(
                per_partition_bytes=32 * GIB, period=Duration(seconds=1_209_600)
            ),
        )
        paths = [
            "partition_config.capacity",
            "retention_config.per_partition_bytes",
            "retention_config.period",
        ]
        # As it is written in Google's sample: there is no such field.
        admin.update_topic(changed, mask(*paths, "reservation_confing.throughput_reservation"))
        found = admin.get_topic(path)
        assert found.partition_config.capacity.publish_mib_per_sec == 16
        assert found.retention_config.per_partition_bytes == 32 * GIB
        assert found.retention_config.period.total_seconds() == 1_209_600
        assert admin.get_topic_partition_count(path) == 1
        assert [one.name for one in admin.list_topics(LocationPath(PROJECT, place))] == [str(path)]


def subscriptions(admin: AdminClient) -> None:
    for place, topic, path in zip(PLACES, TOPICS, SUBSCRIPTIONS, strict=True):
        wanted = Subscription(
            name=str(path),
            topic=str(topic),
            delivery_config=Subscription.DeliveryConfig(delivery_requirement=Delivery.DELIVER_IMMEDIATELY),
        )
        assert admin.create_subscription(wanted).name == str(path)
        changed = Subscription(
            name=str(path),
            delivery_config=Subscription.DeliveryConfig(delivery_requirement=Delivery.DELIVER_AFTER_STORED),
        )
        admin.update_subscription(changed, mask("delivery_config.delivery_requirement"))
        found = admin.get_subscription(path)
        assert found.delivery_config.delivery_requirement == Delivery.DELIVER_AFTER_STORED
        assert [one.name for one in admin.list_subscriptions(LocationPath(PROJECT, place))] == [str(path)]
        assert [str(one) for one in admin.list_topic_subscriptions(topic)] == [str(path)]


def exports(admin: AdminClient) -> None:
    destination = f"projects/{PROJECT}/topics/to-{uuid.uuid4().hex[:8]}"
    PubsubPublisher().create_topic(name=destination)
    for topic, path in zip(TOPICS, EXPORTS, strict=True):
        config = ExportConfig(
            desired_state=ExportConfig.State.ACTIVE,
            pubsub_config=ExportConfig.PubSubConfig(topic=destination),
        )
        wanted = Subscription(name=str(path), topic=str(topic), export_config=config)
        created = admin.create_subscription(wanted, PublishTime(datetime.now(UTC)))
        assert created.export_config.current_state == ExportConfig.State.ACTIVE
        admin.delete_subscription(path)


def publish(topic: TopicPath) -> set[bytes]:
    """Publish two messages, one with attributes, ten of one key and ten in batches; return their data."""
    plain, keyed, batched = (
        [b"%s-%d" % (name, number) for number in range(count)]
        for name, count in ((b"plain", 2), (b"keyed", 10), (b"batched", 10))
    )
    with PublisherClient() as publisher:
        futures = [publisher.publish(topic, plain[0]), publisher.publish(topic, plain[1], year="2020")]
        futures += [publisher.publish(topic, data, ordering_key="testing") for data in keyed]
        assert offsets(futures) == list(range(12))
    batches = BatchSettings(max_bytes=3 << 20, max_latency=0.05, max_messages=3)
    with PublisherClient(per_partition_batching_settings=batches) as publisher:
        assert offsets([publisher.publish(topic, data) for data in batched]) == list(range(12, 22))
    return {*plain, *keyed, *batched}


def offsets(futures: list[Future[str]]) -> list[int]:
    return [MessageMetadata.decode(one.result(60)).cursor.offset for one in futures]


def receive(subscription: SubscriptionPath) -> set[bytes]:
    """Return the 22 messages of the subscription, acknowledged, after none has come twice."""
    received: list[bytes] = []

    def take(message: PubsubMessage) -> None:
        received.append(message.data)
        message.ack()

    flow = FlowControlSettings(messages_outstanding=1000, bytes_outstanding=10 << 20)
    with SubscriberClient() as subscriber:
        pulling = subscriber.subscribe(subscription, take, per_partition_flow_control_settings=flow)
        eventually(lambda: len(received) >= 22, 60)
        pulling.cancel()
        pulling.result(60)
    assert len(received) == 22
    return set(received)


def seek(admin: AdminClient) -> None:
    for path in SUBSCRIPTIONS:
        moving: Any = admin.seek_subscription(path, BacklogLocation.BEGINNING)
        moving.result(60)


def delete(admin: AdminClient) -> None:
    for path in SUBSCRIPTIONS:
        admin.delete_subscription(path)
        with pytest.raises(NotFound):
            admin.get_subscription(path)
    for topic in TOPICS:
        admin.delete_topic(topic)
        with pytest.raises(NotFound):
            admin.get_topic(topic)
    admin.delete_reservation(RESERVATION)
    assert admin.list_reservations(LocationPath(PROJECT, REGION)) == []
