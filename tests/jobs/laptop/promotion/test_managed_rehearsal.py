"""Google's login on separate executors and a separate driver, where Spark's own Guava comes first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable

from dataproc_emulator.emulator import DataprocEmulator
from dataproc_emulator.images import IMAGES
from dataproc_emulator.installation import install
from jobs.laptop.promotion import submit
from jobs.laptop.promotion.preflight import asked
from jobs.product_activity_windows import JOB
from sources import kafka
from sources.base import Message
from sources.catalog import Stream
from tests.jobs.laptop.promotion.plans import IMAGE
from tests.sources.test_contract import options_of
from tests.support.kafka_sasl import SaslBroker
from tests.support.publishing import publish_all

pytestmark = [pytest.mark.needs("gcloud"), pytest.mark.slow, pytest.mark.timeout(900)]
PLACE = ("--region=us-central1", "--bucket=my-bucket", "--project=my-project")
MODERN = pytest.param(
    ("--cluster=modern", "--image-version=3.0-debian13", "--create-cluster"),
    marks=pytest.mark.needs("python3.12"),
)
SOLD, COUNTED = Stream("purchase-stream"), Stream("counted-rehearsal")


@pytest.fixture
def dataproc(sasl: SaslBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataprocEmulator]:
    """Run a Dataproc whose machines are Google's account."""
    for name, value in sasl.environment.items():
        monkeypatch.setenv(name, value)
    with DataprocEmulator() as emulator:
        for name, value in emulator.env.items():
            monkeypatch.setenv(name, value)
        yield emulator


def publish(sasl: SaslBroker) -> None:
    of = options_of(kafka, *sasl.plain())
    kafka.create([SOLD, COUNTED], of)
    sale = {"user_id": "ann", "product_id": "mug", "quantity": 1, "unit_price": "1.00"}
    messages = [
        Message(
            SOLD.name,
            b"ann",
            json.dumps({"event_id": str(at), "event_time": f"2026-01-01T12:0{at}:00Z", **sale}).encode(),
            None,
        )
        for at in range(3)
    ]
    publish_all(kafka, of, messages)


@pytest.mark.parametrize("cluster", [("--cluster=spark-streaming", IMAGE), MODERN], ids=["2.3", "3.0"])
def test_a_planned_job_logs_in_on_a_cluster_as_googles_account(
    dataproc: DataprocEmulator,
    sasl: SaslBroker,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    cluster: tuple[str, ...],
) -> None:
    if "--create-cluster" in cluster:
        install(IMAGES[1], print)
    publish(sasl)
    read = [*PLACE, *cluster, f"--output={tmp_path}", "--source=kafka", "--stream=purchase-stream"]
    read += [*sasl.managed, "--trigger=available-now"]
    for sink in (
        ["--sink=delta", "--sink-path=gs://my-bucket/insights", "--checkpoint-root=gs://my-bucket/delta"],
        ["--sink=kafka", f"--sink-topic={COUNTED.topic}", "--checkpoint-root=gs://my-bucket/kafka"],
    ):
        assert submit.command(JOB, [*read, *sink, "--setup"]) == 0, capfd.readouterr().err
        job = capfd.readouterr().out.rpartition("JOB_ID=")[2].split()[0]
        ended = asked(("gcloud", "dataproc", "jobs", "wait", job, "--region=us-central1"))
        assert ended.returncode == 0, ended.stderr
    rows = DeltaTable(dataproc.files.buckets / "my-bucket" / "insights").to_pyarrow_table().to_pylist()
    assert [(row["window_start"].isoformat(), row["key"], row["events"]) for row in rows] == [
        ("2026-01-01T12:00:00+00:00", "mug", 1)
    ]
    sent = next(kafka.records(COUNTED, options_of(kafka, *sasl.plain())))
    assert sent is not None
    assert json.loads(sent.value or b"")["events"] == 1
    for stream in (SOLD, COUNTED):
        sasl.broker.delete_topic(stream.topic)
