"""A topic that grows under a live subscriber, over Kafka: the new partition is read before a publish."""

from collections.abc import Callable
from typing import Any

import pytest

from pubsublite_emulator import Emulator
from tests.pubsublite.test_python_clients import publish, subscribed
from tests.support.kafka_broker import KafkaBroker
from tests.support.topic import send


@pytest.mark.parametrize("storage", ["kafka"], indirect=True)
def test_a_live_subscriber_reads_an_added_partition(
    lite: Emulator, make: Any, kafka_broker: KafkaBroker, eventually: Callable[..., None]
) -> None:
    topic = make.topic()
    subscription = make.subscription(topic)
    publish(topic, [b"before"])
    with subscribed(subscription) as (received, streaming):
        eventually(lambda: received.data == [b"before"])
        make.grow(topic, 2)
        # Past the emulator: a message published through it made it ask Kafka about the topic again.
        send(kafka_broker.bootstrap, topic.name, b"after", partition=1)
        eventually(lambda: received.data == [b"before", b"after"])
        assert streaming.running()
