"""A Lite topic with messages, an export subscription of it, and the Pub/Sub topic where they arrive."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from google.api_core.exceptions import DeadlineExceeded
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsublite.types import BacklogLocation, TopicPath
from google.cloud.pubsublite_v1 import ExportConfig, Subscription
from google.pubsub_v1.types import PubsubMessage

from pubsublite_emulator.schema import message
from tests.pubsublite.conftest import PROJECT, Resources, eventually
from tests.pubsublite.raw import Channel

State = ExportConfig.State


@dataclass
class Destination:
    """A Pub/Sub topic with a subscription, read by Google's client."""

    topic: str = field(default_factory=lambda: f"projects/{PROJECT}/topics/to-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.publisher = PublisherClient()
        self.subscriber = SubscriberClient()
        self.subscription = self.topic.replace("/topics/", "/subscriptions/")

    def create(self) -> Destination:
        self.publisher.create_topic(name=self.topic)
        wanted = {"name": self.subscription, "topic": self.topic, "enable_message_ordering": True}
        self.subscriber.create_subscription(request={**wanted, "ack_deadline_seconds": 600})
        return self

    def delete(self) -> None:
        self.publisher.delete_topic(topic=self.topic)
        self.subscriber.delete_subscription(subscription=self.subscription)

    def pull(self, count: int) -> list[PubsubMessage]:
        """Return what has arrived once that many have, and fail if they do not; leave nothing there."""
        found: list[PubsubMessage] = []

        def enough() -> bool:
            found.extend(self._pull())
            return len(found) >= count

        eventually(enough, 60)
        return found

    def is_empty(self) -> bool:
        return not self._pull()

    def _pull(self) -> list[PubsubMessage]:
        try:
            request = {"subscription": self.subscription, "max_messages": 1000}
            pulled = self.subscriber.pull(request=request, timeout=1, retry=None).received_messages
        except DeadlineExceeded:
            return []
        if pulled:
            self.subscriber.acknowledge(
                subscription=self.subscription, ack_ids=[one.ack_id for one in pulled]
            )
        return [one.message for one in pulled]


def publish(channel: Channel, topic: TopicPath, *messages: dict[str, Any], partition: int = 0) -> None:
    stream = channel.stream("PublisherService", "Publish", "PublishResponse")
    request = message("PublishRequest")
    stream.send(request(initial_request={"topic": str(topic), "partition": partition}))
    stream.receive()
    stream.send(request(message_publish_request={"messages": messages}))
    stream.receive()
    stream.close()


def export(make: Resources, topic: TopicPath, to: Destination, **config: Any) -> Subscription:
    """Create an export subscription that starts with the oldest message."""
    wanted = {"desired_state": State.ACTIVE, "pubsub_config": {"topic": to.topic}, **config}
    name = f"{topic}".replace("/topics/", "/subscriptions/export-")
    subscription = Subscription(name=name, topic=str(topic), export_config=wanted)
    return make.admin.create_subscription(subscription, BacklogLocation.BEGINNING)
