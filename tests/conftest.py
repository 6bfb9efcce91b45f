"""Fixtures for all tests."""

import os
from collections.abc import Iterator
from typing import Any

import pyspark
import pytest
from pyspark.sql import SparkSession

from jobs.engine import class_archive
from jobs.engine.java import java_home
from jobs.engine.session import session as jobs_session
from jobs.sinks import delta
from pubsublite_emulator import Emulator
from tests.support.kafka_broker import KafkaBroker
from tests.support.kafka_sasl import SaslBroker, sasl_broker

# Spark 4.1 has only Kafka's jars.
EXTENSIONS: tuple[tuple[str, ...], dict[str, str]] = (
    (("kafka",), {})
    if pyspark.__version__ >= "4"
    else (("kafka", "delta", "pubsublite", "bigquery"), delta.SETTINGS)
)

LATE_OPTIMIZER = (
    "-XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000"
    " -XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)
"""Java's better compiler starts at ten times the usual number of calls, and takes half the CPU seconds."""

pytest_plugins = [
    "tests.support.workers",
    "tests.support.loud_skips",
    "tests.support.stuck_tasks",
    "pytester",
]


def pytest_configure() -> None:
    """Use Java's quick compiler: a job's JVM does not live long enough for the better one to pay off.

    All JVMs take this Spark's class archive, even where a test has its jars elsewhere.
    """
    archive = class_archive.place(java_home())
    if archive and archive.exists():
        os.environ[class_archive.VARIABLE] = str(archive)
    os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1")


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[KafkaBroker]:
    """Run one broker for all tests: each makes its own topics, and one that kills makes its own broker."""
    with KafkaBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def sasl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SaslBroker]:
    """Run one broker that requires a login for all tests."""
    with sasl_broker(tmp_path_factory.mktemp("sasl")) as broker:
        yield broker


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Run one session for all tests, with the jobs' own settings: each further one would cost seconds.

    Its JVM lives long enough for Java's better compiler. It trusts the Pub/Sub Lite emulators of this
    process; `tests.support.lite.led` leads it to one. Java keeps the credentials it has read once, so the
    emulator that issues their tokens lives as long as the session.
    """
    with Emulator() as lite, pytest.MonkeyPatch.context() as patch:
        credentials = tmp_path_factory.mktemp("lite") / "credentials.json"
        credentials.write_bytes(lite.files.credentials.read_bytes())
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(credentials))
        patch.setenv("JAVA_TOOL_OPTIONS", lite.env["JAVA_TOOL_OPTIONS"])
        patch.setenv("SPARK_SUBMIT_OPTS", LATE_OPTIMIZER)
        session = jobs_session("tests", *EXTENSIONS)
        patch.undo()
        yield session
        java: Any = session.sparkContext._gateway
        session.stop()
        java.shutdown()
        java.proc.stdin.close()  # a pipe still open at exit is a warning, and warnings are errors
