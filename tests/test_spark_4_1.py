"""The same code on what Dataproc's image 3.0 has: Spark 4.1.2, Scala 2.13, Python 3.12, Java 21."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataproc_emulator.images import IMAGES
from dataproc_emulator.installation import install
from jobs.engine.class_archive import VARIABLE
from jobs.engine.jar_files import CHECKOUT

LOCK = CHECKOUT / "requirements-spark-4.1.lock"
SUITE = (
    "tests/jobs/engine/test_checkpoint.py",
    "tests/jobs/engine/test_events.py",
    "tests/jobs/engine/test_run.py",
    "tests/jobs/test_streaming_product_discounts.py",
    "tests/jobs/test_popular_products_recommendation.py",
    "tests/jobs/test_product_activity_windows.py",
    "tests/jobs/test_watermarks.py",
    "tests/jobs/test_equivalence.py",
)

pytestmark = [pytest.mark.slow, pytest.mark.needs("python3.12"), pytest.mark.timeout(1500)]


def test_the_jobs_suite_passes_on_spark_4_1(tmp_path: Path) -> None:
    """Run the suite in a separate environment, made from its own lock."""
    python = str(tmp_path / "venv" / "bin" / "python")
    uv("venv", "--python", "3.12", str(tmp_path / "venv"))
    uv("pip", "sync", "--require-hashes", "--python", python, str(LOCK))
    uv("pip", "install", "--no-deps", "--no-build-isolation", "--python", python, "--editable", str(CHECKOUT))

    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        "JAVA_HOME": str(install(IMAGES[1], print).java),
        "PATH": f"{Path(python).parent}:{os.environ['PATH']}",
        "PYSPARK_PYTHON": python,
        VARIABLE: str(tmp_path / "spark.jsa"),
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled"),
    }
    ran = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'tests'}", *SUITE],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-8000:]
    assert " passed" in ran.stdout.splitlines()[-1]


def uv(*arguments: str) -> None:
    settings = {"UV_SYSTEM_CERTS": "true", "PYENV_VERSION": "3.12"}
    subprocess.run(
        [sys.executable, "-m", "uv", "--quiet", *arguments], check=True, env={**os.environ, **settings}
    )
