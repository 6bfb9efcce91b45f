"""Google's Java clients, run as CLIENTS.md shows: its blocks are typed, its files written, word by word."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.engine import jar_files
from jobs.laptop.jars import fetch
from pubsublite_emulator import Emulator
from tests.pubsublite.conftest import eventually
from tests.support.kafka_broker import KafkaBroker
from tests.support.reader import blocks
from tests.support.topic import send, stored

PROGRAMS = Path(__file__).parent / "java"
CREATE = (
    ".venv/bin/twinstream create --source pubsublite"
    " --pubsublite-project 123456 --pubsublite-location us-central1-a\n"
)
SECONDS = 600
"""The page's commands fetch their jar sets first, of which a new machine has none."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def shown(language: str, kind: str, like: str = "") -> str:
    """Return the documents' one block of this language and kind that has `like` in it."""
    (block,) = (one for one in blocks(re.escape(kind), language) if like in one)
    return block


def typed(commands: str) -> list[str]:
    """Return the command that types these into a shell which has read `env`.

    The jar sets are fetched before, because that shell's Java takes no other proxy than the emulator's.
    """
    for sets in re.findall(r"twinstream jars (.+)", commands):
        fetch(sets.split())
    here = commands.replace(".venv/bin/", f"{shlex.quote(str(Path(sys.executable).parent))}/")
    here = here.replace(".jars/", f"{jar_files.directory()}/")
    return ["bash", "-ec", here]


@pytest.fixture(scope="module")
def kafka_broker() -> Iterator[KafkaBroker]:
    """Run a broker for this module alone: the quickstart lists everything that there is."""
    with KafkaBroker() as own:
        yield own


@pytest.fixture
def lite(storage: str, tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(storage, directory=tmp_path / "directory") as emulator:
        yield emulator


@pytest.fixture
def shell(lite: Emulator) -> dict[str, str]:
    return {**os.environ, "TWINSTREAM_JARS": str(jar_files.directory()), **lite.env}


def ran(commands: str, shell: dict[str, str], folder: Path) -> list[str]:
    done = subprocess.run(
        typed(commands), env=shell, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.needs("javac")
def test_java_goes_through_googles_quickstart(shell: dict[str, str], tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "QuickStart.java", tmp_path)
    everything = f"received {list(range(22))} a-key 2020 1"
    assert ran(shown("bash", "java", "QuickStart.java"), shell, tmp_path)[1:] == [
        "reservation 8",
        "partitions 2",
        "topic 4 200 604800",
        "subscription DELIVER_AFTER_STORED",
        "listed 2 2",
        "published 22",
        everything,
        "moved to the beginning",
        everything,
        "left 0 topics",
    ]


@pytest.mark.needs("javac")
def test_the_kafka_shim_writes_and_reads(shell: dict[str, str], tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "KafkaShim.java", tmp_path)
    printed = ran(CREATE + shown("bash", "java", "KafkaShim.java"), shell, tmp_path)
    assert printed[-2:] == ["wrote 300", "read 300, from 0 to 299"]


@pytest.mark.needs("javac")
def test_beam_writes_and_reads(shell: dict[str, str], tmp_path: Path) -> None:
    shutil.copy(PROGRAMS / "BeamLite.java", tmp_path)
    printed = ran(CREATE + shown("bash", "java", "BeamLite.java"), shell, tmp_path)
    assert printed[-2:] == ["writing: DONE", "read 300, 300 of them distinct"]


@pytest.mark.needs("java")
@pytest.mark.parametrize("storage", ["memory"], indirect=True)
def test_kafka_connect_moves_messages_both_ways(
    shell: dict[str, str], tmp_path: Path, kafka_broker: KafkaBroker
) -> None:
    for topic in ("orders", "copies"):
        kafka_broker.create_topic(topic, 2)
    sent = [b"%d" % number for number in range(300)]
    send(kafka_broker.bootstrap, "orders", *sent[:150], partition=0)
    send(kafka_broker.bootstrap, "orders", *sent[150:], partition=1)
    for name in ("worker.properties", "sink.properties", "source.properties"):
        text = (
            shown("properties", name).replace("localhost:9092", kafka_broker.bootstrap).replace(":8083", ":0")
        )
        (tmp_path / name).write_text(text.replace(".jars/", f"{jar_files.directory()}/"))
    ran(CREATE, shell, tmp_path)

    def copies() -> list[bytes]:
        return [record.value for record in stored(kafka_broker.bootstrap, "copies")]

    with worker(shown("bash", "connect"), shell, tmp_path):
        eventually(lambda: len(copies()) >= 300, SECONDS)
    assert Counter(copies()) == Counter(sent)


@contextmanager
def worker(commands: str, shell: dict[str, str], folder: Path) -> Iterator[None]:
    """Run what does not end by itself within the block; if the block fails, print what it said."""
    log = folder / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            typed(commands), env=shell, cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield
    except AssertionError as error:
        raise AssertionError(log.read_text()[-20_000:]) from error
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
