"""Pub/Sub Lite on Google Cloud: its project's number, its topics and subscriptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from sources.catalog import (
    LITE_PARTITION_BYTES,
    LITE_PUBLISH_MIB,
    LITE_SUBSCRIBE_MIB,
    PARTITIONS,
    Stream,
)
from sources.durations import to_timedelta
from sources.google_cloud import Cloud, Creation, Finding, OnGoogleCloud, Service, refused, warning
from sources.pubsublite.options import LiteOptions
from sources.pubsublite.paths import region, subscription

LITE = Service(
    api="pubsublite.googleapis.com",
    roles=("roles/pubsublite.subscriber", "roles/pubsublite.viewer"),
    source="https://docs.cloud.google.com/pubsub/lite/docs/migrate-pubsub-lite-to-managed-service-for-apache-kafka",
    as_of=date(2026, 11, 22),
)
AHEAD = timedelta(minutes=2)
"""How long the watermark should wait: the connector learns the end of each partition once a minute."""


class LiteOnGoogleCloud(OnGoogleCloud):
    """The service, which knows a project by its number."""

    def flags(self, options: LiteOptions, cloud: Cloud) -> Sequence[str]:
        """Return the project's number."""
        return (f"--pubsublite-project={cloud.project_number}",) if cloud.project_number else ()

    def findings(self, options: LiteOptions, cloud: Cloud) -> Iterator[Finding]:
        """Refuse a job without the project's number; warn about another region and a short watermark."""
        if not options.pubsublite_project:
            yield refused(
                "--project-number",
                "not given; Google's connector for Pub/Sub Lite takes the project's number, not its id",
                f"--project-number $(gcloud projects describe {cloud.project or 'ID'} "
                "--format='value(projectNumber)')",
            )
        if region(options) != cloud.region:
            yield warning(
                f"--pubsublite-location {options.pubsublite_location}",
                f"another region than the cluster's {cloud.region}: every event is carried between them",
                f"--region {region(options)}, or topics in {cloud.region}",
            )
        if to_timedelta(cloud.watermark) < AHEAD:
            # java-pubsublite-spark, LimitingHeadOffsetReader: each partition's end is cached for a minute.
            yield warning(
                f"--watermark {cloud.watermark}",
                "the connector learns the end of each partition once a minute, each at another time: one can "
                "be a minute ahead of another, whose events are late then; expected 2 minutes or more",
                '--watermark "2 minutes"',
            )

    def services(self, options: LiteOptions, cloud: Cloud) -> Sequence[Service]:
        """Return Pub/Sub Lite."""
        return (LITE,)

    def streams(self, streams: Sequence[Stream], options: LiteOptions, cloud: Cloud) -> Iterator[Creation]:
        """Yield each stream's topic and the subscription that the job reads."""
        place = f"--location={options.pubsublite_location}"
        size = (
            f"--partitions={PARTITIONS}",
            f"--per-partition-bytes={LITE_PARTITION_BYTES >> 30}GiB",
            f"--per-partition-publish-mib={LITE_PUBLISH_MIB}",
            f"--per-partition-subscribe-mib={LITE_SUBSCRIBE_MIB}",
        )
        start = ("--starting-offset=beginning", "--delivery-requirement=deliver-immediately")
        topics, subscriptions = ("pubsub", "lite-topics"), ("pubsub", "lite-subscriptions")
        for stream in streams:
            name = subscription(stream, options)
            yield Creation(
                f"{stream.name}: the topic",
                (*topics, "create", stream.topic, place, *size),
                (*topics, "describe", stream.topic, place),
            )
            yield Creation(
                f"{stream.name}: its subscription, from the oldest event on",
                (*subscriptions, "create", name, place, f"--topic={stream.topic}", *start),
                (*subscriptions, "describe", name, place),
            )
