"""The jobs on machines set up for something else: what is on PATH and in the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.runtime import java, session
from jobs.runtime.connectors import CHECKOUT
from jobs.runtime.session import ForeignSpark

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


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Create another Spark, its settings, and a Python in front of PATH, none of which may be used."""
    folder = tmp_path / "blänk machine"
    for name in ("bin", "conf", "home", "python/jobs", "spark/bin"):
        (folder / name).mkdir(parents=True)
    for name in ("bin/python3", "bin/python", "spark/bin/spark-submit"):
        (folder / name).write_text(f'#!/bin/sh\necho "$0 $*" >> "{folder}/called"\nexit 9\n')
        (folder / name).chmod(0o755)
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
