"""The Spark session: on a laptop made here, on Dataproc the one that spark-submit made."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from jobs.runtime import class_archive, connectors
from jobs.runtime.java import java_home

ALWAYS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.streaming.metricsEnabled": "false",
    # Spark 4 would end a query at the first value that is no UTF-8 or does not fit: those are dead letters.
    "spark.sql.ansi.enabled": "false",
    "spark.sql.legacy.codingErrorAction": "true",
}
LOOPBACK = "127.0.0.1"
CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
BARE_FILE_SYSTEM = "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem"


def session(
    name: str, jar_sets: Iterable[str] = (), settings: Mapping[str, str] | None = None
) -> SparkSession:
    """The session, with these jar sets and settings.

    Under spark-submit master, jars and memory are the submitter's; otherwise a local session is made that
    listens on loopback only. Raises MissingJars or NoJava, which name the remedy.
    """
    chosen = {**ALWAYS, **(settings or {})}
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        os.environ["JAVA_HOME"] = str(java_home())
        os.environ["SPARK_LOCAL_IP"] = LOOPBACK
        chosen = {**local_settings(jar_sets), **chosen}
    builder = SparkSession.builder.appName(name)
    for key, value in chosen.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def local_settings(jar_sets: Iterable[str]) -> dict[str, str]:
    """Settings for a small machine; some freeze into a checkpoint at its first start: shuffle partitions."""
    sets = (connectors.built_for(pyspark.__version__, jar_set) for jar_set in jar_sets)
    jars = [jar for jar_set in sets for jar in connectors.jars(jar_set)]
    file_system = _file_system_without_processes()
    cores = os.cpu_count() or 1
    log4j = Path(__file__).with_name("log4j2.properties").as_uri()
    return {
        "spark.master": f"local[{cores}]",
        "spark.driver.memory": _driver_memory(),
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        "spark.driver.extraClassPath": ":".join(map(str, (*jars, *file_system))),
        "spark.driver.extraJavaOptions": " ".join(
            ["-XX:+UseParallelGC", f"-Dlog4j2.configurationFile={log4j}", *class_archive.java_options()]
        ),
        "spark.sql.shuffle.partitions": str(min(cores, 8)),
        "spark.sql.streaming.checkpointFileManagerClass": _checkpoint_file_manager(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **({"spark.hadoop.fs.file.impl": BARE_FILE_SYSTEM} if file_system else {}),
    }


def _driver_memory() -> str:
    """A quarter of this machine's memory, from 1 to 6 GiB; in a container at most half of what it may use."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    wanted = min(max(machine // 4, 2**30), 6 * 2**30)
    return f"{min(wanted, _container_limit() // 2) // 2**20}m"


def _container_limit() -> int:
    """Bytes that this container may use, by control groups version 2 or 1; very many without a limit."""
    for file in CONTAINER_LIMITS:
        if file.exists() and (text := file.read_text().strip()) != "max":
            return int(text)
    return sys.maxsize


def _checkpoint_file_manager() -> str:
    """The class that `_file_system_without_processes` works with; Spark 4 has moved it."""
    package = "streaming" if pyspark.__version__ < "4" else "streaming.checkpointing"
    return f"org.apache.spark.sql.execution.{package}.FileSystemBasedCheckpointFileManager"


def _file_system_without_processes() -> list[Path]:
    """A checkpoint is many small files, and Hadoop's local file system starts ten processes for each.

    This one starts none (globalmentor/hadoop-bare-naked-local-fs). Where it is missing, batches are slower.
    """
    try:
        return connectors.jars("local")
    except connectors.MissingJars:
        return []
