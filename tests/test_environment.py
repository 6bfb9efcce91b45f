"""The jobs on machines set up for something else: what is on PATH and in the environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.engine import java, session
from jobs.engine.jar_files import CHECKOUT, directory
from jobs.engine.session import ForeignSpark

ELSEWHERE = {
    "SPARK_HOME": "{folder}/spark",
    "SPARK_CONF_DIR": "{folder}/conf",
    "HADOOP_CONF_DIR": "{folder}/conf",
    "PYSPARK_SUBMIT_ARGS": "--master yarn pyspark-shell",
    "PYSPARK_PYTHON": "{folder}/bin/python3",
    "PYSPARK_DRIVER_PYTHON": "{folder}/bin/python3",
    "PYTHONPATH": "{folder}/python",
    "_JAVA_OPTIONS": "-Dcolour=blue",
    "http_proxy": "http://127.0.0.1:1",
    "https_proxy": "http://127.0.0.1:1",
    "LC_ALL": "C",
    "HOME": "{folder}/home",
}
TOTALS = [
    ("streaming_product_discounts", "7", "302", "149"),
    ("popular_products_recommendation", "7", "529", "20"),
]
DEMO_NEEDS = ("jobs", "sources", "data", "docker/spark")
# The workers' interpreter is the driver's own. Another name for that is all that this replaces.
WITH_WORKERS_BY = """
import runpy, sys
sys.executable = sys.argv.pop(1)
runpy.run_module("jobs", run_name="__main__", alter_sys=True)
"""
NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
# Without it, a Python in root's home could not be started by anybody else.
THAT_READS_ALL = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Create another Spark, its settings, and a Python in front of PATH, none of which may be used."""
    folder = tmp_path / "blänk machine"
    for name in ("bin", "conf", "home", "python/jobs", "spark/bin"):
        (folder / name).mkdir(parents=True)
    for name in ("bin/python3", "bin/python", "bin/worker", "spark/bin/spark-submit"):
        (folder / name).write_text(f'#!/bin/sh\necho "$0 $*" >> "{folder}/called"\nexit 9\n')
        (folder / name).chmod(0o755)
    folder.chmod(0o777)  # whoever calls them can say so
    (folder / "conf" / "spark-defaults.conf").write_text("spark.sql.extensions no.such.Extension\n")
    (folder / "conf" / "core-site.xml").write_text(
        "<configuration><property><name>fs.defaultFS</name><value>hdfs://nowhere:1</value></property>"
        "</configuration>"
    )
    (folder / "python" / "jobs" / "__init__.py").write_text("raise ImportError('another jobs')\n")
    (folder / "home").chmod(0o555)
    return folder


def environment(folder: Path) -> dict[str, str]:
    there = {name: value.format(folder=folder) for name, value in ELSEWHERE.items()}
    return {**os.environ, **there, "PATH": f"{folder}/bin{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.slow
def test_a_job_runs_by_its_own_python_spark_and_settings(machine: Path) -> None:
    """Include file names with an umlaut in the locale C: checkpoints and results lie there."""
    flags = (
        f"--checkpoint-root={machine}/checkpoints",
        f"--discounts={CHECKOUT}/data/user_product_discounts.csv",
        *("--sink=parquet", f"--sink-path={machine}/rows"),
    )
    command = [sys.executable, "-m", "jobs", "run", "streaming_product_discounts", *flags]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment(machine), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "total_batches=7 total_in=302 total_out=149 total_late=3 total_dead=11" in done.stderr
    assert not (machine / "called").exists(), (machine / "called").read_text()
    assert any((machine / "rows").glob("batch=*/part-*.parquet"))
    assert list((machine / "home").iterdir()) == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what the demo needs to a path with a blank and an umlaut; the jars are linked."""
    folder = tmp_path / "blänk checkout"
    for name in DEMO_NEEDS:
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".jars").symlink_to(directory())
    return folder


def as_another_user() -> list[str]:
    """Return what starts a program as a user to whom no file belongs; nothing if that cannot be done here."""
    ways = ([*AS_NOBODY, *THAT_READS_ALL], AS_NOBODY) if os.geteuid() == 0 and shutil.which("setpriv") else ()
    for way in ways:
        tried = subprocess.run(
            [*way, sys.executable, "-c", "import pyspark"], capture_output=True, check=False
        )
        if tried.returncode == 0:
            return list(way)
    return []


@pytest.mark.slow
def test_the_demo_runs_wherever_its_checkout_lies_and_whoever_runs_it(machine: Path, checkout: Path) -> None:
    """Run both main jobs in a folder of somebody else's, without HOME, and without any worker in Python."""
    there = environment(machine)
    del there["HOME"]
    before = sorted(checkout.rglob("*"))
    another = as_another_user()
    command = [sys.executable, "-c", WITH_WORKERS_BY, str(machine / "bin" / "worker"), "demo"]
    done = subprocess.run(
        [*another, *command], cwd=checkout, env=there, capture_output=True, text=True, check=False
    )
    assert not (machine / "called").exists(), (machine / "called").read_text()
    assert done.returncode == 0, done.stderr
    assert re.findall(r"job=(\w+) total_batches=(\d+) total_in=(\d+) total_out=(\d+)", done.stderr) == TOTALS
    assert sorted(checkout.rglob("*")) == before
    if not another:
        pytest.skip("the demo ran, but as the files' owner: only root can run it as somebody else")


def test_a_worker_is_run_by_the_python_that_runs_the_job(spark: SparkSession) -> None:
    assert spark.sparkContext.parallelize([0], 1).map(lambda _: sys.executable).collect() == [sys.executable]


def test_a_pyspark_of_pythonpath_is_refused_with_what_to_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyspark

    home = Path(pyspark.__file__).parent
    monkeypatch.setenv("PYTHONPATH", f"/nowhere{os.pathsep}{home.parent}")
    with pytest.raises(ForeignSpark, match=r"pyspark comes from PYTHONPATH .*; remedy: unset PYTHONPATH"):
        session._local_environment()
    monkeypatch.setenv("PYTHONPATH", f"{home.parents[2]}{os.pathsep}.")
    assert session._local_environment()["SPARK_HOME"] == str(home)


@pytest.mark.parametrize(("locale", "told"), [("C", "C.UTF-8"), ("", "C.UTF-8"), ("de_DE.UTF-8", None)])
def test_java_is_told_of_a_locale_that_knows_all_names(
    monkeypatch: pytest.MonkeyPatch, locale: str, told: str | None
) -> None:
    for name in ("LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_ALL", locale)
    assert session._local_environment().get("LC_ALL") == told


def test_options_with_which_no_java_starts_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_JAVA_OPTIONS", "-Xmx1")
    with pytest.raises(java.NoJava, match=r"remedy: unset _JAVA_OPTIONS \(-Xmx1\), "):
        java.java_home()


def test_options_with_which_spark_does_not_start_are_named(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "jobs",
        "run",
        "product_activity_windows",
        "--checkpoint-root",
        str(tmp_path),
    ]
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env={**os.environ, "_JAVA_OPTIONS": "-XX:+UseSerialGC"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("remedy: unset _JAVA_OPTIONS")
    assert "Traceback" not in done.stderr
