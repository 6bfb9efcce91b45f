"""Google's Spark connector 1.0.0, unmodified: reads, restarts from its checkpoint, commits its cursors."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.cloud.pubsublite.types import SubscriptionPath, TopicPath

from jobs.engine import jar_files
from pubsublite_emulator import Emulator
from tests.pubsublite.test_python_clients import committed, publish

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("storage", ["memory", "kafka"], indirect=True)]


def read(subscription: SubscriptionPath, checkpoint: Path) -> list[Any]:
    jars = jar_files.jars("pubsublite")[0].parent
    script = str(Path(__file__).with_name("spark_reader.py"))
    done = subprocess.run(
        [sys.executable, script, str(subscription), str(checkpoint), str(jars)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"},
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_read_restart_and_commit(make: Any, lite: Emulator, tmp_path: Path) -> None:
    topic: TopicPath = make.topic(partitions=2)
    subscription = make.subscription(topic)
    first = publish(topic, [b"%d" % number for number in range(100)], ordering_key="k1", colour="red")
    rows = read(subscription, tmp_path)
    (partition,) = {one.partition.value for one in first}
    expected = [[partition, n, "k1", str(n)] for n in range(100)]
    assert sorted(row[:4] for row in rows) == expected
    assert rows[0][4]["colour"] == ["red"]
    publish(topic, [b"more"], ordering_key="k1")
    assert [row[:4] for row in read(subscription, tmp_path)] == [[partition, 100, "k1", "more"]]
    # The connector commits a batch when it begins the next one: the first run's batch, all partitions.
    assert committed(lite, subscription) == {partition: 100, 1 - partition: 0}
