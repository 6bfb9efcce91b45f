"""Checks that Dataproc accepts the submission and treats its driver as a stream requires."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from jobs.laptop.promotion.package import PackageError, load
from jobs.laptop.promotion.promotion import Promotion
from sources.google_cloud import Finding, refused, warning

MOST_RESTARTS = 10
"""Per hour: Dataproc's own limit."""
_NAMES = {
    "cluster": (
        r"[a-z]([a-z0-9-]{0,50}[a-z0-9])?",
        "lower-case letters, digits and -, such as spark-streaming",
    ),
    "region": (r"[a-z]+-[a-z]+[0-9]+", "a region such as us-central1"),
    "bucket": (r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", "a bucket's name, such as my-bucket"),
    "project": (r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]", "a project's id"),
    "project_number": (r"[0-9]+", "a number"),
}
_LABEL = (re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}"))
_FETCHING = ("spark.jars.packages", "spark.jars.repositories", "spark.jars.ivy", "spark.jars.ivySettings")
_SECRET = re.compile(r"(?i)password|secret|token|private.?key|credentials")


def names_as_google_takes_them(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse names that Google's services do not accept."""
    for field, (pattern, expected) in _NAMES.items():
        name, flag = getattr(promotion.target, field), "--" + field.replace("_", "-")
        if name and not re.fullmatch(pattern, name):
            yield refused(f"{flag} {name}", f"expected {expected}", f"{flag} {_mended(field, name)}")


def scopes(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse scopes that do not cover the job's needs: the defaults leave out Pub/Sub Lite and Kafka."""
    asked = promotion.target.scopes
    if not any(scope.rpartition("/")[2] == "cloud-platform" for scope in asked.split(",")):
        yield refused(
            f"--scopes {asked}",
            "the machines could not log in to Pub/Sub Lite or Managed Kafka; expected cloud-platform",
            "--scopes cloud-platform",
        )


def restarts(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse too many restarts, none for an endless driver, or any for one that ends with exit code 0.

    Dataproc never restarts a driver that exits with 0.
    """
    asked = promotion.restarts
    if asked > MOST_RESTARTS:
        yield refused(
            f"--max-failures-per-hour {asked}",
            f"Dataproc takes at most {MOST_RESTARTS}",
            f"--max-failures-per-hour {MOST_RESTARTS}",
        )
    elif promotion.endless and not asked:
        yield refused(
            "--max-failures-per-hour 0",
            "a driver that fails would stay down; expected 1 to 10 for an endless stream",
            "--max-failures-per-hour 5",
        )
    elif not promotion.endless and asked:
        yield refused(
            f"--trigger available-now --max-failures-per-hour {asked}",
            "such a driver exits with 0 when it has read what is there, and Dataproc restarts failures only",
            "--trigger continuous-batches, or leave --max-failures-per-hour out for one run",
        )


def one_run(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Warn about a run that ends instead of a stream that continues."""
    if not promotion.endless:
        yield warning(
            "--trigger available-now",
            "the driver reads what is there, exits with 0 and is not started again",
            "--trigger continuous-batches for a stream that goes on",
        )


def labels(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse labels that Google does not accept."""
    for name, value in promotion.target.labels.items():
        if not (_LABEL[0].fullmatch(name) and _LABEL[1].fullmatch(value)):
            yield refused(
                f"--labels {name}={value}",
                "expected lower-case letters, digits, - and _, 63 at most, the name with a letter first",
                f"--labels {_label(name)}={_label(value)}",
            )


def jars_from_the_bucket(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse to fetch jars at the start, because a cluster's machines cannot reach the internet."""
    for name in promotion.target.properties.keys() & set(_FETCHING):
        yield refused(
            f"--properties {name}={promotion.target.properties[name]}",
            "machines without external addresses cannot fetch it, and the job hangs at its start",
            "leave it out: the plan stages the jars on gs:// and names them by --jars",
        )


def no_secret_in_sight(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse secrets that `jobs describe`, logs and process lists would show."""
    shown = promotion.target.properties | promotion.target.labels
    for name in (name for name, value in shown.items() if _SECRET.search(f"{name}={value}")):
        yield refused(
            f"{name}=…",
            "looks like a secret, and all who may see the job would read it",
            "the machines' service account (--service-account), or Secret Manager",
        )


def package_is_whole(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse an older package that does not match its manifest or lacks jars of this source and sink."""
    if not (folder := promotion.target.package):
        return
    try:
        sets = {name.partition("/")[0] for name in load(folder).jars}
    except PackageError as error:
        yield refused(f"--package {error.path}", f"{error.reason}; expected {error.expected}", error.remedy)
        return
    if lacking := set(promotion.shipped_sets) - sets:
        yield refused(
            f"--package {folder}",
            f"lacks the jars {', '.join(sorted(lacking))} of this source and sink",
            "leave --package out, or the flags that it was made with",
        )


def environment_stays_here(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Warn about flag defaults from this machine's environment, which the cluster does not have."""
    for name in promotion.left_behind:
        flag = "--" + name.partition("_")[2].lower().replace("_", "-")
        yield warning(name, "set here, but not on the cluster, and left out", f"{flag} on the command line")


def _mended(field: str, name: str) -> str:
    """Return the name that was probably meant."""
    if field == "region":
        return re.sub(r"-[a-z]$", "", name)
    return field.upper()


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:63]


CHECKS = (
    names_as_google_takes_them,
    scopes,
    restarts,
    one_run,
    labels,
    jars_from_the_bucket,
    no_secret_in_sight,
    package_is_whole,
    environment_stays_here,
)
