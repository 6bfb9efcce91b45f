"""Export subscriptions: kept with their state, read by nobody, and open about delivering nothing.

`test_exporter.py` has what is delivered where there is a Pub/Sub emulator.
"""

import logging
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.api_core.exceptions import InvalidArgument
from google.cloud.pubsublite.types import BacklogLocation, PublishTime, SubscriptionPath, TopicPath
from google.cloud.pubsublite_v1 import ExportConfig, Subscription
from google.protobuf.field_mask_pb2 import FieldMask

from pubsublite_emulator.schema import message
from tests.pubsublite.raw import Channel, joining

PLACE = "projects/123456/locations/us-central1-a"
DESTINATION = "projects/123456/topics/exported"
ACTIVE, PAUSED = ExportConfig.State.ACTIVE, ExportConfig.State.PAUSED


def exporting(topic: TopicPath, **config: Any) -> Subscription:
    export = {"desired_state": ACTIVE, "pubsub_config": {"topic": DESTINATION}, **config}
    return Subscription(
        name=f"{PLACE}/subscriptions/export-{topic.name}", topic=str(topic), export_config=export
    )


def test_one_is_kept_with_its_state(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    letters = make.topic()
    wanted = exporting(make.topic(), dead_letter_topic=str(letters))
    with caplog.at_level(logging.WARNING, "pubsublite_emulator"):
        created = make.admin.create_subscription(wanted, BacklogLocation.END)
    assert created.export_config.current_state == ACTIVE
    assert created.export_config.pubsub_config.topic == DESTINATION
    assert created.export_config.dead_letter_topic == str(letters)
    said = f"{created.name}: nothing is delivered to {DESTINATION} without PUBSUB_EMULATOR_HOST"
    assert said in [one.getMessage() for one in caplog.records]
    paused = Subscription(name=created.name, export_config={"desired_state": PAUSED})
    updated = make.admin.update_subscription(paused, FieldMask(paths=["export_config.desired_state"]))
    assert updated.export_config.current_state == PAUSED
    assert updated.export_config.pubsub_config.topic == DESTINATION
    assert make.admin.get_subscription(created.name) == updated


def test_one_that_starts_at_a_time_is_active_in_the_end(make: Any) -> None:
    """Create one as Google's samples do: paused, moved to the time, then made active."""
    start = PublishTime(datetime(2020, 1, 1, tzinfo=UTC))
    created = make.admin.create_subscription(exporting(make.topic()), start)
    assert created.export_config.current_state == ACTIVE
    assert make.admin.get_subscription(created.name) == created


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"desired_state": 3}, "export_config.desired_state is 3: expected ACTIVE or PAUSED"),
        (
            {"pubsub_config": {"topic": "exported"}},
            "export_config.pubsub_config.topic 'exported': expected projects/PROJECT/topics/TOPIC",
        ),
        (
            {"dead_letter_topic": "projects/1/locations/us-east1/topics/letters"},
            "export_config.dead_letter_topic projects/1/locations/us-east1/topics/letters: "
            "expected a topic in us-central1-a",
        ),
    ],
)
def test_one_that_cannot_be_is_refused(make: Any, config: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        make.admin.create_subscription(exporting(make.topic(), **config))
    assert refused.value.message == said


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
def test_neither_kind_becomes_the_other(make: Any) -> None:
    mask = FieldMask(paths=["export_config"])
    export = exporting(make.topic())
    make.admin.create_subscription(export)
    with pytest.raises(InvalidArgument, match="desired_state is 0: expected ACTIVE or PAUSED"):
        make.admin.update_subscription(Subscription(name=export.name), mask)
    plain = make.subscription(make.topic())
    export.name = str(plain)
    with pytest.raises(InvalidArgument, match="update_mask 'export_config': expected a path within delivery"):
        make.admin.update_subscription(export, mask)


@pytest.mark.parametrize("storage", ["memory"], indirect=True)
def test_nobody_reads_one(make: Any, channel: Channel) -> None:
    export = exporting(make.topic())
    make.admin.create_subscription(export)
    stream = channel.stream("SubscriberService", "Subscribe", "SubscribeResponse")
    stream.send(message("SubscribeRequest")(initial={"subscription": export.name}))
    assert stream.refused() is grpc.StatusCode.FAILED_PRECONDITION
    sharing = joining(channel, SubscriptionPath.parse(export.name), b"a" * 16)
    assert sharing.refused() is grpc.StatusCode.FAILED_PRECONDITION
