"""Staging of a job's files on the driver's machine, and the spark-submit arguments that run them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dataproc_emulator.buckets import Buckets
from dataproc_emulator.errors import ApiError

_LISTS = {
    "--py-files": ("pythonFileUris", "python"),
    "--jars": ("jarFileUris", "jars"),
    "--files": ("fileUris", "work"),
    "--archives": ("archiveUris", "archives"),
}


def stage(job: Mapping[str, Any], buckets: Buckets, folder: Path) -> list[str]:
    """Copy the files of a ``pysparkJob`` below ``folder`` and return spark-submit's arguments.

    The entry file is alone in ``entry``; ``--files`` are in ``work``, where the driver runs. Raise ApiError
    if a file in a bucket does not exist.
    """
    arguments: list[str] = []
    for option, (field, place) in _LISTS.items():
        (folder / place).mkdir(parents=True)
        paths = [_bring(uri, buckets, folder / place) for uri in job.get(field, ())]
        if paths:
            arguments += [option, ",".join(map(str, paths))]
    for name, value in job.get("properties", {}).items():
        arguments += ["--conf", f"{name}={value}"]
    (folder / "entry").mkdir()
    entry = _bring(job["mainPythonFileUri"], buckets, folder / "entry")
    return [*arguments, str(entry), *job.get("args", ())]


def log_levels(job: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Return the driver's environment for ``--driver-log-levels``; empty if none are given."""
    levels: Mapping[str, str] = job.get("loggingConfig", {}).get("driverLogLevels", {})
    if not levels:
        return {}
    lines = [
        f"rootLogger.level={levels.get('root', 'INFO')}",
        "rootLogger.appenderRef.console.ref=console",
        "appender.console.type=Console",
        "appender.console.name=console",
        "appender.console.target=SYSTEM_ERR",
        "appender.console.layout.type=PatternLayout",
        "appender.console.layout.pattern=%d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex",
    ]
    packages = [name for name in levels if name != "root"]
    for number, name in enumerate(packages):
        lines += [f"logger.n{number}.name={name}", f"logger.n{number}.level={levels[name]}"]
    file = folder / "log4j2.properties"
    file.write_text("\n".join(lines) + "\n")
    return {"LOG4J_CONFIGURATION_FILE": str(file)}


def _bring(uri: str, buckets: Buckets, folder: Path) -> Path:
    """Return a file for ``uri``: a copy in ``folder`` of what is in a bucket, or the local file itself."""
    if uri.startswith("file:"):
        return Path(uri.removeprefix("file:").replace("//", "", 1))
    if not uri.startswith("gs://"):
        raise ApiError("INVALID_ARGUMENT", f"{uri}: only gs:// and file:// can be reached here")
    source = buckets.from_uri(uri)
    return Path(shutil.copyfile(source, folder / uri.rpartition("/")[2]))
