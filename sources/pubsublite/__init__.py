"""Events from Pub/Sub Lite, read by Google's Spark connector; `sources.pubsublite.publishing` publishes them.

The connector is `com.google.cloud:pubsublite-spark-sql-streaming:1.0.0`; what this module says about it was
read in that jar (github.com/googleapis/java-pubsublite-spark, tag v1.0.0) and is verified by the tests.
"""

from __future__ import annotations

import argparse
import re
from argparse import Namespace, _ArgumentGroup
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.readwriter import DataStreamReader

from sources.base import Publisher, Record, SourceError
from sources.catalog import SUBSCRIPTION_SUFFIX, Stream
from sources.envelope import conform
from sources.flags import add_flag
from sources.google_cloud import OnGoogleCloud
from sources.pubsublite import admin
from sources.pubsublite.google_cloud import LiteOnGoogleCloud
from sources.pubsublite.paths import EMULATOR, subscription_path

BOUNDED = False
GOOGLE_CLOUD: OnGoogleCloud = LiteOnGoogleCloud()
ABOUT = """
A new checkpoint starts at the subscription's committed cursor, or at the oldest message if there is none
(--kafka-starting is for Kafka). A later run starts where its checkpoint ends, whatever is committed. A
running query sees new messages once a minute, because the connector caches the end of each partition for
that long; with --trigger available-now, a run reads everything there is at its start. A batch is committed
when the next one begins, so the last batch of a stopped run stays uncommitted. The size of a batch is not
limited, because after a restart the connector's maxmessagesperbatch can skip or repeat messages; its other
flow control options are not set either. A subscription serves one query and no other subscriber: two
disconnect each other, so give a second query --pubsublite-subscription-suffix. There is no --sink
pubsublite, because the connector cannot write on Spark 3.5 (AbstractMethodError: useCommitCoordinator).
"""
_LOCATION = re.compile(r"[a-z0-9]+-[a-z0-9]+(-[a-z])?")
_SUFFIX = re.compile(r"[A-Za-z0-9._~%+-]{1,200}")


def add_arguments(group: _ArgumentGroup) -> None:
    """Add the `--pubsublite-…` flags, and describe what a user of the connector has to know."""
    group.description = " ".join(ABOUT.split())
    add_flag(
        group,
        "--pubsublite-project",
        help=f"project number (not the id); optional if {EMULATOR} is set",
        type=_project,
    )
    add_flag(
        group,
        "--pubsublite-location",
        help="zone or region of the topics and subscriptions",
        default="us-central1-a",
        type=_location,
    )
    add_flag(
        group,
        "--pubsublite-subscription-suffix",
        help="read from the subscription STREAM-subscription-SUFFIX; `create` with this flag creates it",
        type=_suffix,
    )


def flag_fault(options: Namespace) -> str | None:
    """Return None: all values of the flags go together."""
    return None


def jars(options: Namespace) -> tuple[str, ...]:
    """Return Google's connector."""
    return ("pubsublite",)


def check(spark: SparkSession, streams: Sequence[Stream], options: Namespace) -> Mapping[str, str]:
    """Return the path of each subscription's topic, by stream.

    A Lite topic has no id that would reveal a new one. Raise SourceError if the service does not answer
    within 20 seconds, refuses the credentials or has no such subscription.
    """
    return admin.topics(spark, streams, options)


def watch(
    spark: SparkSession, streams: Sequence[Stream], options: Namespace
) -> AbstractContextManager[Callable[[], Mapping[str, str]]]:
    """Watch nothing: a topic that is recreated under a running job keeps its identity."""
    return nullcontext(dict)


def lost(spark: SparkSession, positions: Sequence[str], options: Namespace) -> str:
    """Return "": what Pub/Sub Lite no longer retains is not looked up."""
    return ""


def read(reader: DataFrameReader | DataStreamReader, stream: Stream, options: Namespace) -> DataFrame:
    """Return the subscription's messages; a micro-batch ends with the last one the connector knew of.

    Raise SourceError for a batch read, which the connector does not support (`PslTable.capabilities`).
    """
    if not isinstance(reader, DataStreamReader):
        raise SourceError(
            f"{stream.name}: spark.read on Pub/Sub Lite",
            expected="spark.readStream, because Google's connector has no batch read",
            remedy="a streaming query with --trigger available-now",
        )
    path = subscription_path(stream, options)
    return reader.format("pubsublite").option("pubsublite.subscription", path).load()


def envelope(raw: DataFrame) -> DataFrame:
    """Return the connector's columns as the canonical envelope; an empty key, meaning none, becomes null."""
    subscription = F.element_at(F.split("subscription", "/"), -1)
    none = F.create_map().cast("map<string,array<binary>>")
    return conform(
        raw.select(
            F.regexp_replace(subscription, f"{SUBSCRIPTION_SUFFIX}(-.*)?$", "").alias("stream"),
            "partition",
            "offset",
            F.when(F.length("key") > 0, F.col("key")).alias("key"),
            F.col("data").alias("value"),
            F.coalesce("attributes", none).alias("attributes"),
            F.col("publish_timestamp").alias("published_at"),
            F.col("event_timestamp").alias("event_at"),
        )
    )


def create(streams: Sequence[Stream], options: Namespace) -> list[str]:
    """Create the topics and subscriptions that do not exist yet, and return their names."""
    from sources.pubsublite import resources

    return resources.create(streams, options)


def publisher(options: Namespace) -> Publisher:
    """Return a publisher; raise SourceError if the service does not answer."""
    from sources.pubsublite import publishing as pubsublite

    return pubsublite.LitePublisher(options)


def records(stream: Stream, options: Namespace) -> Iterator[Record | None]:
    """Yield the topic's records, oldest first, endlessly.

    They come from a subscription created for this and deleted afterwards; the stream's own subscription is
    neither read nor committed to.
    """
    from sources.pubsublite import recording as pubsublite_records

    return pubsublite_records.records(stream, options)


def _project(text: str) -> str:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected the project's number, because Google's connector takes no id; "
            f"remedy: gcloud projects describe {text} --format='value(projectNumber)'"
        )
    return text


def _location(text: str) -> str:
    if not _LOCATION.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a zone like us-central1-a or a region like us-central1"
        )
    return text


def _suffix(text: str) -> str:
    if not _SUFFIX.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected letters, digits and -._~%+, like notebook")
    return text
