"""An emulator for a module's tests, once over each storage, with Google's clients led to it."""

import os
import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from google.cloud.pubsublite import AdminClient
from google.cloud.pubsublite.types import (
    BacklogLocation,
    CloudRegion,
    CloudZone,
    SubscriptionPath,
    TopicPath,
)
from google.cloud.pubsublite_v1 import Subscription, Topic
from google.protobuf.field_mask_pb2 import FieldMask

from pubsublite_emulator import Emulator
from tests.pubsublite.pubsub_server import PubsubServer, build
from tests.pubsublite.raw import Channel
from tests.support.kafka_broker import KafkaBroker

REGION = CloudRegion("us-central1")
ZONE = CloudZone(REGION, "a")
PROJECT = 123456


@pytest.fixture(scope="module", params=["memory", "kafka"])
def storage(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory"
    broker: KafkaBroker = request.getfixturevalue("kafka_broker")
    return f"kafka://{broker.bootstrap}"


@pytest.fixture(scope="module")
def lite(storage: str) -> Iterator[Emulator]:
    with Emulator(storage) as emulator, pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.env.items():
            patch.setenv(name, value)
        yield emulator


@pytest.fixture(scope="module")
def pubsub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PubsubServer]:
    with (
        PubsubServer(build(tmp_path_factory.mktemp("pubsub"))) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PUBSUB_EMULATOR_HOST", server.host)
        yield server


@pytest.fixture
def channel(lite: Emulator) -> Iterator[Channel]:
    with Channel(lite) as channel:
        yield channel


class Resources:
    """A maker of topics and subscriptions with new names, through Google's AdminClient."""

    def __init__(self) -> None:
        self.admin = AdminClient(REGION)

    def topic(self, partitions: int = 1) -> TopicPath:
        path = TopicPath(PROJECT, ZONE, f"topic-{uuid.uuid4().hex[:8]}")
        capacity = Topic.PartitionConfig.Capacity(publish_mib_per_sec=4, subscribe_mib_per_sec=8)
        config = Topic.PartitionConfig(count=partitions, capacity=capacity)
        retention = Topic.RetentionConfig(per_partition_bytes=30 << 30)
        self.admin.create_topic(Topic(name=str(path), partition_config=config, retention_config=retention))
        return path

    def grow(self, topic: TopicPath, partitions: int) -> None:
        grown = Topic(name=str(topic), partition_config=Topic.PartitionConfig(count=partitions))
        self.admin.update_topic(grown, FieldMask(paths=["partition_config.count"]))

    def subscription(
        self, topic: TopicPath, start: BacklogLocation = BacklogLocation.BEGINNING
    ) -> SubscriptionPath:
        path = SubscriptionPath(PROJECT, ZONE, f"subscription-{uuid.uuid4().hex[:8]}")
        delivery = Subscription.DeliveryConfig(
            delivery_requirement=Subscription.DeliveryConfig.DeliveryRequirement.DELIVER_IMMEDIATELY
        )
        self.admin.create_subscription(
            Subscription(name=str(path), topic=str(topic), delivery_config=delivery), start
        )
        return path


@pytest.fixture
def make(lite: Emulator) -> Resources:
    assert os.environ["PUBSUBLITE_EMULATOR_HOST"] == lite.address
    return Resources()


def eventually(reached: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until a condition holds; fail when the time is over."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not reached in {seconds} s"
        time.sleep(0.02)


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., None]:
    return eventually
