"""Brokers with traffic, for the notebooks: what a learner has with `docker compose up`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from jobs.engine.jar_files import CHECKOUT
from pubsublite_emulator import Emulator
from tests.support.kafka_broker import KafkaBroker


@pytest.fixture(scope="module", params=["kafka", "pubsublite"])
def place(request: pytest.FixtureRequest) -> Iterator[Mapping[str, str]]:
    """Yield the environment that leads a notebook to its own broker, on which a shop is publishing."""
    with kafka() if request.param == "kafka" else lite() as environment, traffic(environment):
        yield environment


@contextmanager
def kafka() -> Iterator[dict[str, str]]:
    with KafkaBroker() as broker:
        yield {"TWINSTREAM_SOURCE": "kafka", "TWINSTREAM_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap}


@contextmanager
def lite() -> Iterator[dict[str, str]]:
    with Emulator() as emulator:
        yield {
            **emulator.env,
            "TWINSTREAM_SOURCE": "pubsublite",
            "TWINSTREAM_PUBSUBLITE_PROJECT": "7",
            "TWINSTREAM_PUBSUBLITE_LOCATION": "us-east1-b",
        }


@contextmanager
def traffic(environment: Mapping[str, str]) -> Iterator[None]:
    """Run a shop that publishes for the length of the block, some history first."""
    sources = [sys.executable, "-m", "sources"]
    variables = {**os.environ, **environment}
    source = ["--source", environment["TWINSTREAM_SOURCE"]]
    subprocess.run([*sources, "create", *source], cwd=CHECKOUT, env=variables, check=True, timeout=120)
    shop = [*sources, "publish", *source, "--scenario", "shop"]
    subprocess.run([*shop, "--count", "600"], cwd=CHECKOUT, env=variables, check=True, timeout=120)
    endless = subprocess.Popen([*shop, "--count", "unlimited", "--rate", "5"], cwd=CHECKOUT, env=variables)
    try:
        yield
    finally:
        endless.terminate()
        endless.wait(120)
