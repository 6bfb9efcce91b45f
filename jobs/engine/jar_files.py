"""The jar sets that Spark does not ship: which there are, and where their files lie.

docker/spark/ivy.xml says what a set is made of, docker/spark/jars.sha256 what each file must be. A set is a
folder of that name in `directory()`; it appears there whole or not at all (`twinstream jars`).
"""

from __future__ import annotations

import os
from pathlib import Path

from sources.fault import Fault

CHECKOUT = Path(__file__).parents[2]
LOCK_FILE = CHECKOUT / "docker" / "spark" / "jars.sha256"


class MissingJars(Fault):
    """A jar set is missing or incomplete."""


def directory(given: str | Path | None = None) -> Path:
    """Return the sets' folder: `given`, otherwise $TWINSTREAM_JARS, otherwise `.jars` in the checkout."""
    return Path(given or os.environ.get("TWINSTREAM_JARS") or CHECKOUT / ".jars").absolute()


def known() -> dict[str, dict[str, str]]:
    """Return every set that jars.sha256 records: its file names, each with its SHA-256."""
    sets: dict[str, dict[str, str]] = {}
    for line in LOCK_FILE.read_text().splitlines():
        digest, path = line.split()
        name, file = path.split("/")
        sets.setdefault(name, {})[file] = digest
    return sets


def built_for(spark: str, name: str) -> str:
    """Return the variant of the set `name` for a Spark release such as 4.1.2.

    That is `NAME-spark-4.1` if there is such a set, otherwise `name` itself.
    """
    own = f"{name}-spark-{'.'.join(spark.split('.')[:2])}"
    return own if own in known() else name


def files(name: str) -> dict[str, str]:
    """Return the files of a set, each with its SHA-256; raise ValueError if there is no such set."""
    sets = known()
    if name not in sets:
        raise ValueError(f"no set of jars named {name!r}; expected one of: {', '.join(sets)}")
    return sets[name]


def jars(name: str, where: str | Path | None = None) -> list[Path]:
    """Return the files of a set, sorted, without fetching any.

    Raise MissingJars, which names the command that fetches them, if a file is missing.
    """
    folder, recorded = directory(where) / name, files(name)
    if missing := [file for file in recorded if not (folder / file).is_file()]:
        count = f"{len(missing)} of {len(recorded)} jars"
        raise MissingJars(
            f"{count} of the set {name!r} are not in {folder} ({missing[0]} …)",
            expected="all that docker/spark/jars.sha256 lists",
            remedy=f"twinstream jars {name}",
        )
    return sorted(folder / file for file in recorded)
