"""Both emulators in one shell: gcloud makes the streams, a job on the cluster reads them by Google's jar."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet
import pytest

from dataproc_emulator import DataprocEmulator
from dataproc_emulator.exports import environment as dataproc_environment
from jobs.laptop.promotion import package
from pubsublite_emulator import Emulator
from pubsublite_emulator.exports import environment as lite_environment
from sources import pubsublite
from sources.base import Message
from sources.catalog import BROWSING
from tests.dataproc.gcloud import Gcloud, states
from tests.sources.test_contract import options_of
from tests.support.lite import led

pytestmark = [pytest.mark.needs("gcloud"), pytest.mark.slow, pytest.mark.timeout(900)]

CONNECTOR = "gs://spark-lib/pubsublite/pubsublite-spark-sql-streaming-LATEST-with-dependencies.jar"
JOB = "product_activity_windows"
PLACE = "--location=us-central1-a"


@pytest.fixture(params=["lite first", "dataproc first"])
def both(request: pytest.FixtureRequest, lite: Emulator, dataproc: DataprocEmulator) -> Gcloud:
    """Return gcloud in a shell that evaluated the exports of both."""
    variables = dict(os.environ)
    order = ("lite", "dataproc") if request.param == "lite first" else ("dataproc", "lite")
    for emulator in order:
        if emulator == "lite":
            variables |= lite_environment(lite.files, lite.address, variables)
        else:
            variables |= dataproc_environment(dataproc.files, dataproc.address, variables)
    return Gcloud(variables)


def test_gcloud_reaches_both(both: Gcloud, bucket: str, tmp_path: Path) -> None:
    assert both("pubsub", "lite-topics", "list", PLACE) == []
    assert both("storage", "buckets", "describe", bucket)["name"] == "rehearsal"
    (tmp_path / "file").write_text("through the proxy")
    both.run("storage", "cp", str(tmp_path / "file"), f"{bucket}/proxied/")
    assert both.run("storage", "cat", f"{bucket}/proxied/file").stdout == "through the proxy"
    assert both("dataproc", "clusters", "list", "--region=us-central1")[0]["clusterName"] == "spark-streaming"


def test_a_job_reads_pubsub_lite(
    lite: Emulator, dataproc: DataprocEmulator, bucket: str, tmp_path: Path
) -> None:
    both = Gcloud({**os.environ, **lite.env, **dataproc.env})
    size = ("--partitions=1", "--per-partition-bytes=30GiB")
    both.run("pubsub", "lite-topics", "create", BROWSING.topic, PLACE, *size)
    start = (f"--topic={BROWSING.topic}", "--starting-offset=beginning")
    both.run("pubsub", "lite-subscriptions", "create", BROWSING.subscription, PLACE, *start)
    where = ("--pubsublite-project=1", "--pubsublite-location=us-central1-a")
    with led(lite):
        publisher = pubsublite.publisher(options_of(pubsublite, *where))
        publisher.publish([message(at) for at in ("12:00:10", "12:00:50", "12:01:30")], lambda *_: None)
        publisher.close()
    shipped = package.build((), tmp_path)
    done = both.submit(
        str(shipped.entry(JOB)),
        f"--py-files={shipped.archive}",
        f"--jars={CONNECTOR}",
        *("--", "--source=pubsublite", *where, "--trigger=available-now", "--sink=parquet"),
        *(f"--sink-path={bucket}/lite/rows", f"--checkpoint-root={bucket}/lite/checkpoints"),
    )
    assert states(both.job(done.stdout.strip()))[-1] == "DONE"
    table = pyarrow.parquet.read_table(dataproc.files.buckets / "rehearsal" / "lite" / "rows")
    assert [(row["key"], row["events"]) for row in table.to_pylist()] == [("mug", 2)]


def message(at: str) -> Message:
    value = f'{{"event_id":"{at}","user_id":"ann","product_id":"mug","event_time":"2026-01-01T{at}Z"}}'
    return Message(BROWSING.name, b"ann", value.encode(), None)
