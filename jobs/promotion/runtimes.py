"""The facts of `runtimes.toml`: Google's runtimes, what the jars need, and what Google has announced."""

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
    """An image of Dataproc's clusters, or a runtime of Google's serverless Spark.

    `spark`, `scala` and `python` are `major.minor`, `java` is the feature release. `brings`: the jar sets
    that are there already. No `python` and no date: unknown.
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
    """What a jar set needs: one of these Sparks, this Scala, this Java or a newer one.

    `properties`: what Spark is told on a cluster, where jars come by `--jars`, so that it loads them.
    """

    name: str
    spark: tuple[str, ...]
    scala: str
    java: int
    source: str
    as_of: date
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Service:
    """A service of Google's that a job reads or writes: its API, and the roles of the job's account."""

    api: str
    roles: tuple[str, ...]
    source: str
    as_of: date


@dataclass(frozen=True)
class Statement:
    """What somebody has announced, for a person to read."""

    says: str
    source: str
    as_of: date


def images() -> dict[str, Runtime]:
    """The images of clusters by name, oldest first."""
    return {name: _runtime(name, facts) for name, facts in _facts()["image"].items()}


def serverless() -> dict[str, Runtime]:
    """The runtimes of serverless Spark by version, oldest first."""
    return {name: _runtime(f"serverless {name}", facts) for name, facts in _facts()["serverless"].items()}


def image(version: str) -> Runtime | None:
    """The image of a version, which may be a sub-minor one (2.3.12-debian12); None for an unknown one."""
    match = _IMAGE.fullmatch(version)
    return images().get(match[1] + match[2]) if match else None


def connector(jar_set: str) -> Connector:
    """What the jar set needs; raises KeyError for a set without facts."""
    facts = _facts()["connector"][jar_set]
    return Connector(jar_set, **{**facts, "spark": tuple(facts["spark"])})


def service(name: str) -> Service:
    """The service; raises KeyError for one without facts."""
    facts = _facts()["service"][name]
    return Service(**{**facts, "roles": tuple(facts["roles"])})


def statement(source: str) -> Statement | None:
    """What was announced about a source; None where nothing was."""
    facts = _facts()["statement"].get(source)
    return Statement(**facts) if facts else None


def _runtime(name: str, facts: dict[str, Any]) -> Runtime:
    return Runtime(name, **{**facts, "brings": tuple(facts["brings"])})


@cache
def _facts() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("runtimes.toml").read_text())
