"""Google's Spark samples, step by step, on Spark 3.3: the last one on which the connector writes too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobs.engine import jar_files
from pubsublite_emulator import Emulator
from tests.pubsublite.conftest import eventually
from tests.pubsublite.test_locations import head
from tests.pubsublite.test_python_clients import subscribed

LOCK = jar_files.CHECKOUT / "requirements-spark-3.3.lock"
HOME = jar_files.CHECKOUT / ".cache" / "spark-3.3"
ENOUGH = 100
SECONDS = 200
APART = 20_000_000
"""Nanoseconds between two numbers of the writing sample."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.parametrize("storage", ["memory"], indirect=True),
]


@pytest.fixture(scope="module")
def python() -> Path:
    """Return the Python of an environment with the Spark of Dataproc's image 2.1; later runs use it again."""
    python = HOME / "bin" / "python"
    uv("venv", "--allow-existing", "--python", sys.executable, str(HOME))
    uv("pip", "sync", "--require-hashes", "--python", str(python), str(LOCK))
    return python


def test_the_connector_writes_and_reads(make: Any, lite: Emulator, python: Path, tmp_path: Path) -> None:
    topic = make.topic()
    for_spark, for_python = make.subscription(topic), make.subscription(topic)
    place = (str(topic.project), str(topic.location))
    checkpoint = str(tmp_path / "checkpoint")
    submit(python, tmp_path, "spark_sample_write.py", *place, topic.name, checkpoint, str(ENOUGH))

    stored = head(lite, topic)
    with subscribed(for_python) as (received, _):
        eventually(lambda: len(received.data) >= stored)
    assert stored >= ENOUGH
    assert [facts(message) for message in received.messages] == [
        (b"%d" % number, "example", ("even", "odd")[number % 2]) for number in range(stored)
    ]
    first, *_ = times = [event_time(message) for message in received.messages]
    assert times == [first + APART * number for number in range(stored)]

    shown = submit(python, tmp_path, "spark_sample_read.py", *place, for_spark.name, str(stored))
    assert rows(shown, str(for_spark)) == [
        (f"{number}", f"{number}", f"{{key1 -> [{('even', 'odd')[number % 2]}]}}") for number in range(stored)
    ]


def facts(message: Any) -> tuple[bytes, str, str]:
    return message.data, message.ordering_key, message.attributes["key1"]


def event_time(message: Any) -> int:
    """Return the nanoseconds since 1970."""
    seconds, nanoseconds = message.attributes["x-goog-pubsublite-event-time"].split(",")
    return int(seconds) * 10**9 + int(nanoseconds)


def rows(shown: str, subscription: str) -> list[tuple[str, str, str]]:
    """Return the offset, data and attributes of the console's rows."""
    cells = [[cell.strip() for cell in line.split("|")] for line in shown.splitlines() if line[:1] == "|"]
    return [(row[3], row[5], row[8]) for row in cells if row[1] == subscription]


def submit(python: Path, folder: Path, program: str, *arguments: str) -> str:
    """Run a program beside this file by spark-submit with the connector, and return its output."""
    (connector,) = jar_files.jars("pubsublite")
    settings = ("--master", "local[1]", "--conf", "spark.ui.enabled=false", "--jars", str(connector))
    of_python = "import os, pyspark; print(os.path.dirname(pyspark.__file__))"
    spark = subprocess.check_output([str(python), "-c", of_python], text=True).strip()
    command = [f"{spark}/bin/spark-submit", *settings]
    done = subprocess.run(
        [*command, str(Path(__file__).with_name(program)), *arguments],
        env={
            **os.environ,
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "PYSPARK_PYTHON": str(python),
            "SPARK_HOME": spark,  # its own scripts find it in no path with a blank
            "SPARK_LOCAL_IP": "127.0.0.1",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def uv(*arguments: str) -> None:
    settings = {**os.environ, "UV_SYSTEM_CERTS": "true"}
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *arguments], check=True, env=settings)
