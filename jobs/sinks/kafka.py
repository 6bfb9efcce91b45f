"""Results as JSON messages on a Kafka topic, keyed by the columns that identify a row, at least once.

A batch that is replayed after a crash is sent again with the same keys and values, so a reader that keeps the
last message of each key, or a compacted topic, has each row once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine.sink import Results, SinkError, Write, required
from sources.catalog import Stream
from sources.flags import flag
from sources.google_cloud import Cloud, Creation, OnGoogleCloud
from sources.kafka import connection as broker
from sources.kafka import login as kafka_login
from sources.kafka.failure import NoTopic
from sources.kafka.google_cloud import KafkaOnGoogleCloud, topics
from sources.kafka.options import KafkaOptions


@dataclass(frozen=True)
class TopicOptions(KafkaOptions):
    """The options of the results' topic, and of its broker."""

    sink_topic: str | None = flag("topic for the results (kafka)", example="TOPIC")


OPTIONS = TopicOptions


class TopicOnGoogleCloud(KafkaOnGoogleCloud):
    """A broker, and the topic of the results."""

    def streams(self, streams: Sequence[Stream], options: KafkaOptions, cloud: Cloud) -> Iterator[Creation]:
        """Yield the topic on Google's Kafka; `options` are TopicOptions."""
        topic = getattr(options, "sink_topic", None)
        yield from topics([topic] if topic else [], cloud)


GOOGLE_CLOUD: OnGoogleCloud = TopicOnGoogleCloud()
SETTINGS: dict[str, str] = {}
UPSERTS = True
TAKES_EMPTY = True
PATIENCE_SECONDS = 120
"""How long a batch waits for the broker to take it."""


def jars(options: TopicOptions) -> tuple[str, ...]:
    """Return Spark's connector and, if the options ask for it, Google's login."""
    return kafka_login.jar_sets(options)


def open_sink(spark: SparkSession, options: TopicOptions, results: Results) -> Write:
    """Return a writer to `--sink-topic` on the broker of `--kafka-bootstrap-servers`.

    The key is the row's key columns, joined by `|`, times as RFC 3339; the value is the row as a JSON object.
    Raise SourceError if the broker does not answer, does not let this user in or has no such topic.
    """
    topic = required(options.sink_topic, "--sink-topic", "kafka")
    broker.topic_ids(spark, [topic], options)
    patience = PATIENCE_SECONDS * 1000
    properties: dict[str, object] = {
        **broker.client_properties(options),
        "max.block.ms": patience,
        "delivery.timeout.ms": patience,
        "request.timeout.ms": patience // 4,
    }
    settings = {f"kafka.{name}": str(value) for name, value in properties.items()}
    # Built once, because PySpark looks up each function and the rows' columns in Java.
    columns: list[Column] = []

    def write(rows: DataFrame, batch: int) -> None:
        if not columns:
            value = F.to_json(F.struct(*rows.columns))
            columns.extend((_key(rows, results.key).alias("key"), value.alias("value")))
        messages = rows.select(columns)
        try:
            messages.write.format("kafka").options(topic=topic, **settings).save()
        except Exception as error:
            _explain(spark, topic, options, error)
            raise

    return write


def written(spark: SparkSession, options: TopicOptions) -> None:
    """Return None: a topic may hold a row several times, so it does not tell which are final."""


def _explain(spark: SparkSession, topic: str, options: TopicOptions, error: Exception) -> None:
    """Raise SinkError if a row is too large or the topic gone, SourceError if no broker answers."""
    if "RecordTooLargeException" in str(error):
        raise SinkError(
            f"--sink-topic {topic}: a row is larger than the topic's max.message.bytes",
            expected="room for ids of 1,024 bytes",
            remedy="raise it (its default is 1 MiB), then run the same command: it continues",
        ) from error
    try:
        broker.topic_ids(spark, [topic], options)
    except NoTopic:
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
