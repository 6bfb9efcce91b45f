"""The one-time setup: APIs, roles, a bucket, the streams at their broker, and the clusters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jobs.laptop.promotion.gcloud import cluster_description, dataproc, gcloud
from jobs.laptop.promotion.promotion import Promotion
from jobs.laptop.promotion.step import Section, Step
from jobs.laptop.promotion.target import Target
from sources.google_cloud import Creation

SETUP, CREATE_CLUSTER = "--setup", "--create-cluster"
WORKERS = 2


def sections(promotion: Promotion) -> Iterator[Section]:
    """Yield the commands for the project, the bucket, the clusters and the streams, in order."""
    streams = tuple(_streams(promotion))
    yield Section("The project, once", tuple(_project(promotion)), SETUP)
    yield Section("The bucket, once", (_bucket(promotion),), SETUP)
    yield Section(
        "The clusters, once; they cost money while they stand", tuple(_clusters(promotion)), CREATE_CLUSTER
    )
    if streams:
        yield Section("The streams, once", streams, SETUP)


def _project(promotion: Promotion) -> Iterator[Step]:
    target = promotion.target
    services = promotion.services
    apis = ["compute.googleapis.com", "dataproc.googleapis.com", "storage.googleapis.com"]
    apis += [service.api for service in services]
    yield Step("Switch the APIs on", gcloud(target, "services", "enable", *apis))
    yield Step(
        "Machines without external addresses reach Google's services",
        gcloud(
            target, "compute", "networks", "subnets", "update", target.subnet, f"--region={target.region}",
            "--enable-private-ip-google-access",
        ),
    )  # fmt: skip
    if target.project and (account := promotion.account):
        for role in ("roles/dataproc.worker", *(role for service in services for role in service.roles)):
            words = (
                "projects",
                "add-iam-policy-binding",
                target.project,
                f"--member=serviceAccount:{account}",
            )
            command = ("gcloud", *words, f"--role={role}", "--condition=None")
            yield Step(f"The cluster's machines may act as {role}", command)


def _bucket(promotion: Promotion) -> Step:
    target = promotion.target
    bucket = f"gs://{target.bucket}"
    flags = (f"--location={target.region}", "--uniform-bucket-level-access")
    return Step(
        "For the package, checkpoints and driver output",
        gcloud(target, "storage", "buckets", "create", bucket, *flags),
        unless=gcloud(target, "storage", "buckets", "describe", bucket),
    )


def _clusters(promotion: Promotion) -> Iterator[Step]:
    target = promotion.target
    yield from _steps(
        target,
        (one for place, own in promotion.places for one in place.clusters(own, promotion.cloud)),
    )
    flags = [f"--image-version={target.image_version}", f"--scopes={target.scopes}", "--no-address"]
    # A fixed number: autoscaling removes executors, and with them state, from a running stream.
    flags += [f"--num-workers={WORKERS}", f"--bucket={target.bucket}", f"--subnet={target.subnet}"]
    flags += [f"--service-account={target.service_account}"] if target.service_account else []
    yield Step(
        "The Dataproc cluster, its image pinned",
        dataproc(target, "clusters", "create", target.cluster, *flags),
        unless=cluster_description(target),
    )


def _streams(promotion: Promotion) -> Iterator[Step]:
    streams, cloud = promotion.invocation.streams, promotion.cloud
    yield from _steps(
        promotion.target,
        (one for place, own in promotion.places for one in place.streams(streams, own, cloud)),
    )


def _steps(target: Target, creations: Iterable[Creation]) -> Iterator[Step]:
    """Yield a step for each creation, each once: source and sink may be the same service."""
    for one in dict.fromkeys(creations):
        yield Step(one.purpose, gcloud(target, *one.create), unless=gcloud(target, *one.describe))
