"""File operations on everything Hadoop reaches: a laptop's disk, `gs://` on Dataproc."""

from __future__ import annotations

import re
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession


def file_system(spark: SparkSession, path: str) -> tuple[Any, Any]:
    """Return Hadoop's FileSystem and Path for `path`."""
    jvm: Any = spark._jvm
    context: Any = spark._jsc
    hadoop_path = jvm.org.apache.hadoop.fs.Path(path)
    return hadoop_path.getFileSystem(context.hadoopConfiguration()), hadoop_path


def reason(error: Py4JJavaError) -> str:
    """Return the class and message of a Java exception in one line."""
    cause = error.java_exception
    return f"{cause.getClass().getSimpleName()}: {str(cause.getMessage()).splitlines()[0]}"


def read_bytes(spark: SparkSession, path: str, most: int = -1) -> bytes:
    """Return the file's content, at most `most` bytes of it unless that is -1.

    Raise OSError with the reason if it cannot be read.
    """
    try:
        system, hadoop_path = file_system(spark, path)
        stream = system.open(hadoop_path)
        try:
            jvm: Any = spark._jvm
            bounded = jvm.org.apache.commons.io.input.BoundedInputStream(stream, most)
            return bytes(jvm.org.apache.commons.io.IOUtils.toByteArray(bounded))
        finally:
            stream.close()
    except Py4JJavaError as error:
        raise OSError(reason(error)) from None


def write_bytes(spark: SparkSession, path: str, content: bytes) -> None:
    """Write the file whole or not at all, creating its folders.

    Raise OSError with the reason if it cannot be written.
    """
    try:
        system, target = file_system(spark, path)
        temporary = target.suffix(".writing")
        stream = system.create(temporary, True)
        stream.write(bytearray(content))
        stream.close()
        system.delete(target, False)
        if not system.rename(temporary, target):
            raise OSError(f"cannot rename {temporary} to {target}")
    except Py4JJavaError as error:
        raise OSError(reason(error)) from None


def version(spark: SparkSession, path: str) -> tuple[int, int] | None:
    """Return the file's modification time (ms) and size (bytes), None if there is no such file."""
    try:
        system, hadoop_path = file_system(spark, path)
        status = system.getFileStatus(hadoop_path)
        return status.getModificationTime(), status.getLen()
    except Py4JJavaError:
        return None


def make_folder(spark: SparkSession, path: str) -> None:
    """Create the folder and prove that it is writable; raise OSError with the reason if it is not."""
    probe = f"{path.rstrip('/')}/.writable"
    write_bytes(spark, probe, b"")
    delete(spark, probe)


def make_parent(spark: SparkSession, path: str) -> None:
    """Create the folder that holds `path`; raise OSError with the reason if that fails."""
    try:
        system, hadoop_path = file_system(spark, path)
        system.mkdirs(hadoop_path.getParent())
    except Py4JJavaError as error:
        raise OSError(reason(error)) from None


def names(spark: SparkSession, folder: str) -> list[str]:
    """Return the names in a folder, in any order; none if there is no such folder.

    Raise OSError with the reason if it cannot be listed.
    """
    try:
        system, hadoop_path = file_system(spark, folder)
        there = system.listStatus(hadoop_path) if system.exists(hadoop_path) else ()
        return [str(status.getPath().getName()) for status in there]
    except Py4JJavaError as error:
        raise OSError(reason(error)) from None


def is_empty(spark: SparkSession, path: str) -> bool:
    """Return whether there is no file at or below `path`; raise OSError if that cannot be determined."""
    try:
        system, hadoop_path = file_system(spark, path)
        return not system.exists(hadoop_path) or system.getContentSummary(hadoop_path).getFileCount() == 0
    except Py4JJavaError as error:
        raise OSError(reason(error)) from None


def literal(path: str) -> str:
    """Return the glob pattern that matches only this path, because Spark reads paths as patterns."""
    return re.sub(r"([\\{}\[\]*?])", r"\\\1", path)


def matching(spark: SparkSession, pattern: str) -> list[str]:
    """Return the paths that match a glob pattern, in any order."""
    system, hadoop_pattern = file_system(spark, pattern)
    return [str(status.getPath().toString()) for status in system.globStatus(hadoop_pattern) or ()]


def delete(spark: SparkSession, path: str) -> bool:
    """Delete the file or the whole folder at `path` and return whether there was one.

    Raise OSError with the reason if it cannot be deleted.
    """
    try:
        system, hadoop_path = file_system(spark, path)
        return bool(system.delete(hadoop_path, True))
    except Py4JJavaError as error:
        raise OSError(reason(error)) from None
