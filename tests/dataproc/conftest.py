"""One local Dataproc for the whole run, whose jobs reach a Pub/Sub Lite emulator."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataproc_emulator import DataprocEmulator
from pubsublite_emulator import Emulator
from tests.dataproc.gcloud import Gcloud
from tests.dataproc.served import Served


@pytest.fixture(scope="session")
def lite() -> Iterator[Emulator]:
    with Emulator() as lite:
        yield lite


@pytest.fixture(scope="session")
def dataproc(lite: Emulator) -> Iterator[DataprocEmulator]:
    # Nothing listens on the discard port: a call to anything but the emulators fails.
    environment = {**os.environ, "https_proxy": "http://127.0.0.1:9", **lite.env}
    # The source of the laptop's jobs must not reach the jobs on the cluster.
    environment["TWINSTREAM_SOURCE"] = "replay"
    with DataprocEmulator(environment=environment, grace=3) as dataproc:
        yield dataproc


@pytest.fixture(scope="session")
def idle() -> Iterator[DataprocEmulator]:
    """Run a Dataproc that has no Spark until a job is submitted."""
    with DataprocEmulator(patience=1) as dataproc:
        yield dataproc


@pytest.fixture(scope="session")
def gcloud(dataproc: DataprocEmulator) -> Gcloud:
    return Gcloud({**os.environ, "https_proxy": "http://127.0.0.1:9", **dataproc.env})


@pytest.fixture(scope="session")
def bucket(gcloud: Gcloud) -> str:
    gcloud("storage", "buckets", "create", "gs://rehearsal", "--location=us-central1")
    return "gs://rehearsal"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Run a Dataproc as a user starts it, over a directory that does not exist yet."""
    served = Served(tmp_path / "local")
    yield served
    if served.process.poll() is None:
        served.end(signal.SIGKILL)
