"""The real gcloud, unmodified: every command of its Pub/Sub Lite groups."""

import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest

from pubsublite_emulator import Emulator

# More than a minute for each storage, spent on starting gcloud.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("gcloud"),
    pytest.mark.parametrize("storage", ["memory", "kafka"], indirect=True),
]

# gcloud replaces a project's id with its number everywhere in a path, so neither may occur in a name.
PROJECT = "my-project"
PLACE = "--location=us-central1-a"


class Gcloud:
    """A runner of gcloud commands; each costs a Python start."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, *arguments: str) -> Any:
        return json.loads(self.text(*arguments) or "null")

    def text(self, *arguments: str, code: int = 0) -> str:
        command = ["gcloud", "pubsub", *arguments, "--format=json", "--quiet"]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def gcloud(lite: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Gcloud:
    configuration = tmp_path_factory.mktemp("gcloud")
    return Gcloud(
        {
            **os.environ,
            **lite.env,
            "CLOUDSDK_CONFIG": str(configuration),
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_CORE_DISABLE_FILE_LOGGING": "1",
        }
    )


def unique(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex[:8]}"


def names(resources: Any) -> list[str]:
    return [Path(one["name"]).name for one in resources]


def test_reservations_and_topics(gcloud: Gcloud) -> None:
    reserved, topic = unique("reserved"), unique("topic")
    place = "--location=us-central1"
    gcloud("lite-reservations", "create", reserved, place, "--throughput-capacity=2")
    gcloud("lite-reservations", "update", reserved, place, "--throughput-capacity=3")
    assert gcloud("lite-reservations", "describe", reserved, place)["throughputCapacity"] == "3"
    assert reserved in names(gcloud("lite-reservations", "list", place))
    gcloud(
        *("lite-topics", "create", topic, place, "--partitions=2", "--per-partition-bytes=30GiB"),
        *("--message-retention-period=2w", f"--throughput-reservation={reserved}"),
    )
    assert gcloud("lite-reservations", "list-topics", reserved, place)[0].endswith(topic)
    shown = gcloud("lite-topics", "describe", topic, place)
    assert shown["partitionConfig"]["count"] == "2"
    assert shown["retentionConfig"] == {"perPartitionBytes": "32212254720", "period": "1209600s"}
    gcloud("lite-topics", "update", topic, place, "--partitions=3")
    assert gcloud("lite-topics", "describe", topic, place)["partitionConfig"]["count"] == "3"
    assert topic in names(gcloud("lite-topics", "list", place))
    gcloud("lite-topics", "delete", topic, place)
    gcloud("lite-reservations", "delete", reserved, place)
    assert "NOT_FOUND" in gcloud.text("lite-topics", "describe", topic, place, code=1)


def test_subscriptions_and_messages(gcloud: Gcloud) -> None:
    topic, subscription = unique("topic"), unique("subscription")
    gcloud("lite-topics", "create", topic, PLACE, "--partitions=1", "--per-partition-bytes=30GiB")
    gcloud(
        *("lite-subscriptions", "create", subscription, PLACE, f"--topic={topic}"),
        *("--delivery-requirement=deliver-immediately", "--starting-offset=beginning"),
    )
    described = gcloud("lite-subscriptions", "describe", subscription, PLACE)
    assert described["deliveryConfig"] == {"deliveryRequirement": "DELIVER_IMMEDIATELY"}
    gcloud("lite-subscriptions", "update", subscription, PLACE, "--delivery-requirement=deliver-after-stored")
    assert subscription in names(gcloud("lite-subscriptions", "list", PLACE))
    assert gcloud("lite-topics", "list-subscriptions", topic, PLACE)[0].endswith(subscription)
    for text in ("one", "two"):
        gcloud("lite-topics", "publish", topic, PLACE, f"--message={text}", "--attributes=colour=red")
    received = gcloud.text("lite-subscriptions", "subscribe", subscription, PLACE, "--num-messages=2")
    assert '"ack_id": "0,0"' in received
    assert '"ack_id": "0,1"' in received
    assert '"colour": "red"' in received
    gcloud("lite-subscriptions", "ack-up-to", subscription, PLACE, "--partition=0", "--offset=0")
    gcloud("lite-subscriptions", "seek", subscription, PLACE, "--starting-offset=beginning")
    target = f"projects/1/locations/us-central1-a/subscriptions/{subscription}"
    (operation,) = gcloud("lite-operations", "list", PLACE, f"--subscription={subscription}")
    assert operation["metadata"]["target"] == target
    name = Path(operation["name"]).name
    assert gcloud("lite-operations", "describe", name, PLACE)["done"] is True
    gcloud("lite-subscriptions", "delete", subscription, PLACE)
    gcloud("lite-topics", "delete", topic, PLACE)
