"""Diagnoses of what runs Spark here: Python, Java, and the match of jars, Scala and Spark."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jobs.engine import jar_files
from jobs.engine.java import NoJava, java_home
from jobs.laptop.doctor.diagnosis import Diagnosis, fault, fault_of, ok
from jobs.laptop.jars import FOR_JOBS

PYTHON, SPARK = (3, 11), "3.5.3"
"""The versions in Dataproc image 2.3 (jobs/laptop/promotion/runtimes.toml)."""
INSTALL = "make demo makes the right environment"


def python() -> Iterator[Diagnosis]:
    """Check that this is the Python version that Dataproc runs."""
    here = sys.version_info[:2]
    seen = f"Python: {here[0]}.{here[1]}"
    yield ok(seen) if here == PYTHON else fault(f"{seen}; expected {PYTHON[0]}.{PYTHON[1]}", INSTALL)


def java() -> Iterator[Diagnosis]:
    """Check that there is a Java that Spark supports."""
    try:
        yield ok(f"Java: {java_home()}")
    except NoJava as none:
        yield fault_of("Java", none)


def jars() -> Iterator[Diagnosis]:
    """Check that the Spark and Scala versions are those the jars are for, and that every set is complete."""
    try:
        here = version("pyspark")
    except PackageNotFoundError:
        yield fault("Spark: no pyspark", INSTALL)
        return
    scala = _scala()
    seen = f"Spark: {here}, Scala {scala or 'unknown'}"
    yield ok(seen) if here == SPARK else fault(f"{seen}; expected {SPARK}", INSTALL)
    for name in FOR_JOBS:
        try:
            files = jar_files.jars(name)
        except jar_files.MissingJars as missing:
            yield fault_of(f"jars {name}", missing)
            continue
        other = [file.name for file in files if (of := _scala_of(file)) and of != scala]
        if other:
            yield fault(f"jars {name}: {other[0]} is not for Scala {scala}", f"twinstream jars {name}")
        else:
            yield ok(f"jars {name}: {len(files)}")


def _scala() -> str:
    """Return Spark's own Scala version: 2.12 or 2.13."""
    import pyspark

    library = next(Path(pyspark.__file__).parent.glob("jars/scala-library-*.jar"), None)
    found = re.search(r"-(\d+\.\d+)\.", library.name) if library else None
    return found[1] if found else ""


def _scala_of(jar: Path) -> str:
    found = re.search(r"_(2\.1\d)-", jar.name)
    return found[1] if found else ""
