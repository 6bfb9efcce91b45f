"""Checks that the runtime can run the code, its jars and its stream."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from jobs.engine.jar_files import MissingJars, built_for, jars
from jobs.laptop.promotion.promotion import Promotion
from jobs.laptop.promotion.runtimes import (
    PREFERRED,
    Connector,
    Runtime,
    connector,
    images,
    serverless,
    statement,
)
from sources.google_cloud import Finding, refused, warning

PYTHON = (3, 11)
"""The oldest Python that the code runs on, because of `datetime.UTC` and `typing.Self`."""
USE_PREFERRED = f"--image-version {PREFERRED}"


def known_runtime(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse a missing or unknown image or runtime: an unpinned cluster gets the newest image."""
    target = promotion.target
    if target.serverless and not promotion.runtime:
        known = ", ".join(serverless())
        yield refused(f"--serverless {target.serverless}", f"unknown; expected one of {known}", USE_PREFERRED)
    elif not target.serverless and not target.image_version:
        newest = list(images().values())[-1]
        yield refused(
            "--image-version",
            f"not given, and a cluster without one gets the newest image, now {newest.name} with Spark "
            f"{newest.spark} and Scala {newest.scala}",
            USE_PREFERRED,
        )
    elif not promotion.runtime:
        known = ", ".join(images())
        yield refused(
            f"--image-version {target.image_version}",
            f"unknown; expected one of {known}, or a sub-minor one such as 2.3.12-debian12",
            USE_PREFERRED,
        )


def supported_runtime(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse runtimes that Google no longer supports."""
    runtime = promotion.runtime
    if runtime and runtime.supported_until and today > runtime.supported_until:
        yield refused(
            runtime.name,
            f"Google's support ended on {runtime.supported_until} ({runtime.source}, read {runtime.as_of})",
            USE_PREFERRED,
        )


def no_batch_runtime(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse serverless runtimes: a serverless batch ends after its ttl and is never restarted."""
    if promotion.target.serverless:
        yield refused(
            f"--serverless {promotion.target.serverless}",
            "a serverless batch is cut after its ttl (4 hours unless told otherwise) and has no restarts; "
            "expected a cluster",
            USE_PREFERRED,
        )


def python_of_the_code(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse runtimes whose Python is too old for the code."""
    runtime = promotion.runtime
    if runtime and runtime.python and _release(runtime.python) < PYTHON:
        expected = ".".join(map(str, PYTHON))
        yield refused(
            runtime.name,
            f"has Python {runtime.python}; expected {expected} or newer, which the code is written for",
            USE_PREFERRED,
        )


def jars_fit(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse jars that are not built for the runtime's Spark, Scala and Java."""
    if runtime := promotion.runtime:
        for name in promotion.shipped_sets:
            facts = connector(name)
            if misfits := list(_misfits(facts, runtime)):
                needed, had = (" and ".join(side) for side in zip(*misfits, strict=True))
                why = f"the {name} jars need {needed}, the runtime has {had} ({facts.source})"
                yield refused(f"{_user(promotion, name)} on {runtime.name}", why, USE_PREFERRED)


def jars_go_together(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse jars that contain classes of Spark's own beside jars that must be loaded before Spark's."""
    sets = [connector(name) for name in promotion.shipped_sets]
    first = [one.name for one in sets if any("userClassPathFirst" in name for name in one.properties)]
    for one in sets:
        if one.bundled and first:
            yield refused(
                f"{_user(promotion, one.name)} with the {first[0]} jars",
                f"the {one.name} jars bring a {one.bundled} of their own, and the {first[0]} jars need all "
                "jars loaded before Spark's: no executor could register",
                "a sink other than Managed Kafka, or --source kafka",
            )


def jars_there(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse jar sets missing on this machine, which stages them, because a cluster cannot reach Maven."""
    for name in promotion.shipped_sets:
        try:
            jars(name)
        except MissingJars as missing:
            why = f"{missing.problem}; expected {missing.expected}"
            yield refused(_user(promotion, name), why, missing.remedy)


def announced_end(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Warn about what Google has announced about the source; nothing is computed from it."""
    if said := statement(promotion.invocation.source.name):
        yield warning(
            f"--source {promotion.invocation.source.name}",
            f"{said.says} ({said.source}, read {said.as_of})",
            "the same job with --source kafka on Managed Service for Apache Kafka",
        )


def _misfits(needs: Connector, runtime: Runtime) -> Iterator[tuple[str, str]]:
    """Yield each thing that the jars need and what the runtime has instead."""
    if runtime.scala != needs.scala:
        yield f"Scala {needs.scala}", f"Scala {runtime.scala}"
    if runtime.spark not in needs.spark:
        yield f"Spark {' or '.join(needs.spark)}", f"Spark {runtime.spark}"
    if runtime.java < needs.java:
        yield f"Java {needs.java} or newer", f"Java {runtime.java}"


def _user(promotion: Promotion, jar_set: str) -> str:
    """Return the flag that requires the jar set."""
    source, sink = promotion.invocation.source, promotion.invocation.sink
    of_source, of_sink = source.it.jars(source.options), sink.it.jars(sink.options)
    spark = promotion.runtime.spark if promotion.runtime else ""
    by_sink = jar_set in {built_for(spark, name) for name in set(of_sink) - set(of_source)}
    return f"--sink {sink.name}" if by_sink else f"--source {source.name}"


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


CHECKS = (
    known_runtime,
    supported_runtime,
    no_batch_runtime,
    python_of_the_code,
    jars_fit,
    jars_go_together,
    jars_there,
    announced_end,
)
