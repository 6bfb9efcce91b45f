"""Events from Pub/Sub Lite, read by Google's Spark connector; `sources.pubsublite.publishing` publishes them.

The connector is `com.google.cloud:pubsublite-spark-sql-streaming:1.0.0`; what this module says about it was
read in that jar (github.com/googleapis/java-pubsublite-spark, tag v1.0.0) and is verified by the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from pyspark.sql import DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.readwriter import DataStreamReader

from sources.base import Publisher, Record, SourceError
from sources.catalog import SUBSCRIPTION_SUFFIX, Stream
from sources.envelope import conform
from sources.google_cloud import OnGoogleCloud
from sources.pubsublite import admin
from sources.pubsublite.google_cloud import LiteOnGoogleCloud
from sources.pubsublite.options import LiteOptions
from sources.pubsublite.paths import subscription_path

OPTIONS = LiteOptions
BOUNDED = False
GOOGLE_CLOUD: OnGoogleCloud = LiteOnGoogleCloud()


def jars(options: LiteOptions) -> tuple[str, ...]:
    """Return Google's connector."""
    return ("pubsublite",)


def check(spark: SparkSession, streams: Sequence[Stream], options: LiteOptions) -> Mapping[str, str]:
    """Return the path of each subscription's topic, by stream.

    A Lite topic has no id that would reveal a new one. Raise SourceError if the service does not answer
    within 20 seconds, refuses the credentials or has no such subscription.
    """
    return admin.topics(spark, streams, options)


def watch(
    spark: SparkSession, streams: Sequence[Stream], options: LiteOptions
) -> AbstractContextManager[Callable[[], Mapping[str, str]]]:
    """Watch nothing: a topic that is recreated under a running job keeps its identity."""
    return nullcontext(dict)


def lost(spark: SparkSession, positions: Sequence[str], options: LiteOptions) -> str:
    """Return "": what Pub/Sub Lite no longer retains is not looked up."""
    return ""


def read(reader: DataFrameReader | DataStreamReader, stream: Stream, options: LiteOptions) -> DataFrame:
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


def create(streams: Sequence[Stream], options: LiteOptions) -> list[str]:
    """Create the topics and subscriptions that do not exist yet, and return their names."""
    from sources.pubsublite import resources

    return resources.create(streams, options)


def publisher(options: LiteOptions) -> Publisher:
    """Return a publisher; raise SourceError if the service does not answer."""
    from sources.pubsublite import publishing as pubsublite

    return pubsublite.LitePublisher(options)


def records(stream: Stream, options: LiteOptions) -> Iterator[Record | None]:
    """Yield the topic's records, oldest first, endlessly.

    They come from a subscription created for this and deleted afterwards; the stream's own subscription is
    neither read nor committed to.
    """
    from sources.pubsublite import recording as pubsublite_records

    return pubsublite_records.records(stream, options)
