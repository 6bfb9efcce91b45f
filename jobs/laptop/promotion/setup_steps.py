"""The one-time setup: APIs, roles, a bucket, the streams at their broker, and the clusters."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.laptop.promotion import runtimes
from jobs.laptop.promotion.gcloud import cluster_description, dataproc, gcloud
from jobs.laptop.promotion.promotion import Promotion
from jobs.laptop.promotion.step import Section, Step
from sources.catalog import (
    LITE_PARTITION_BYTES,
    LITE_PUBLISH_MIB,
    LITE_SUBSCRIBE_MIB,
    PARTITIONS,
    Stream,
)
from sources.pubsublite import paths as pubsublite_paths

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
    services = [runtimes.service(name) for name in _services(promotion)]
    apis = ["compute.googleapis.com", "dataproc.googleapis.com", "storage.googleapis.com"]
    apis += [service.api for service in services]
    yield Step("Switch the APIs on", gcloud(target, "services", "enable", *apis))
    if target.rehearsal:
        return  # no networks, no accounts
    yield Step(
        "Machines without external addresses reach Google's services",
        gcloud(
            target, "compute", "networks", "subnets", "update", target.subnet, f"--region={target.region}",
            "--enable-private-ip-google-access",
        ),
    )  # fmt: skip
    if target.project and (account := _account(promotion)):
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
    if target.kafka_cluster and target.project and "kafka" in _services(promotion):
        subnet = f"projects/{target.project}/regions/{target.region}/subnetworks/{target.subnet}"
        size = ("--cpu=3", "--memory=3GiB", f"--subnets={subnet}")
        yield Step(
            "Managed Service for Apache Kafka, the smallest there is; about half an hour",
            _kafka(promotion, "clusters", "create", target.kafka_cluster, *size),
            unless=_kafka(promotion, "clusters", "describe", target.kafka_cluster),
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
    streams = promotion.job.streams(promotion.options)
    if promotion.options.source == "pubsublite":
        for stream in streams:
            yield from _lite(promotion, stream)
    if "kafka" in _services(promotion):
        names = [stream.topic for stream in streams] if promotion.options.source == "kafka" else []
        names += [promotion.options.sink_topic] if promotion.options.sink == "kafka" else []
        for name in names:
            yield _kafka_topic(promotion, name)


def _lite(promotion: Promotion, stream: Stream) -> Iterator[Step]:
    target, subscription = promotion.target, pubsublite_paths.subscription(stream, promotion.options)
    place = f"--location={promotion.options.pubsublite_location}"
    size = (
        f"--partitions={PARTITIONS}",
        f"--per-partition-bytes={LITE_PARTITION_BYTES >> 30}GiB",
        f"--per-partition-publish-mib={LITE_PUBLISH_MIB}",
        f"--per-partition-subscribe-mib={LITE_SUBSCRIBE_MIB}",
    )
    start = ("--starting-offset=beginning", "--delivery-requirement=deliver-immediately")
    topics, subscriptions = ("pubsub", "lite-topics"), ("pubsub", "lite-subscriptions")
    yield Step(
        f"{stream.name}: the topic",
        gcloud(target, *topics, "create", stream.topic, place, *size),
        unless=gcloud(target, *topics, "describe", stream.topic, place),
    )
    yield Step(
        f"{stream.name}: its subscription, from the oldest event on",
        gcloud(target, *subscriptions, "create", subscription, place, f"--topic={stream.topic}", *start),
        unless=gcloud(target, *subscriptions, "describe", subscription, place),
    )


def _kafka_topic(promotion: Promotion, name: str) -> Step:
    cluster = f"--cluster={promotion.target.kafka_cluster}"
    size = (f"--partitions={PARTITIONS}", "--replication-factor=3")
    return Step(
        f"The topic {name}",
        _kafka(promotion, "topics", "create", name, cluster, *size),
        unless=_kafka(promotion, "topics", "describe", name, cluster),
    )


def _kafka(promotion: Promotion, *words: str) -> tuple[str, ...]:
    return gcloud(promotion.target, "managed-kafka", *words, f"--location={promotion.target.region}")


def _services(promotion: Promotion) -> list[str]:
    """Return the Google services that the job reads or writes; kafka only if it is Google's."""
    used = (promotion.options.source, promotion.options.sink)
    googles = ("pubsublite", "bigquery", *(["kafka"] if promotion.target.kafka_cluster else []))
    return [name for name in googles if name in used]


def _account(promotion: Promotion) -> str | None:
    """Return the service account of the cluster's machines, None if it is unknown."""
    number = promotion.target.project_number
    default = f"{number}-compute@developer.gserviceaccount.com" if number else None
    return promotion.target.service_account or default
