"""The class by which a node admits Google's tokens, compiled on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

_SOURCE = Path(__file__).with_name("GoogleTokens.java")
_COMPILER = "org.codehaus.commons.compiler.samples.CompilerDemo"


def compiled(folder: Path, java: str, jars: Path, spark: Path, environment: Mapping[str, str]) -> Path:
    """Return ``folder`` with the class in it, compiled by the Janino of ``spark`` against Kafka's ``jars``.

    A Java that only runs programs has no compiler of its own. Raise OSError if it does not compile.
    """
    target = folder / "dataproc" / "GoogleTokens.class"
    if target.is_file():
        return folder
    folder.mkdir(exist_ok=True)
    path = [*(spark / "jars").glob("janino-*.jar"), *(spark / "jars").glob("commons-compiler-*.jar")]
    command = [java, "-cp", ":".join(map(str, path)), _COMPILER, "-d", str(folder)]
    clients = ":".join(map(str, jars.glob("kafka-clients-*.jar")))
    done = subprocess.run(
        [*command, "-classpath", clients, str(_SOURCE)],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if not target.is_file():
        raise ChildProcessError(f"{_SOURCE.name} did not compile: {done.stdout}{done.stderr}".strip())
    return folder
