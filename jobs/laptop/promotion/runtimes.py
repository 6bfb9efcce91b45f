"""The facts in `runtimes.toml`: Google's runtimes, the jars' requirements, and Google's announcements."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

PREFERRED = "2.3-debian12"
"""The image that runs every source."""
_IMAGE = re.compile(r"(\d+\.\d+)(?:\.\d+)?(-[a-z]+\d+)")


@dataclass(frozen=True)
class Runtime:
    """An image of Dataproc clusters, or a runtime of Google's serverless Spark.

    `spark`, `scala` and `python` are `major.minor`; `java` is the feature release. `brings`: the jar sets
    that it already includes. A missing `python` or date is unknown.
    """

    name: str
    spark: str
    scala: str
    java: int
    brings: tuple[str, ...]
    source: str
    as_of: date
    python: str | None = None
    supported_until: date | None = None
    available_until: date | None = None


@dataclass(frozen=True)
class Connector:
    """The requirements of a jar set: one of these Spark versions, this Scala, and at least this Java.

    `properties`: Spark's settings on a cluster, where jars come by `--jars`, that make it load them.
    `bundled`: what it contains of Spark's own classes, which must not be loaded before Spark's.
    """

    name: str
    spark: tuple[str, ...]
    scala: str
    java: int
    source: str
    as_of: date
    properties: Mapping[str, str] = field(default_factory=dict)
    bundled: str = ""


@dataclass(frozen=True)
class Statement:
    """An announcement, for people to read."""

    says: str
    source: str
    as_of: date


def images() -> dict[str, Runtime]:
    """Return the cluster images by name, oldest first."""
    return {name: _runtime(name, facts) for name, facts in _facts()["image"].items()}


def serverless() -> dict[str, Runtime]:
    """Return the runtimes of serverless Spark by version, oldest first."""
    return {name: _runtime(f"serverless {name}", facts) for name, facts in _facts()["serverless"].items()}


def image(version: str) -> Runtime | None:
    """Return the image of a version, possibly a sub-minor one (2.3.12-debian12); None if it is unknown."""
    match = _IMAGE.fullmatch(version)
    return images().get(match[1] + match[2]) if match else None


def connector(jar_set: str) -> Connector:
    """Return the jar set's requirements; raise KeyError for a set without facts."""
    facts = _facts()["connector"][jar_set]
    return Connector(jar_set, **{**facts, "spark": tuple(facts["spark"])})


def statement(source: str) -> Statement | None:
    """Return the announcement about a source; None if there is none."""
    facts = _facts()["statement"].get(source)
    return Statement(**facts) if facts else None


def _runtime(name: str, facts: dict[str, Any]) -> Runtime:
    return Runtime(name, **{**facts, "brings": tuple(facts["brings"])})


@cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("runtimes.toml").read_text())
