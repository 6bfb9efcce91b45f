"""Results as JSON messages on a Kafka topic, keyed by the columns that identify a row, at least once.

A batch that is replayed after a crash is sent again with the same keys and values, so a reader that keeps the
last message of each key, or a compacted topic, has each row once.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine.flag import Flag
from jobs.engine.sink import Results, SinkError, Write, required
from sources.catalog import Stream
from sources.google_cloud import Cloud, Creation, OnGoogleCloud
from sources.kafka import connection as broker
from sources.kafka import login as kafka_login
from sources.kafka.google_cloud import KafkaOnGoogleCloud, topics

TOPIC = Flag("--sink-topic", None, "topic for the results (kafka)", shapes_state=False, example="TOPIC")
FLAGS = (TOPIC,)


class TopicOnGoogleCloud(KafkaOnGoogleCloud):
    """A broker, and the topic of the results."""

    def streams(self, streams: Sequence[Stream], options: Namespace, cloud: Cloud) -> Iterator[Creation]:
        """Yield the topic on Google's Kafka."""
        yield from topics([options.sink_topic] if options.sink_topic else [], cloud)


GOOGLE_CLOUD: OnGoogleCloud = TopicOnGoogleCloud()
SETTINGS: dict[str, str] = {}
UPSERTS = True
PATIENCE_SECONDS = 120
"""How long a batch waits for the broker to take it."""


def jars(options: Namespace) -> tuple[str, ...]:
    """Return Spark's connector and, if the options ask for it, Google's login."""
    return kafka_login.jar_sets(options)


def open_sink(spark: SparkSession, options: Namespace, results: Results) -> Write:
    """Return a writer to `--sink-topic` on the broker of `--kafka-bootstrap-servers`.

    The key is the row's key columns, joined by `|`, times as RFC 3339; the value is the row as a JSON object.
    Raise SourceError if the broker does not answer, does not let this user in or has no such topic.
    """
    topic = required(options, TOPIC, "kafka")
    broker.topic_ids(spark, [topic], options)
    patience = PATIENCE_SECONDS * 1000
    properties: dict[str, object] = {
        **broker.client_properties(options),
        "max.block.ms": patience,
        "delivery.timeout.ms": patience,
        "request.timeout.ms": patience // 4,
    }
    settings = {f"kafka.{name}": str(value) for name, value in properties.items()}

    def write(rows: DataFrame, batch: int) -> None:
        messages = rows.select(
            _key(rows, results.key).alias("key"), F.to_json(F.struct(*rows.columns)).alias("value")
        )
        try:
            messages.write.format("kafka").options(topic=topic, **settings).save()
        except Exception as error:
            _explain(spark, topic, options, error)
            raise

    return write


def written(spark: SparkSession, options: Namespace) -> None:
    """Return None: a topic may hold a row several times, so it does not tell which are final."""


def _explain(spark: SparkSession, topic: str, options: Namespace, error: Exception) -> None:
    """Raise SinkError if a row is too large or the topic gone, SourceError if no broker answers."""
    if "RecordTooLargeException" in str(error):
        raise SinkError(
            f"--sink-topic {topic}: a row is larger than the topic's max.message.bytes",
            expected="room for ids of 1,024 bytes",
            remedy="raise it (its default is 1 MiB), then run the same command: it continues",
        ) from error
    try:
        broker.topic_ids(spark, [topic], options)
    except broker.NoTopic:
        raise SinkError(
            f"--sink-topic {topic}: deleted while the job ran",
            expected="it to stay",
            remedy="create it again, then run the same command: it continues",
        ) from error


def _key(rows: DataFrame, columns: tuple[str, ...]) -> Column:
    times = {name for name, kind in rows.dtypes if kind == "timestamp"}
    texts = (
        F.date_format(name, "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'") if name in times else F.col(name)
        for name in columns
    )
    return F.concat_ws("|", *texts)
