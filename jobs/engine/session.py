"""The Spark session: created here on a laptop; on Dataproc, the one that spark-submit created."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession

from jobs.engine import class_archive, cloud_storage, jar_files
from jobs.engine.failure import cause
from jobs.engine.java import OPTIONS, java_home
from sources.fault import Fault

ALWAYS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.streaming.metricsEnabled": "false",
    # Spark 4 would fail a query at the first value that is not UTF-8 or does not fit: a dead letter for us.
    "spark.sql.ansi.enabled": "false",
    "spark.sql.legacy.codingErrorAction": "true",
    # A large table is read while batches run (`watched_tables`): short tasks often give the cores back.
    "spark.scheduler.mode": "FAIR",
    "spark.sql.files.maxPartitionBytes": "8m",
}
LOOPBACK = "127.0.0.1"
CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
JAVA_OPTIONS = "spark.driver.extraJavaOptions"
AFTER_SPARK = "SPARK_DIST_CLASSPATH"
"""The environment variable with what Spark's scripts append to the class path."""
FOREIGN = (
    *("PYSPARK_SUBMIT_ARGS", "SPARK_CONF_DIR", AFTER_SPARK),
    *("HADOOP_CONF_DIR", "YARN_CONF_DIR"),
)
"""Another Spark's environment variables, which would change a local session."""
OVERRIDING = ("managed-kafka",)
"""Jar sets with newer releases of what Spark has: they come before Spark's jars."""
BARE_FILE_SYSTEM = "com.globalmentor.apache.hadoop.fs.BareLocalFileSystem"


class ForeignSpark(Fault):
    """The environment points to another Spark; the message says what to unset."""


def session(
    name: str, jar_sets: Iterable[str] = (), settings: Mapping[str, str] | None = None
) -> SparkSession:
    """Return the session, with these jar sets and settings.

    Under spark-submit, master, jars and memory are the submitter's; otherwise a local session is created that
    listens on loopback only. Raise MissingJars, NoJava or ForeignSpark, which name the remedy.
    """
    logging.getLogger().addFilter(_not_by_py4j)
    chosen = {**ALWAYS, **(settings or {})}
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        os.environ.update(_local_environment())
        for variable in FOREIGN:
            os.environ.pop(variable, None)
        wanted = tuple(jar_sets)
        os.environ[AFTER_SPARK] = os.pathsep.join(map(str, after_spark(wanted)))
        chosen = {**local_settings(wanted), **chosen}
        archive = class_archive.options(Path(os.environ["JAVA_HOME"]), bare=not wanted)
        # In quotes, because a folder may have a blank in its name.
        chosen[JAVA_OPTIONS] = " ".join((chosen[JAVA_OPTIONS], *(f'"{option}"' for option in archive)))
    builder = SparkSession.builder.appName(name)
    for key, value in chosen.items():
        builder = builder.config(key, value)
    try:
        return builder.getOrCreate()
    except Exception as error:
        if given := [name for name in OPTIONS if os.environ.get(name)]:
            raise ForeignSpark(
                f"Spark's Java does not start ({cause(str(error))}) with {given[0]}={os.environ[given[0]]}",
                expected="options that go with Spark's own",
                remedy=f"unset {' '.join(given)}",
            ) from None
        raise
    finally:
        os.environ.pop(AFTER_SPARK, None)


def _not_by_py4j(record: logging.LogRecord) -> bool:
    """Return False for a trace that py4j logs when Java does not answer a call: the call also raises."""
    return record.module != "java_gateway"


def _local_environment() -> dict[str, str]:
    """Return the environment of Spark's scripts and its Java, independent of any other Spark and Python here.

    Raise NoJava, or ForeignSpark if this is not the environment's own pyspark.
    """
    home = Path(pyspark.__file__).parent
    if home.parent in map(Path.absolute, map(Path, os.environ.get("PYTHONPATH", "").split(os.pathsep))):
        raise ForeignSpark(
            f"pyspark comes from PYTHONPATH ({home})",
            expected="the one that was installed with twinstream",
            remedy="unset PYTHONPATH",
        )
    return {
        "JAVA_HOME": str(java_home()),
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": LOOPBACK,
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        # Java decodes file names by this; in the C locale it could not open a file with an umlaut.
        **({} if _is_utf_8(os.environ) else {"LC_ALL": "C.UTF-8"}),
    }


def _is_utf_8(environment: Mapping[str, str]) -> bool:
    locale = next(filter(None, map(environment.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "C")
    return "utf8" in locale.lower().replace("-", "")


def local_settings(jar_sets: Iterable[str]) -> dict[str, str]:
    """Return settings for a small machine; a checkpoint's first start freezes some (shuffle partitions)."""
    wanted = tuple(jar_sets)
    before = [jar for jar_set in wanted if jar_set in OVERRIDING for jar in _jars(jar_set)]
    file_system = _file_system_without_processes()
    cores = _cores()
    log4j = Path(__file__).with_name("log4j2.properties").as_uri()
    return {
        "spark.master": f"local[{cores}]",
        "spark.driver.memory": _driver_memory(),
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        **({"spark.driver.extraClassPath": os.pathsep.join(map(str, before))} if before else {}),
        JAVA_OPTIONS: " ".join(["-XX:+UseParallelGC", f"-Dlog4j2.configurationFile={log4j}"]),
        "spark.sql.shuffle.partitions": str(min(cores, 8)),
        "spark.sql.streaming.checkpointFileManagerClass": _checkpoint_file_manager(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        **({"spark.hadoop.fs.file.impl": BARE_FILE_SYSTEM} if file_system else {}),
        **(cloud_storage.settings() if cloud_storage.JAR_SET in wanted else {}),
    }


def after_spark(jar_sets: Iterable[str]) -> list[Path]:
    """Return what the class path has after Spark's own jars: there, one class archive goes with all of it."""
    sets = [jar_set for jar_set in jar_sets if jar_set not in OVERRIDING]
    return [*_file_system_without_processes(), *(jar for jar_set in sets for jar in _jars(jar_set))]


def _jars(jar_set: str) -> list[Path]:
    return jar_files.jars(jar_files.built_for(pyspark.__version__, jar_set))


def _cores() -> int:
    """Return how many of this machine's cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _driver_memory() -> str:
    """Return a quarter of this machine's memory, 1 to 6 GiB; in a container at most half of its limit."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    wanted = min(max(machine // 4, 2**30), 6 * 2**30)
    return f"{min(wanted, _container_limit() // 2) // 2**20}m"


def _container_limit() -> int:
    """Return this container's memory limit in bytes (cgroup version 2 or 1); `sys.maxsize` without one."""
    for file in CONTAINER_LIMITS:
        if file.exists() and (text := file.read_text().strip()) != "max":
            return int(text)
    return sys.maxsize


def _checkpoint_file_manager() -> str:
    """Return the class that `_file_system_without_processes` works with; Spark 4 moved it."""
    package = "streaming" if pyspark.__version__ < "4" else "streaming.checkpointing"
    return f"org.apache.spark.sql.execution.{package}.FileSystemBasedCheckpointFileManager"


def _file_system_without_processes() -> list[Path]:
    """Return the jars of a local file system that starts no processes; none if they are missing.

    A checkpoint is many small files, and Hadoop's local file system starts ten processes for each. This one
    (globalmentor/hadoop-bare-naked-local-fs) starts none. Without it, batches are slower.
    """
    try:
        return jar_files.jars("local")
    except jar_files.MissingJars:
        return []
