"""The target of a job on Google Cloud: the flags of `plan` and `submit`, in addition to the job's own."""

from __future__ import annotations

import os
import re
from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sources.flags import Parsed, Parser, flag, flags
from sources.google_cloud import Cloud

ENDPOINT = "CLOUDSDK_API_ENDPOINT_OVERRIDES_DATAPROC"
"""The variable that points gcloud to a Dataproc other than Google's: set for a rehearsal."""
NEEDED = ("cluster", "region", "bucket")


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


def _bucket(text: str) -> str:
    return text.removeprefix("gs://").rstrip("/")


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise ArgumentTypeError(f"{text!r}: expected a whole number")
    return int(text)


@dataclass(frozen=True)
class Target:
    """The cluster, what it runs, and how a driver is treated there; None: not given.

    `rehearsal`: gcloud is directed to a Dataproc on this machine, so anything local to this machine is local
    to the cluster.
    """

    cluster: str = flag("Dataproc cluster to run on")
    region: str = flag("region of the cluster, such as us-central1")
    bucket: str = flag("bucket for packages, checkpoints and driver output", parse=_bucket)
    image_version: str | None = flag("image version of the cluster, such as 2.3-debian12")
    serverless: str | None = flag(
        "check a Dataproc Serverless runtime instead (always refused, with the reason)"
    )
    project: str | None = flag("project id (default: the one that gcloud is set to)")
    project_number: str | None = flag("project number, required by Pub/Sub Lite")
    scopes: str = flag("OAuth scopes for --create-cluster", default="cloud-platform")
    subnet: str = flag("subnetwork for --create-cluster", default="default")
    service_account: str | None = flag(
        "service account of the cluster's machines (default: that of Compute Engine)"
    )
    kafka_cluster: str | None = flag("Managed Service for Apache Kafka cluster to read, created if missing")
    max_failures_per_hour: int | None = flag("how often to restart a failed driver", parse=_whole)
    labels: dict[str, str] = flag("labels of the job: K=V,K=V", default="", parse=pairs)
    properties: dict[str, str] = flag(
        "properties for Spark: K=V,K=V, or as in `gcloud topic escaping`", default="", parse=pairs
    )
    package: Path | None = flag("directory of an older package to submit again", parse=Path)
    output: Path = flag("directory of all packages", default="dist", parse=Path)
    rehearsal: bool = False

    @property
    def root(self) -> str:
        """Return the folder of everything that belongs to twinstream in the bucket."""
        return f"gs://{self.bucket}/twinstream"

    def cloud(self, watermark: str) -> Cloud:
        """Return the target as sources and sinks know it, for a job with that watermark."""
        return Cloud(
            region=self.region,
            subnet=self.subnet,
            root=self.root,
            watermark=watermark,
            project=self.project,
            project_number=self.project_number,
            kafka_cluster=self.kafka_cluster,
            rehearsal=self.rehearsal,
        )


def parser(command: str) -> Parser:
    """Return the parser of the flags that define a job's target."""
    known = Parser(
        prog=f"twinstream {command} JOB",
        usage="%(prog)s --cluster C --region R --bucket B --image-version V [FLAG ...] [the job's flags]",
        epilog="The job's own flags are those of `twinstream run JOB --help`.",
    )
    known.accept(flags(Target))
    return known


def parse(known: Parser, arguments: Sequence[str]) -> tuple[Target, list[str], Parsed]:
    """Return the target, the job's arguments, and all that the parser knows.

    Everything that is not a flag of the target, and everything after `--`, belongs to the job. Exit with code
    2 and a one-line message if a required flag is missing.
    """
    own, _, after = _partition(arguments)
    parsed, others = known.parse_known(own)
    target = parsed.of(Target)
    if missing := [f"--{name}" for name in NEEDED if not getattr(target, name)]:
        known.error(f"{', '.join(missing)}: not given; expected where the job goes")
    return replace(target, rehearsal=_here()), [*others, *after], parsed


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
