"""How a job is led to a Managed Kafka cluster of this machine, and what a cluster needs to run here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataproc_emulator import DataprocEmulator
from dataproc_emulator.accounts import COMPUTE, Accounts
from dataproc_emulator.authority import Authority
from dataproc_emulator.errors import ApiError
from dataproc_emulator.kafka_clusters import KafkaClusters
from dataproc_emulator.kafka_node import KafkaParts
from dataproc_emulator.kafka_reach import KafkaReach
from dataproc_emulator.processes import Processes
from dataproc_emulator.trust import Trust
from jobs.engine import jar_files
from tests.dataproc.calls import call, said
from tests.dataproc.test_managed_kafka import PARENT, WANTED

PARTS = KafkaParts("java", Path("jars"), Path("classes"), {})
NAME = "bootstrap.events.us-central1.managedkafka.my-project.cloud.goog:9092"


@pytest.fixture
def reach(tmp_path: Path) -> KafkaReach:
    """Lead to cluster `events`, whose node answers, and not to `coming`, whose node does not yet."""
    authority, processes = Authority("tests' own"), Processes()
    clusters = KafkaClusters(tmp_path, lambda: PARTS, authority, processes)
    clusters.create(PARENT, "events", WANTED).node.address = "127.0.0.1:4711"
    clusters.create(PARENT, "coming", WANTED)
    processes.close()
    accounts = Accounts(tmp_path, "http://127.0.0.1:8998/token")
    accounts.create("my-project", "machines", {})
    return KafkaReach(clusters, accounts, Trust(tmp_path, authority, ()))


def test_a_job_is_led_to_the_broker_as_its_machines_account(reach: KafkaReach) -> None:
    machines = {"serviceAccount": "machines@my-project.iam.gserviceaccount.com"}
    given = ["--source=kafka", f"--kafka-bootstrap-servers={NAME}"]
    reached = reach.of(given, "my-project", machines, {"JAVA_TOOL_OPTIONS": "-Da=b"})
    assert reached.arguments == ["--source=kafka", "--kafka-bootstrap-servers=127.0.0.1:4711"]
    credentials = json.loads(Path(reached.environment["GOOGLE_APPLICATION_CREDENTIALS"]).read_text())
    assert credentials["client_email"] == machines["serviceAccount"]
    assert credentials["token_uri"] == "http://127.0.0.1:8998/token"
    assert reached.environment["JAVA_TOOL_OPTIONS"].startswith("-Da=b -Djavax.net.ssl.trustStore=")
    here = ["--kafka-bootstrap-servers=127.0.0.1:4711"]  # as a command on this machine knows the broker
    assert reach.of(here, "my-project", machines, {}).environment.keys() == reached.environment.keys()
    by_default = reach.of(given, "my-project", {}, {}).environment["GOOGLE_APPLICATION_CREDENTIALS"]
    assert json.loads(Path(by_default).read_text())["client_email"] == COMPUTE
    assert Path(by_default).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "address",
    [
        "kafka:9092",
        NAME.replace("events", "other"),
        NAME.replace("events", "coming"),
        NAME.replace("us-central1", "europe-west1"),
        NAME.replace("my-project", "another"),
        NAME.replace(":9092", ":9192"),
    ],
)
def test_another_job_is_left_alone(reach: KafkaReach, address: str) -> None:
    given = [f"--kafka-bootstrap-servers={address}"]
    reached = reach.of(given, "my-project", {"serviceAccount": "nobody@example.com"}, {})
    assert (reached.arguments, reached.environment) == (given, {})


def test_a_job_of_an_account_that_is_gone_does_not_start(reach: KafkaReach) -> None:
    with pytest.raises(ApiError, match=r"Not found: Service account nobody@example\.com"):
        reach.of([NAME], "my-project", {"serviceAccount": "nobody@example.com"}, {})


def test_without_its_jars_a_cluster_is_refused_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "local").symlink_to(jar_files.directory() / "local")
    monkeypatch.setenv("TWINSTREAM_JARS", str(tmp_path))
    with DataprocEmulator() as dataproc:
        services = "/v1/projects/my-project/services/managedkafka.googleapis.com"
        assert call(dataproc, "POST", f"{services}:enable", b"{}")[0] == 200
        path = f"/v1/{PARENT}/clusters?clusterId=events"
        assert said(call(dataproc, "POST", path, json.dumps(WANTED).encode())) == (
            400,
            f"Managed Kafka cannot run here: no jar set 'broker' in {tmp_path}/broker; "
            "remedy: twinstream jars broker",
        )
        assert call(dataproc, "GET", f"/v1/{PARENT}/clusters") == (200, {"clusters": []})
