"""Java's class archive (AppCDS): Spark's classes are mapped from one file instead of loaded from 200 jars.

A session starts in half the time. Nobody makes the archive on a laptop: the JVM of the first session
without jar sets, such as the demo's, leaves it when it ends, after the job's own process; later ones take it.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pyspark

from jobs.engine import jar_files

VARIABLE = "TWINSTREAM_CLASS_ARCHIVE"
"""The environment variable that names another file than `place`."""
OLDEST_JAVA = 13
"""The first Java that archives the classes of a running application."""
SETTLED_SECONDS = 60
"""How old a file is that no JVM still writes."""
_QUIET = ("-Xlog:cds=off", "-Xlog:cds+dynamic=off")


def options(java_home: Path, *, bare: bool) -> tuple[str, ...]:
    """Return the options for a JVM that takes the archive, or leaves it at its end if there is none.

    Only a `bare` one, without a job's jars, leaves it: another's would need the same jars. None
    are returned for a Java or a folder in which there can be no archive.
    """
    archive = place(java_home)
    if archive is None:
        return ()
    if archive.exists() or adopt(archive):
        return taking(archive)
    if not bare:
        return ()
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return ()
    return leaving(archive) if os.access(archive.parent, os.W_OK) else ()


def taking(archive: Path) -> tuple[str, ...]:
    """Return the options for a JVM that takes this archive.

    It ignores one that does not match its own release or the beginning of its class path.
    """
    return (f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", *_QUIET)


def leaving(archive: Path) -> tuple[str, ...]:
    """Return the options for a JVM that leaves the archive at its end, for `adopt`."""
    return (f"-XX:ArchiveClassesAtExit={archive}.{uuid.uuid4().hex}", *_QUIET)


def place(java_home: Path) -> Path | None:
    """Return the archive's file for this Java and this Spark; None if this Java makes none."""
    release = _release(java_home)
    version = re.search(r'^JAVA_VERSION="(\d+)', release, re.MULTILINE)
    if not version or int(version[1]) < OLDEST_JAVA:
        return None
    if given := os.environ.get(VARIABLE):
        return Path(given)
    installation, releases = map(_digest, (pyspark.__file__, f"{pyspark.__version__} {release}"))
    return jar_files.directory() / "classes" / f"{installation}-{releases}.jsa"


def adopt(archive: Path, settled: float = SETTLED_SECONDS) -> bool:
    """Rename the file that a JVM has left to `archive`, one of several; return whether there was any.

    A file counts as left if it is older than `settled` seconds. The archives of earlier releases are deleted.
    """
    latest, adopted = time.time() - settled, False
    for file in archive.parent.glob(f"{archive.name}.*"):
        with suppress(FileNotFoundError):  # another session has taken it
            if file.stat().st_mtime <= latest:
                file.replace(archive)
                adopted = True
    if adopted:
        for other in archive.parent.glob(f"{archive.name.partition('-')[0]}-*.jsa"):
            if other != archive:
                other.unlink(missing_ok=True)
    return adopted


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _release(java_home: Path) -> str:
    try:
        return (java_home / "release").read_text()
    except OSError:
        return ""
