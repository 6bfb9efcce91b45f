"""`serve` and `env`, and that nothing outlives a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.runtime.connectors import CHECKOUT
from tests.dataproc.gcloud import Gcloud, eventually

pytestmark = pytest.mark.timeout(600)

COMMAND = [sys.executable, "-m", "dataproc_emulator"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(CHECKOUT / "docker" / "dataproc")}
BUSY = """
import time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.sparkContext.parallelize([1], 1).foreach(lambda _: time.sleep(300))
"""


class Served:
    """A server in its own process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--directory", str(directory), "--log-level", "WARNING"],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        with self.process.stdout as said:
            self.ready = json.loads(said.readline())

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(120)

    def processes(self) -> list[str]:
        """Return what runs below the directory: master, worker, drivers, executors."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink().is_relative_to(self.directory):
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # it has just ended, or belongs to somebody else
        return found


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path / "local")
    yield served
    if served.process.poll() is None:
        served.end(signal.SIGKILL)


def run(command: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, command, "--directory", str(directory)],
        env={**ENVIRONMENT, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def exported(directory: Path) -> dict[str, str]:
    """Return the variables as a shell has them after `eval`."""
    lines = run("env", directory).stdout
    names = [line.removeprefix("export ").partition("=")[0] for line in lines.splitlines()]
    script = f'eval "$1"; for name in {" ".join(names)}; do printenv $name; done'
    shell = ["sh", "-c", script, "sh", lines]
    values = subprocess.run(shell, capture_output=True, text=True, check=True).stdout.splitlines()
    return dict(zip(names, values, strict=True))


def test_serve_says_where_it_is_and_env_exports_it(served: Served, tmp_path: Path) -> None:
    address = served.ready["address"]
    assert served.ready == {"address": address, "cluster": "spark-streaming", "region": "us-central1"}
    variables = exported(served.directory)
    assert variables["CLOUDSDK_API_ENDPOINT_OVERRIDES_DATAPROC"] == f"http://{address}/"
    assert variables["CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE"] == f"http://{address}/storage/v1/"
    second = run("serve", served.directory)
    assert (second.returncode, second.stderr) == (
        1,
        f"dataproc_emulator: an emulator runs over {served.directory} at {address}; "
        "remedy: another directory\n",
    )
    assert served.end(signal.SIGTERM) == 0
    stopped = run("env", served.directory)
    assert stopped.returncode == 1
    assert stopped.stderr == (
        f"dataproc_emulator: no emulator has run over {served.directory}; start one: "
        f"python -m dataproc_emulator serve --directory {served.directory}\n"
    )


def test_without_its_jar_it_does_not_start(tmp_path: Path) -> None:
    done = run("serve", tmp_path / "local", TWINSTREAM_JARS=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        f"dataproc_emulator: no hadoop-bare-naked-local-fs jar in {tmp_path / 'local'}; expected the jar set "
        "'local'; remedy: python -m jobs jars local\n"
    )


@pytest.mark.slow
@pytest.mark.needs("gcloud")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_the_server(served: Served, tmp_path: Path, number: signal.Signals) -> None:
    entry = tmp_path / "entry.py"
    entry.write_text(BUSY)
    Gcloud({**os.environ, **exported(served.directory)}).submit(str(entry), "--async")

    def busy() -> bool:
        running = " ".join(served.processes())
        parts = ("deploy.master.Master", "deploy.worker.Worker", "SparkSubmit", "ExecutorBackend", "daemon")
        return all(part in running for part in parts)

    eventually(busy)
    served.end(number)
    eventually(lambda: not served.processes(), 120)
