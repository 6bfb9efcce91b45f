"""``gs://`` inside Spark: Hadoop's view file system, which shows a bucket's folder under the bucket's name.

Hadoop reads the mount table when a bucket is first used, so a driver also sees buckets created after it
started. Underneath is a local file system that writes no checksum files, because they would become objects.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

from dataproc_emulator.files import Files


def settings(files: Files, spark: str) -> dict[str, str]:
    """Return the settings that a driver of a Spark release needs; ``jar`` must be on every class path."""
    view = "org.apache.hadoop.fs.viewfs.ViewFileSystem"
    package = "streaming" if spark.startswith("3.") else "streaming.checkpointing"
    manager = f"org.apache.spark.sql.execution.{package}.FileSystemBasedCheckpointFileManager"
    return {
        "spark.hadoop.fs.file.impl": "com.globalmentor.apache.hadoop.fs.NakedLocalFileSystem",
        "spark.hadoop.fs.gs.impl": f"{view}OverloadScheme",
        # If a bucket does not exist, this file system is asked and reports that the mount is missing.
        "spark.hadoop.fs.viewfs.overload.scheme.target.gs.impl": view,
        "spark.hadoop.fs.viewfs.mounttable.path": _table(files).as_uri(),
        "spark.sql.streaming.checkpointFileManagerClass": manager,
        # A Cloud Storage object appears whole; a file does so if it is renamed into place.
        "spark.delta.logStore.gs.impl": "io.delta.storage.LocalLogStore",
    }


def mount(files: Files, buckets: Iterable[str]) -> None:
    """Make these the buckets that every driver sees, in one atomic step."""
    lines = [
        f"<property><name>fs.viewfs.mounttable.{bucket}.linkFallback</name>"
        f"<value>{escape((files.buckets / bucket).as_uri())}</value></property>"
        for bucket in buckets
    ]
    table = _table(files)
    fresh = table.with_suffix(".new")
    fresh.write_text("\n".join(["<configuration>", *lines, "</configuration>\n"]))
    fresh.replace(table)


def jar(jars: Path) -> Path:
    """Return the local file system's jar from the sets in ``jars``.

    Raise FileNotFoundError, with the remedy, if it is missing.
    """
    for found in (jars / "local").glob("hadoop-bare-naked-local-fs-*.jar"):
        return found.absolute()
    raise FileNotFoundError(
        f"no hadoop-bare-naked-local-fs jar in {jars / 'local'}; expected the jar set 'local'; "
        "remedy: twinstream jars local"
    )


def jars_directory() -> Path:
    """Return the directory of the jar sets: TWINSTREAM_JARS if set, otherwise `.jars` in the checkout."""
    return Path(os.environ.get("TWINSTREAM_JARS") or Path(__file__).parents[3] / ".jars")


def _table(files: Files) -> Path:
    # Hadoop requires a name of this form: the number is a version, and the highest in a folder counts.
    return files.spark / "mount-table.1.xml"
