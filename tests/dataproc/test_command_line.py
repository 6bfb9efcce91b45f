"""`serve` and `env`, and that nothing outlives a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.dataproc.calls import call
from tests.dataproc.gcloud import Gcloud, eventually
from tests.dataproc.served import COMMAND, Served
from tests.support.listeners import listening

pytestmark = pytest.mark.timeout(600)

BUSY = """
import time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.sparkContext.parallelize([1], 1).foreach(lambda _: time.sleep(300))
"""


def run(command: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, command, "--directory", str(directory)],
        env={**os.environ, **variables},
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


def busy(served: Served) -> bool:
    """Return whether all kinds of processes run that a job needs."""
    running = " ".join(served.commands())
    parts = ("deploy.master.Master", "deploy.worker.Worker", "SparkSubmit", "ExecutorBackend", "daemon")
    return all(part in running for part in parts)


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


def test_it_listens_on_loopback(served: Served) -> None:
    assert served.address.rpartition(":")[0] == "127.0.0.1"
    assert listening([served.process.pid]) == {"127.0.0.1"}


@pytest.mark.slow
def test_its_spark_listens_on_loopback(served: Served, tmp_path: Path) -> None:
    entry = tmp_path / "entry.py"
    entry.write_text(BUSY)
    job = {
        "placement": {"clusterName": "spark-streaming"},
        "pysparkJob": {"mainPythonFileUri": entry.as_uri()},
    }
    place = "/v1/projects/p/regions/us-central1/jobs:submit"
    assert call(served, "POST", place, json.dumps({"job": job}).encode())[0] == 200
    eventually(lambda: busy(served))
    assert listening(served.started()) == {"127.0.0.1"}


def test_without_its_jar_it_does_not_start(tmp_path: Path) -> None:
    done = run("serve", tmp_path / "local", TWINSTREAM_JARS=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        f"dataproc_emulator: no hadoop-bare-naked-local-fs jar in {tmp_path / 'local'}; expected the jar set "
        "'local'; remedy: twinstream jars local\n"
    )


@pytest.mark.slow
@pytest.mark.needs("gcloud")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_the_server(served: Served, tmp_path: Path, number: signal.Signals) -> None:
    entry = tmp_path / "entry.py"
    entry.write_text(BUSY)
    Gcloud({**os.environ, **exported(served.directory)}).submit(str(entry), "--async")
    eventually(lambda: busy(served))
    served.end(number)
    eventually(lambda: not served.started(), 120)
