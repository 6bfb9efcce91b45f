"""One topic id in several locations, as Google's Python samples use it: two topics, over Kafka too."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.api_core.exceptions import AlreadyExists, NotFound
from google.cloud.pubsublite.types import CloudZone, TopicPath
from google.cloud.pubsublite_v1 import Topic

from pubsublite_emulator import Emulator
from pubsublite_emulator.schema import message
from tests.pubsublite.conftest import PROJECT, REGION, ZONE
from tests.pubsublite.raw import Channel
from tests.pubsublite.test_python_clients import publish, subscribed
from tests.support.kafka_broker import KafkaBroker
from tests.support.topic import stored


def moved(make: Any, topic: TopicPath, location: Any) -> TopicPath:
    """Return a new topic of the same id in another location."""
    path = TopicPath(PROJECT, location, topic.name)
    make.admin.create_topic(Topic(name=str(path), partition_config=Topic.PartitionConfig(count=1)))
    return path


def test_they_are_two_topics(make: Any, eventually: Callable[..., None]) -> None:
    zonal = make.topic()
    regional = moved(make, zonal, REGION)
    publish(zonal, [b"zonal"])
    publish(regional, [b"regional"])
    with subscribed(make.subscription(zonal)) as (received, _):
        eventually(lambda: received.data == [b"zonal"])
    make.admin.delete_topic(zonal)
    assert make.admin.get_topic(regional).name == str(regional)


def values(broker: KafkaBroker, topic: str) -> list[bytes]:
    return [record.value for record in stored(broker.bootstrap, topic)]


def head(emulator: Emulator, topic: TopicPath) -> int:
    request = message("ComputeHeadCursorRequest")(topic=str(topic))
    with Channel(emulator) as channel:
        answer = channel.unary("TopicStatsService", "ComputeHeadCursor", request, "ComputeHeadCursorResponse")
    return int(answer.head_cursor.offset)


@pytest.mark.parametrize("storage", ["kafka"], indirect=True)
def test_kafka_keeps_the_second_under_its_location(
    make: Any, kafka_broker: KafkaBroker, storage: str, lite: Emulator
) -> None:
    zonal = make.topic()
    regional = moved(make, zonal, REGION)
    publish(zonal, [b"zonal"])
    publish(regional, [b"regional"] * 2)
    assert values(kafka_broker, zonal.name) == [b"zonal"]
    assert values(kafka_broker, f"{zonal.name}.us-central1") == [b"regional"] * 2
    with Emulator(storage) as successor:
        assert [head(successor, topic) for topic in (zonal, regional)] == [1, 2]


def test_two_that_are_created_at_once_are_two_topics(make: Any, lite: Emulator) -> None:
    with ThreadPoolExecutor(2) as pool:
        for number in range(5):
            same = TopicPath(PROJECT, ZONE, f"at-once-{uuid.uuid4().hex[:8]}")
            topics = list(pool.map(lambda location, of=same: moved(make, of, location), (ZONE, REGION)))
            for topic in topics[: number % 2 + 1]:
                publish(topic, [b"1"])
            assert [head(lite, topic) for topic in topics] == [1, number % 2]


def is_gone(make: Any, topic: TopicPath) -> bool:
    try:
        make.admin.get_topic(topic)
    except NotFound:
        return True
    return False


@pytest.mark.parametrize("storage", ["kafka"], indirect=True)
def test_one_that_is_created_while_another_is_deleted_stays(
    make: Any, kafka_broker: KafkaBroker, eventually: Callable[..., None]
) -> None:
    topic = make.topic()
    for _ in range(20):  # each makes the deletion longer
        make.subscription(topic)
    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(make.admin.delete_topic, topic)
        eventually(lambda: is_gone(make, topic))
        again = moved(make, topic, REGION)
        deleting.result()
    publish(again, [b"1"])
    assert values(kafka_broker, topic.name) == [b"1"]


@pytest.mark.parametrize("storage", ["kafka"], indirect=True)
def test_the_place_of_a_deleted_topic_is_free_again(make: Any, storage: str, lite: Emulator) -> None:
    first = make.topic()
    second = moved(make, first, REGION)
    make.admin.delete_topic(first)
    third = moved(make, first, CloudZone(REGION, "b"))  # in the first one's place
    make.admin.delete_topic(second)
    publish(third, [b"1"])
    again = moved(make, first, REGION)
    publish(again, [b"1", b"2"])
    with Emulator(storage) as successor:
        assert [head(successor, topic) for topic in (third, again)] == [1, 2]


@pytest.mark.parametrize("storage", ["kafka"], indirect=True)
def test_a_name_that_is_taken_twice_is_refused(make: Any) -> None:
    zonal = make.topic()
    taken = TopicPath(PROJECT, REGION, f"{zonal.name}.us-central1")
    make.admin.create_topic(Topic(name=str(taken), partition_config=Topic.PartitionConfig(count=1)))
    with pytest.raises(AlreadyExists, match=f"{taken} is stored as {taken.name}"):
        moved(make, zonal, REGION)
