"""A release from start to finish: the real gcloud, with a Dataproc and a Pub/Sub Lite on this machine."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from dataproc_emulator.emulator import DataprocEmulator
from jobs.laptop.promotion import submit
from jobs.laptop.promotion.package import build
from jobs.laptop.promotion.preflight import asked
from jobs.streaming_product_discounts import JOB as DISCOUNTS_JOB
from pubsublite_emulator import Emulator
from sources import pubsublite
from sources.base import Message
from sources.catalog import PRODUCT
from tests.jobs.laptop.promotion.orders import DISCOUNTS, ORDERS, ROW, told
from tests.jobs.laptop.promotion.plans import IMAGE
from tests.sources.test_contract import options_of
from tests.support.publishing import publish_all

pytestmark = [pytest.mark.needs("gcloud"), pytest.mark.slow, pytest.mark.timeout(600)]
PLACE = ("--cluster=rehearsal", "--region=us-central1", "--bucket=my-bucket", "--project=my-project", IMAGE)


@pytest.fixture
def dataproc(monkeypatch: pytest.MonkeyPatch) -> Iterator[DataprocEmulator]:
    """Lead gcloud, Google's clients and the jobs to this test's own emulators."""
    with Emulator() as lite:
        for name, value in lite.env.items():
            monkeypatch.setenv(name, value)
        with DataprocEmulator() as emulator:
            for name, value in emulator.env.items():
                monkeypatch.setenv(name, value)
            yield emulator


def wait_for(done: Callable[[], bool], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.5)


def publish(project: str) -> None:
    options = options_of(pubsublite, f"--pubsublite-project={project}")
    pubsublite.create([PRODUCT], options)
    publish_all(pubsublite, options, [Message(PRODUCT.name, key, value, None) for key, value in ORDERS])


def test_a_release_runs_once_is_not_started_twice_and_goes_on(
    dataproc: DataprocEmulator, spark: SparkSession, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "discounts.csv").write_text(DISCOUNTS)
    release = [
        *PLACE, "--project-number=123456", f"--package={build(['pubsublite'], tmp_path).folder}",
        "--source=pubsublite",
        "--sink=parquet", "--sink-path=gs://my-bucket/insights", f"--discounts={tmp_path / 'discounts.csv'}",
    ]  # fmt: skip
    assert submit.command(DISCOUNTS_JOB, release) == 1
    assert "remedy: --create-cluster makes it" in capfd.readouterr().err

    assert submit.command(DISCOUNTS_JOB, [*release, "--setup", "--create-cluster"]) == 0, (
        capfd.readouterr().err
    )
    job = submitted(capfd.readouterr().out)
    publish("123456")
    insights = dataproc.files.buckets / "my-bucket" / "insights"
    wait_for(lambda: any(insights.glob("batch=*/*.parquet")))
    assert told(spark.read.parquet(str(insights))) == [ROW]

    assert submit.command(DISCOUNTS_JOB, release) == 0
    said = capfd.readouterr().out
    assert f"# - runs already: {job}" in said
    assert submitted(said) == job

    assert submit.command(DISCOUNTS_JOB, [*release, "--window=2 minutes"]) == 1
    assert (
        "this run cannot continue the checkpoint: --window was 1 minute, now 2 minutes"
        in capfd.readouterr().err
    )
    assert submit.command(DISCOUNTS_JOB, [*release, "--max-future-skew=1 minute"]) == 1
    assert f"remedy: gcloud dataproc jobs kill {job} --region=us-central1" in capfd.readouterr().err

    place = ("--region=us-central1", "--project=my-project")
    assert asked(("gcloud", "dataproc", "jobs", "kill", job, *place)).returncode == 0
    assert state(job, place) == "CANCELLED"
    assert submit.command(DISCOUNTS_JOB, [*release, "--trigger=available-now"]) == 0
    again = submitted(capfd.readouterr().out)
    assert again != job
    assert asked(("gcloud", "dataproc", "jobs", "wait", again, *place)).returncode == 0
    assert told(spark.read.parquet(str(insights))) == [ROW]


def submitted(said: str) -> str:
    found = re.search(r"^JOB_ID=([a-z0-9-]+)$", said, re.MULTILINE)
    assert found, said
    return found[1]


def state(job: str, place: tuple[str, ...]) -> str:
    answer = asked(("gcloud", "dataproc", "jobs", "describe", job, *place, "--format=json"))
    return str(json.loads(answer.stdout)["status"]["state"])
