"""Managed Kafka by the real gcloud: clusters with a real broker each, their topics and consumer groups."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import pytest

from dataproc_emulator import DataprocEmulator
from sources import kafka
from sources.base import Message, SourceError
from sources.catalog import Stream
from tests.dataproc.calls import call, said
from tests.dataproc.gcloud import Gcloud
from tests.sources.test_contract import options_of
from tests.support.publishing import publish_all

pytestmark = [pytest.mark.needs("gcloud"), pytest.mark.slow, pytest.mark.timeout(300)]

ELSEWHERE = "projects/my-project/regions/europe-west1/subnetworks/default"
PROJECT, LOCATION = "--project=my-project", "--location=us-central1"
PARENT = "projects/my-project/locations/us-central1"
CLUSTER = f"{PARENT}/clusters/events"
SUBNET = "projects/my-project/regions/us-central1/subnetworks/default"
SIZE = ("--cpu=3", "--memory=3GiB", f"--subnets={SUBNET}")
_REQUEST = bytes.fromhex("00000013 0012 0000 00000001 0009") + b"anonymous"
"""Kafka's ApiVersions, version 0."""
WANTED = {
    "capacityConfig": {"vcpuCount": "3", "memoryBytes": str(3 << 30)},
    "gcpConfig": {"accessConfig": {"networkConfigs": [{"subnet": SUBNET}]}},
}


class ManagedKafka:
    """Commands of `gcloud managed-kafka`, in one project and location."""

    def __init__(self, dataproc: DataprocEmulator) -> None:
        self.dataproc = dataproc
        self.gcloud = Gcloud({**os.environ, "https_proxy": "http://127.0.0.1:9", **dataproc.env})

    def __call__(self, *words: str) -> Any:
        return self.gcloud("managed-kafka", *words, LOCATION, PROJECT)

    def refused(self, *words: str) -> str:
        return self.gcloud.run("managed-kafka", *words, LOCATION, PROJECT, code=1).stderr

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return call(self.dataproc, method, f"/v1/{path}", json.dumps(body or {}).encode())


@pytest.fixture(scope="module")
def managed() -> Iterator[ManagedKafka]:
    with DataprocEmulator() as dataproc:
        yield ManagedKafka(dataproc)


@pytest.fixture(scope="module")
def events(managed: ManagedKafka) -> ManagedKafka:
    """Run cluster `events`."""
    assert "gcloud services enable managedkafka.googleapis.com" in managed.refused(
        "clusters", "create", "events", *SIZE
    )
    managed.gcloud("services", "enable", "managedkafka.googleapis.com", PROJECT)
    managed("clusters", "create", "events", *SIZE)
    return managed


