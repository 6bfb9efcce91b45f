"""`docker compose run --rm tests`: the suite in its own container, as the README says."""

from __future__ import annotations

import subprocess

import pytest

from tests.containers.stack import CHECKOUT


@pytest.mark.slow
@pytest.mark.needs("docker")
@pytest.mark.timeout(900)
def test_the_suite_runs_in_a_container(project: str) -> None:
    compose = ["docker", "compose", "--project-name", project, "--profile", "test"]
    some = ["tests/test_repository.py", "tests/jobs/engine/test_progress.py"]
    try:
        ran = subprocess.run(
            [*compose, "run", "--build", "--rm", "tests", *some],
            cwd=CHECKOUT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        subprocess.run([*compose, "down", "--volumes"], cwd=CHECKOUT, capture_output=True, check=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout
