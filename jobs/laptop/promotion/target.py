"""The target of a job on Google Cloud: the flags of `plan` and `submit`, in addition to the job's own."""

from __future__ import annotations

import os
import re
from argparse import ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from sources.flags import Parser, add_flag
from sources.google_cloud import Cloud

ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_DATAPROC"
"""The variable that points gcloud to a Dataproc other than Google's: set for a rehearsal."""
NEEDED = ("cluster", "region", "bucket")


@dataclass(frozen=True)
class Target:
    """The cluster, what it runs, and how a driver is treated there; None: not given.

    `package`: the folder of an older package to submit again. `rehearsal`: gcloud is directed to a Dataproc
    on this machine, so anything local to this machine is local to the cluster.
    """

    cluster: str
    region: str
    bucket: str
    image_version: str | None
    serverless: str | None
    project: str | None
    project_number: str | None
    scopes: str
    subnet: str
    service_account: str | None
    kafka_cluster: str | None
    max_failures_per_hour: int | None
    labels: dict[str, str]
    properties: dict[str, str]
    package: Path | None
    output: Path
    rehearsal: bool = False

    @property
    def cloud(self) -> Cloud:
        """Return the target as sources and sinks know it."""
        return Cloud(
            region=self.region,
            subnet=self.subnet,
            root=self.root,
            project=self.project,
            project_number=self.project_number,
            kafka_cluster=self.kafka_cluster,
            rehearsal=self.rehearsal,
        )

    @property
    def root(self) -> str:
        """Return the folder of everything that belongs to twinstream in the bucket."""
        return f"gs://{self.bucket}/twinstream"


def parser(command: str) -> Parser:
    """Return the parser of the flags that define a job's target."""
    flags = Parser(
        prog=f"twinstream {command} JOB",
        usage="%(prog)s --cluster C --region R --bucket B --image-version V [FLAG ...] [the job's flags]",
        epilog="The job's own flags are those of `twinstream run JOB --help`.",
    )
    add_flag(flags, "--cluster", help="Dataproc cluster to run on")
    add_flag(flags, "--region", help="region of the cluster, such as us-central1")
    add_flag(flags, "--bucket", help="bucket for packages, checkpoints and driver output", type=_bucket)
    add_flag(flags, "--image-version", help="image version of the cluster, such as 2.3-debian12")
    add_flag(
        flags,
        "--serverless",
        help="check a Dataproc Serverless runtime instead (always refused, with the reason)",
    )
    add_flag(flags, "--project", help="project id (default: the one that gcloud is set to)")
    add_flag(flags, "--project-number", help="project number, required by Pub/Sub Lite")
    add_flag(flags, "--scopes", help="OAuth scopes for --create-cluster", default="cloud-platform")
    add_flag(flags, "--subnet", help="subnetwork for --create-cluster", default="default")
    add_flag(
        flags,
        "--service-account",
        help="service account of the cluster's machines (default: that of Compute Engine)",
    )
    add_flag(
        flags, "--kafka-cluster", help="Managed Service for Apache Kafka cluster to read, created if missing"
    )
    add_flag(flags, "--max-failures-per-hour", help="how often to restart a failed driver", type=_whole)
    add_flag(flags, "--labels", help="labels of the job: K=V,K=V", default="", type=pairs)
    add_flag(
        flags,
        "--properties",
        help="properties for Spark: K=V,K=V, or as in `gcloud topic escaping`",
        default="",
        type=pairs,
    )
    add_flag(flags, "--package", help="directory of an older package to submit again", type=Path)
    add_flag(flags, "--output", help="directory of all packages", default="dist", type=Path)
    return flags


def parse(flags: Parser, arguments: Sequence[str]) -> tuple[Target, list[str], Namespace]:
    """Return the target, the job's arguments, and all options of `flags`.

    Everything that is not a flag of the target, and everything after `--`, belongs to the job. Exit with code
    2 and a one-line message if a required flag is missing.
    """
    own, _, after = _partition(arguments)
    known, others = flags.parse_known_args(own)
    if missing := [f"--{name}" for name in NEEDED if not getattr(known, name)]:
        flags.error(f"{', '.join(missing)}: not given; expected where the job goes")
    given = {field.name: getattr(known, field.name) for field in fields(Target) if field.name != "rehearsal"}
    return Target(**given, rehearsal=_here()), [*others, *after], known


def pairs(text: str) -> dict[str, str]:
    """Parse `a=b,c=d`, or `^#^a=b#c=d` with another separator, into a mapping, as gcloud does."""
    escaped = re.match(r"\^(.+?)\^", text)
    separator, rest = (escaped[1], text[escaped.end() :]) if escaped else (",", text)
    found = {}
    for pair in rest.split(separator) if rest else ():
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise ArgumentTypeError(f"{pair!r} in {text!r}: expected NAME=VALUE,NAME=VALUE")
        found[name] = value
    return found


def joined(mapping: dict[str, str]) -> str:
    """Format the mapping as one gcloud flag, with a separator that does not occur in it."""
    texts = [f"{name}={value}" for name, value in mapping.items()]
    separator = next(mark for mark in (",", "#", ";", "@@", "||") if not any(mark in text for text in texts))
    return ",".join(texts) if separator == "," else f"^{separator}^{separator.join(texts)}"


def _partition(arguments: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    own = list(arguments)
    at = own.index("--") if "--" in own else len(own)
    return own[:at], own[at : at + 1], own[at + 1 :]


def _here() -> bool:
    return os.environ.get(ENDPOINT, "").startswith("http://")  # Google's own endpoint speaks only https


def _bucket(text: str) -> str:
    return text.removeprefix("gs://").rstrip("/")


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r}: expected a whole number")
    return int(text)