@pytest.fixture(scope="module")
def publisher(events: ManagedKafka, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the flags of a client outside Dataproc, and leave its account without a role."""
    file = tmp_path_factory.mktemp("account") / "key.json"
    email = "publisher@my-project.iam.gserviceaccount.com"
    events.gcloud("iam", "service-accounts", "create", "publisher", PROJECT)
    events.gcloud("iam", "service-accounts", "keys", "create", str(file), f"--iam-account={email}", PROJECT)
    folder = events.dataproc.files.kafka
    address = (folder / "events.us-central1.my-project" / "address").read_text()
    return [
        *(str(file), email),
        *(f"--kafka-bootstrap-servers={address}", "--kafka-auth=managed", f"--kafka-tls-ca={folder}/ca.pem"),
    ]


def test_a_cluster_is_shown_as_the_service_shows_it(events: ManagedKafka) -> None:
    shown = events("clusters", "describe", "events")
    assert shown["name"] == CLUSTER
    assert shown["state"] == "ACTIVE"
    assert shown["capacityConfig"] == {"memoryBytes": "3221225472", "vcpuCount": "3"}
    assert shown["gcpConfig"]["accessConfig"]["networkConfigs"] == [{"subnet": SUBNET}]
    assert shown["bootstrapAddress"] == "bootstrap.events.us-central1.managedkafka.my-project.cloud.goog:9092"
    listed = events("clusters", "list")
    assert [one["name"] for one in listed] == [CLUSTER]
    operations = events("operations", "list")
    created = operations[-1]
    assert (created["done"], created["metadata"]["verb"], created["metadata"]["target"]) == (
        True,
        "create",
        CLUSTER,
    )


def test_a_cluster_is_changed_and_another_is_not_created_in_its_place(events: ManagedKafka) -> None:
    changed = events("clusters", "update", "events", "--cpu=4", "--memory=8GiB", "--labels=team=shop")
    assert changed["capacityConfig"] == {"memoryBytes": "8589934592", "vcpuCount": "4"}
    assert changed["labels"] == {"team": "shop"}
    assert changed["rebalanceConfig"] == {"mode": "AUTO_REBALANCE_ON_SCALE_UP"}
    assert "ALREADY_EXISTS" in events.refused("clusters", "create", "events", *SIZE)
    assert "1 to 8 GiB per vCPU" in events.refused("clusters", "update", "events", "--memory=3GiB")


@pytest.mark.parametrize(
    ("identity", "change", "reason"),
    [
        ("Events", {}, "Invalid cluster id 'Events'"),
        ("other", {"capacityConfig": {"vcpuCount": "2", "memoryBytes": "3221225472"}}, "expected at least 3"),
        ("other", {"capacityConfig": {"vcpuCount": "3", "memoryBytes": "1073741824"}}, "1 to 8 GiB per vCPU"),
        ("other", {"gcpConfig": {}}, "0 subnets; expected 1 to 10"),
        (
            "other",
            {
                "gcpConfig": {
                    "accessConfig": {
                        "networkConfigs": [{"subnet": SUBNET.replace("us-central1", "europe-west1")}]
                    }
                }
            },
            "expected projects/PROJECT/regions/us-central1/subnetworks/NAME",
        ),
    ],
)
def test_a_cluster_that_the_service_would_not_take_is_refused(
    events: ManagedKafka, identity: str, change: dict[str, object], reason: str
) -> None:
    status, message = said(
        events.call("POST", f"{PARENT}/clusters?clusterId={identity}", {**WANTED, **change})
    )
    assert (status, reason in message) == (400, True), message


def test_a_topic_lives_as_on_the_service(events: ManagedKafka) -> None:
    place = "--cluster=events"
    size = ("--partitions=2", "--replication-factor=3")
    events("topics", "create", "orders", place, *size, "--configs=retention.ms=60000,min.insync.replicas=2")
    shown = {
        "name": f"{CLUSTER}/topics/orders",
        "partitionCount": 2,
        "replicationFactor": 3,
        "configs": {"min.insync.replicas": "2", "retention.ms": "60000"},
    }
    assert events("topics", "describe", "orders", place) == shown
    assert events("topics", "list", "events") == [shown]
    assert "ALREADY_EXISTS" in events.refused("topics", "create", "orders", place, *size)
    events("topics", "update", "orders", place, "--partitions=3", "--configs=cleanup.policy=compact")
    changed = events("topics", "describe", "orders", place)
    assert changed == {
        **shown,
        "partitionCount": 3,
        "configs": {"cleanup.policy": "compact", "min.insync.replicas": "2", "retention.ms": "60000"},
    }
    assert "cannot be decreased" in events.refused("topics", "update", "orders", place, "--partitions=1")
    cleared = events("topics", "update", "orders", place, "--clear-configs")
    assert cleared == {name: value for name, value in changed.items() if name != "configs"}
    events("topics", "delete", "orders", place)
    assert "NOT_FOUND" in events.refused("topics", "describe", "orders", place)


@pytest.mark.parametrize(
    ("topic", "wanted", "reason"),
    [
        ("a b", {"partitionCount": 1, "replicationFactor": 3}, "Invalid topic id 'a b'"),
        ("one", {"partitionCount": 0, "replicationFactor": 3}, "partition_count is 0"),
        ("one", {"partitionCount": 1, "replicationFactor": 4}, "replication_factor is 4; expected 1 to 3"),
        (
            "one",
            {"partitionCount": 1, "replicationFactor": 3, "configs": {"compression.type": "zstd"}},
            "zstd is not supported",
        ),
        (
            "one",
            {"partitionCount": 1, "replicationFactor": 3, "configs": {"retention": "1"}},
            "Unknown topic config name: retention",
        ),
    ],
)
def test_a_topic_that_the_service_would_not_take_is_refused(
    events: ManagedKafka, topic: str, wanted: dict[str, object], reason: str
) -> None:
    path = f"{CLUSTER}/topics?topicId={topic.replace(' ', '%20')}"
    status, message = said(events.call("POST", path, wanted))
    assert (status, reason in message) == (400, True), message
    assert events.call("GET", f"{CLUSTER}/topics") == (200, {"topics": []})


def test_a_login_needs_the_role_and_groups_are_shown(
    events: ManagedKafka, publisher: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, email, *flags = publisher
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
    stream = Stream("purchase-stream")
    events.call(
        "POST", f"{CLUSTER}/topics?topicId={stream.topic}", {"partitionCount": 1, "replicationFactor": 3}
    )
    sale = [Message(stream.name, b"ann", b"{}", None)]
    with pytest.raises(SourceError, match=r"grant roles/managedkafka\.client to the account"):
        publish_all(kafka, options_of(kafka, *flags), sale)
    binding = (f"--member=serviceAccount:{email}", "--role=roles/managedkafka.client")
    events.gcloud("projects", "add-iam-policy-binding", "my-project", *binding, "--condition=None")
    publish_all(kafka, options_of(kafka, *flags), sale)
    found = next(kafka.records(stream, options_of(kafka, *flags)))
    assert found is not None
    assert found.value == b"{}"

    commit(stream.topic, "readers", flags)
    group = {
        "name": f"{CLUSTER}/consumerGroups/readers",
        "topics": {f"{CLUSTER}/topics/{stream.topic}": {"partitions": {"0": {"offset": "1"}}}},
    }
    assert events("consumer-groups", "list", "events") == [group]
    assert events("consumer-groups", "describe", "readers", "--cluster=events") == group
    wanted = json.dumps({f"{CLUSTER}/topics/{stream.topic}": {"partitions": {"0": {"offset": 0}}}})
    events("consumer-groups", "update", "readers", "--cluster=events", f"--topics-file={_file(file, wanted)}")
    assert '"0": {"offset": "0"}' in json.dumps(
        events("consumer-groups", "describe", "readers", "--cluster=events")
    )
    events("consumer-groups", "delete", "readers", "--cluster=events")
    assert "NOT_FOUND" in events.refused("consumer-groups", "describe", "readers", "--cluster=events")

    events.gcloud("projects", "remove-iam-policy-binding", "my-project", *binding, "--condition=None")
    with pytest.raises(SourceError, match=r"grant roles/managedkafka\.client to the account"):
        publish_all(kafka, options_of(kafka, *flags), sale)


def commit(topic: str, group: str, flags: list[str]) -> None:
    """Commit offset 1 of partition 0 as a consumer of the group."""
    from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition

    from sources.kafka.google_token import token_provider

    consumer = KafkaConsumer(
        bootstrap_servers=flags[0].partition("=")[2],
        group_id=group,
        security_protocol="SASL_SSL",
        sasl_mechanism="OAUTHBEARER",
        sasl_oauth_token_provider=token_provider(),
        ssl_cafile=flags[2].partition("=")[2],
    )
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.commit({partition: OffsetAndMetadata(1, "", -1)})
    consumer.close()


def test_a_broker_listens_on_loopback_and_admits_nobody_without_a_login(
    events: ManagedKafka, publisher: list[str]
) -> None:
    folder = events.dataproc.files.kafka / "events.us-central1.my-project"
    settings = dict(
        line.split("=", 1) for line in (folder / "server.properties").read_text().splitlines() if "=" in line
    )
    places = [urlsplit(place) for place in settings["listeners"].split(",")]
    assert [place.hostname for place in places] == ["127.0.0.1"] * 3
    for place in places:
        with reached(place) as plain:
            plain.sendall(_REQUEST)
            assert plain.recv(1) in (b"", b"\x15"), place  # closed, or TLS's alert
    trusting = ssl.create_default_context(cafile=str(folder / "own-ca.pem"))
    for place in (place for place in places if place.scheme in ("internal", "controller")):
        with (
            reached(place) as plain,
            trusting.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
            pytest.raises(ssl.SSLError, match=r"(?i)bad.certificate|certificate.required"),
        ):
            secured.recv(1)


def reached(place: SplitResult) -> socket.socket:
    return socket.create_connection(("127.0.0.1", place.port or 0), timeout=10)


def test_a_deleted_cluster_is_gone_with_its_broker(events: ManagedKafka) -> None:
    folder = events.dataproc.files.kafka / "second.us-central1.my-project"
    events("clusters", "create", "second", *SIZE)
    assert (folder / "address").is_file()
    assert _running(folder)
    events("clusters", "delete", "second")
    assert not _running(folder)
    assert "NOT_FOUND" in events.refused("clusters", "describe", "second")


def _running(folder: Path) -> bool:
    """Return whether a process runs in the folder."""
    for process in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if process.readlink() == folder:
                return True
        except OSError:
            continue  # it has just ended, or belongs to somebody else
    return False


def _file(beside: str, content: str) -> Path:
    file = Path(beside).with_name("topics.json")
    file.write_text(content)
    return file
