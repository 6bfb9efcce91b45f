"""A job that logs in to its broker, as a separate process: Java keeps the credentials it has read once."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from jobs.engine import jar_files
from sources import kafka
from sources.base import Message
from sources.catalog import BROWSING, Stream
from tests.sources.test_contract import options_of
from tests.support.kafka_sasl import PASSWORD, SaslBroker
from tests.support.process import JobProcess
from tests.support.publishing import publish_all

JOB = "product_activity_windows"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_names = (f"counted-{number}-topic" for number in count())


@pytest.fixture
def sink(sasl: SaslBroker) -> Iterator[str]:
    """Yield a topic for results; the stream's has three views, a minute apart, and the first is final."""
    name = next(_names)
    sasl.broker.create_topic(name)
    sasl.broker.create_topic(BROWSING.topic)
    publish_all(kafka, options_of(kafka, *sasl.plain()), [_view(minute) for minute in range(3)])
    yield name
    sasl.broker.delete_topic(BROWSING.topic)


def _view(minute: int) -> Message:
    at = NOON + timedelta(minutes=minute)
    event = {"event_id": str(minute), "user_id": "ann", "product_id": "mug", "event_time": at.isoformat()}
    return Message(BROWSING.name, b"ann", json.dumps(event).encode(), at)


def results(sasl: SaslBroker, topic: str) -> list[tuple[str, int]]:
    """Return the windows' starts and counts in a sink's topic."""
    found: list[tuple[str, int]] = []
    for record in kafka.records(Stream(topic.removesuffix("-topic")), options_of(kafka, *sasl.plain())):
        if record is None:
            return sorted(found)
        row = json.loads(record.value or b"")
        found.append((row["window_start"], row["events"]))
    raise AssertionError("a topic has no end")


def command_lines() -> str:
    return subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("login", ["plain", pytest.param("managed", marks=pytest.mark.slow)])
def test_a_job_reads_and_writes_by_the_login_and_shows_no_password(
    sasl: SaslBroker, sink: str, login: str, tmp_path: Path
) -> None:
    flags = sasl.plain() if login == "plain" else sasl.managed
    with JobProcess(
        JOB,
        *("--source=kafka", *flags, "--sink=kafka", f"--sink-topic={sink}"),
        *(f"--checkpoint-root={tmp_path}", "--trigger=1 second"),
        environment=sasl.environment,
    ) as job:
        job.wait_for(r"batch=1 ")
        running = command_lines()
        assert f"--kafka-auth={login}" in running
        assert "org.apache.spark.deploy.SparkSubmit" in running
        job.terminate()
        assert job.wait() == 0
        said = job.said + "".join(job.output)
    assert results(sasl, sink) == [("2026-01-01T12:00:00.000Z", 1)]
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(kept) > 5
    written = b"".join(file.read_bytes() for file in kept)
    for shown in (said, running, written.decode(errors="replace")):
        assert PASSWORD not in shown
        assert "battery; staple" not in shown


def test_a_job_without_googles_jars_names_the_command(sasl: SaslBroker, tmp_path: Path) -> None:
    for jar_set in ("kafka", "local"):
        shutil.copytree(jar_files.directory() / jar_set, tmp_path / "jars" / jar_set)
    flags = (*sasl.managed, "--source=kafka", f"--checkpoint-root={tmp_path}")
    with JobProcess(JOB, *flags, environment={"TWINSTREAM_JARS": str(tmp_path / "jars")}) as job:
        assert job.wait() == 1
        assert job.said == (
            f"product_activity_windows: 14 of 14 jars of the set 'managed-kafka' are not in "
            f"{tmp_path}/jars/managed-kafka (failureaccess-1.0.1.jar …); expected all that "
            "docker/spark/jars.sha256 lists; remedy: twinstream jars managed-kafka\n"
        )


@pytest.mark.parametrize(
    "fault",
    ["password", *(pytest.param(fault, marks=pytest.mark.slow) for fault in ("certificate", "credentials"))],
)
def test_a_job_that_is_not_let_in_says_one_line(sasl: SaslBroker, fault: str, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("hunter2")
    environment = {**sasl.environment, "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none")}
    flags, reason = {
        "password": (
            [*sasl.plain(), f"--kafka-password-file={tmp_path}/wrong"],
            f"SASL login refused by {sasl.server('PLAIN')}: Authentication failed: ",
        ),
        "certificate": (
            sasl.plain("EXPIRED"),
            f"--kafka-bootstrap-servers {sasl.server('EXPIRED')}: the certificate of ",
        ),
        "credentials": (sasl.managed, "--kafka-auth managed: Error reading credential file from "),
    }[fault]
    with JobProcess(
        JOB, *flags, "--source=kafka", f"--checkpoint-root={tmp_path}/checkpoints", environment=environment
    ) as job:
        assert job.wait() == 1
        told = [line for line in job.lines if line.startswith(JOB)]
        assert [line.startswith(f"{JOB}: {reason}") for line in told] == [True]
        assert "hunter2" not in job.said
        assert "\tat " not in job.said
        assert "Traceback" not in job.said
