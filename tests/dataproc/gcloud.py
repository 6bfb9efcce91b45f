"""The real gcloud, unmodified."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any

REGION = "--region=us-central1"


class Gcloud:
    """A runner of gcloud commands; each costs a Python start."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def __call__(self, *words: str) -> Any:
        """Run a command that succeeds and return what it prints, read as JSON."""
        return json.loads(self.run("--format=json", *words).stdout or "null")

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command that ends with this exit code."""
        done = subprocess.run(
            ["gcloud", *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        told = [line for line in done.stderr.splitlines() if " INFO " not in line]
        assert done.returncode == code, "\n".join(told)  # a driver's error drowns in what Spark has to say
        return done

    def submit(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Submit a PySpark job to the cluster that exists from the start; the messages are in `stderr`."""
        place = ("--cluster=spark-streaming", REGION)
        return self.run(
            "--format=value(reference.jobId)", *("dataproc", "jobs", "submit", "pyspark"), *place, *words,
            code=code,
        )  # fmt: skip

    def job(self, identity: str) -> Any:
        """Return the description of a job."""
        return self("dataproc", "jobs", "describe", identity, REGION)


def states(job: Any) -> list[str]:
    """Return all states that a job was in, in order."""
    return [status["state"] for status in (*job["statusHistory"], job["status"])]


def eventually(reached: Callable[[], object], seconds: float = 240) -> None:
    """Wait until a condition holds; fail when the time is over."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not reached in {seconds} s"
        time.sleep(0.05)
