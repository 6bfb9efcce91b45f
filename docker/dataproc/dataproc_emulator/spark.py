"""The standalone Spark behind all clusters of an image: one master, one worker, both real processes."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from dataproc_emulator import hadoop
from dataproc_emulator.files import Files
from dataproc_emulator.images import DEFAULT, Image
from dataproc_emulator.processes import Processes
from dataproc_emulator.runtimes import Runtime, runtime

LOOPBACK = "127.0.0.1"
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
    "spark.driver.host": LOOPBACK,
    "spark.driver.memory": "1g",
    "spark.executor.memory": "1g",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


class SparkClusters:
    """A standalone Spark for each image. Creating it raises OSError if a part of the default's is missing."""

    def __init__(self, files: Files, processes: Processes, environment: Mapping[str, str]) -> None:
        self._files = files
        self._processes = processes
        self._environment = environment
        self._lock = Lock()
        self._all: dict[Image, SparkCluster] = {}
        self.of(DEFAULT)

    def of(self, image: Image) -> SparkCluster:
        """Return the image's Spark; raise FileNotFoundError, with the remedy, if a part of it is missing."""
        with self._lock:
            if image not in self._all:
                self._all[image] = SparkCluster(
                    self._files, self._processes, self._environment, runtime(image, self._environment)
                )
            return self._all[image]


class SparkCluster:
    """One master and one worker, started when they are first needed."""

    def __init__(
        self, files: Files, processes: Processes, environment: Mapping[str, str], runtime: Runtime
    ) -> None:
        self._files = files
        self._folder = files.spark / runtime.image.version
        self._folder.mkdir(exist_ok=True)
        self._processes = processes
        self._runtime = runtime
        self._lock = Lock()
        self._master = ""
        self.home = runtime.spark
        self.environment = self._environment(environment)
        # Not in a SPARK_CONF_DIR: a folder on the class path would rule out a class archive.
        self.defaults = self._folder / "spark-defaults.conf"
        self._write_defaults(_java_options(environment))

    def start(self) -> str:
        """Return the master's address once master and worker run; raise OSError if they do not start."""
        with self._lock:
            if not self._master:
                master = ["master.Master", "--host", LOOPBACK, "--port", "0", "--webui-port", "0"]
                address = self._run("master", master, r"Starting Spark master at (spark://\S+)")
                worker = ["worker.Worker", "--host", LOOPBACK, "--port", "0", "--webui-port", "0"]
                worker += ["--cores", str(_CORES), "--memory", _MEMORY]
                worker += ["--work-dir", str(self._folder / "work"), address]
                self._run("worker", worker, "Successfully registered with master (.+)")
                self._master = address
            return self._master

    def _run(self, name: str, command: list[str], sign: str) -> str:
        log = self._folder / f"{name}.log"
        program, *arguments = command
        with log.open("wb") as output:
            process = self._processes.start(
                [str(self.home / "bin" / "spark-class"), f"org.apache.spark.deploy.{program}", *arguments],
                self.environment,
                self._folder,
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
            **self._runtime.java,
            "PYSPARK_PYTHON": self._runtime.python,
            "SPARK_DAEMON_JAVA_OPTS": _JAVA_OPTIONS,
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DIST_CLASSPATH": str(hadoop.jar(hadoop.jars_directory())),
            "SPARK_HOME": str(self.home),
            "SPARK_LOCAL_DIRS": str(self._folder / "local"),
            "SPARK_LOCAL_IP": LOOPBACK,
        }

    def _write_defaults(self, java_options: str) -> None:
        settings = {
            **_DEFAULTS,
            **hadoop.settings(self._files, self._runtime.image.spark),
            "spark.driver.defaultJavaOptions": java_options,
            "spark.executor.defaultJavaOptions": java_options,
        }
        self.defaults.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))


def _java_options(environment: Mapping[str, str]) -> str:
    """Return the options of drivers and executors.

    With TWINSTREAM_CLASS_ARCHIVE, they start in half the time; a JVM that the archive does not match ignores
    it.
    """
    archive = environment.get("TWINSTREAM_CLASS_ARCHIVE", "")
    if not Path(archive).is_file():
        return _JAVA_OPTIONS
    quiet = "-Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off"
    return f'{_JAVA_OPTIONS} "-XX:SharedArchiveFile={archive}" {quiet}'
