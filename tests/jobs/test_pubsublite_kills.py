"""The emulator killed under a job that reads it: the counterpart, in the service, of the job's own kills."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from pyspark.sql import SparkSession

from jobs.engine.jar_files import CHECKOUT
from pubsublite_emulator.exports import environment
from sources import kafka, pubsublite
from sources.base import Message
from sources.catalog import BROWSING
from tests.pubsublite.test_restart import Served
from tests.sources.test_contract import options_of
from tests.support import frames
from tests.support.kafka_broker import KafkaBroker
from tests.support.lite import copy_authority
from tests.support.process import JobProcess
from tests.support.publishing import publish_all
from tests.support.runs import said

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MESSAGES, KILLS = 60_000, 5
"""A message every 10 milliseconds: ten minutes, nine of which are final once the last has arrived."""


@pytest.fixture
def broker() -> Iterator[KafkaBroker]:
    with KafkaBroker() as broker:
        yield broker


@pytest.fixture
def served(broker: KafkaBroker, tmp_path: Path) -> Iterator[Served]:
    copy_authority(tmp_path / "lite")
    served = Served(broker, tmp_path / "lite")
    yield served
    served.kill()


def message(number: int) -> Message:
    at = NOON + number * timedelta(milliseconds=10)
    value = (
        f'{{"event_id":"e{number}","user_id":"u{number % 50}","product_id":"p{number % 5}",'
        f'"event_time":"{at.isoformat()}"}}'
    )
    return Message(BROWSING.name, b"u%d" % (number % 50), value.encode(), at)


def publish(broker: KafkaBroker) -> None:
    options = options_of(kafka, f"--kafka-bootstrap-servers={broker.bootstrap}")
    publish_all(kafka, options, [message(number) for number in range(MESSAGES)])


def opened(served: Served) -> list[int]:
    """Return the offsets at which Spark's readers began, in order."""
    lines = (served.directory / "log").read_text().splitlines()
    return [int(line.rpartition(" ")[2]) for line in lines if "JAVA-SPARK" in line and ": opened at " in line]


def opens_again(served: Served, job: JobProcess, before: int) -> bool:
    """Return whether a reader opened after the first `before`; false if the job ended instead."""
    deadline = time.monotonic() + 120
    while len(opened(served)) <= before:
        assert time.monotonic() < deadline, f"no reader came\n{job.said}"
        if job.ends_within(0.01):
            return False
    return True


def test_a_job_outlives_its_service(
    spark: SparkSession, broker: KafkaBroker, served: Served, tmp_path: Path
) -> None:
    added = environment(served.files, served.address, os.environ)
    create = [sys.executable, "-m", "sources", "create", "--source", "pubsublite"]
    subprocess.run(create, env={**os.environ, **added}, cwd=CHECKOUT, timeout=120, check=True)
    publish(broker)
    random = Random(1)
    flags = (
        *("--source=pubsublite", "--trigger=available-now", "--sink=parquet"),
        f"--sink-path={tmp_path / 'rows'}",
        f"--checkpoint-root={tmp_path / 'checkpoints'}",
    )
    with JobProcess("product_activity_windows", *flags, environment=added) as job:
        before = 0
        for _ in range(KILLS):
            if not opens_again(served, job, before) or job.ends_within(random.uniform(0.2, 2)):
                break
            before = len(opened(served))
            served.kill()
            served.start()
        assert job.wait(240) == 0, job.said
        counted = said(job.said)
    assert max(opened(served)) > 0, "no kill met a reader on its way: nothing is proven"
    assert counted["in"] == MESSAGES
    found = frames.rows(spark.read.parquet(str(tmp_path / "rows")).drop("batch"))
    minutes = [NOON + minute * timedelta(minutes=1) for minute in range(10)]
    assert found == [
        (start, end, f"p{product}", 1200) for start, end in pairwise(minutes) for product in range(5)
    ]


def test_a_publisher_outlives_its_service(broker: KafkaBroker, served: Served, tmp_path: Path) -> None:
    """Lose the emulator's memory of what it has stored: a kill may repeat messages, but not lose any."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(served.files, served.address, os.environ).items():
            patch.setenv(name, value)
        options = options_of(pubsublite)
        pubsublite.create([BROWSING], options)
        publisher = pubsublite.publisher(options)
        settled: list[tuple[Message, Exception | None]] = []
        for start in range(0, MESSAGES, 1000):
            batch = [message(number) for number in range(start, start + 1000)]
            publisher.publish(batch, lambda one, failure: settled.append((one, failure)))
            if start in (5_000, 30_000):
                served.kill()
                served.start()
        publisher.close()
        assert [failure for _, failure in settled if failure] == []
        assert len({one.value for one, _ in settled}) == len(settled) == MESSAGES
        stored: dict[bytes, list[int]] = defaultdict(list)
        for record in pubsublite.records(BROWSING, options):
            if record is None:
                break
            stored[record.key or b""].append(int((record.value or b"")[14:].partition(b'"')[0]))
    for user, numbers in stored.items():
        assert list(dict.fromkeys(numbers)) == [n for n in range(MESSAGES) if b"u%d" % (n % 50) == user]
    assert sum(map(len, stored.values())) < MESSAGES + 2 * 20_000
    assert len(stored) == 50
