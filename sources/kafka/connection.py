"""Queries to the broker of `--kafka-bootstrap-servers`, by the Java client in Spark's connector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from sources.base import SourceError
from sources.kafka import addresses, client
from sources.kafka import login as kafka_login
from sources.kafka.failure import ANSWER_SECONDS, missing, unreachable
from sources.kafka.options import KafkaOptions


def client_properties(options: KafkaOptions) -> dict[str, str]:
    """Return the properties that every Java client of the broker needs, including those of the login.

    Raise SourceError as `kafka_login.java_properties` does.
    """
    return {"bootstrap.servers": options.kafka_bootstrap_servers, **kafka_login.java_properties(options)}


def topic_ids(spark: SparkSession, topics: Sequence[str], options: KafkaOptions) -> Mapping[str, str]:
    """Return the ids of topics by name; raise SourceError as `sources.kafka.check` does."""
    with watched_topics(spark, topics, options) as ids:
        return ids()


@contextmanager
def watched_topics(
    spark: SparkSession, topics: Sequence[str], options: KafkaOptions, seconds: int = ANSWER_SECONDS
) -> Iterator[Callable[[], Mapping[str, str]]]:
    """Yield a function that asks for the topics' ids, with one client for all calls: some 5 ms each.

    Raise SourceError as `sources.kafka.check` does, within `seconds`.
    """
    jvm: Any = spark._jvm
    names = jvm.java.util.ArrayList()
    names.extend(topics)

    def ids() -> Mapping[str, str]:
        with _told(jvm, options):
            answers = admin.describeTopics(names).topicNameValues()
            return {topic: _topic_id(answers[topic], topic, options) for topic in topics}

    with ExitStack() as stack:
        with _told(jvm, options):
            admin = stack.enter_context(_admin(jvm, options, seconds))
        yield ids


def oldest_offsets(
    spark: SparkSession, topics: Mapping[str, Iterable[int]], options: KafkaOptions
) -> dict[str, dict[int, int]]:
    """Return the oldest retained offset, by topic and partition.

    Raise SourceError as `sources.kafka.check` does.
    """
    jvm: Any = spark._jvm
    kafka = jvm.org.apache.kafka
    places = [(topic, partition) for topic, partitions in topics.items() for partition in partitions]
    with _told(jvm, options), _admin(jvm, options) as admin:
        wanted = jvm.java.util.HashMap()
        for topic, partition in places:
            wanted[kafka.common.TopicPartition(topic, partition)] = kafka.clients.admin.OffsetSpec.earliest()
        answers = admin.listOffsets(wanted)
        oldest: dict[str, dict[int, int]] = {topic: {} for topic in topics}
        for topic, partition in places:
            answer = answers.partitionResult(kafka.common.TopicPartition(topic, partition)).get()
            oldest[topic][partition] = answer.offset()
    return oldest


@contextmanager
def _told(jvm: Any, options: KafkaOptions) -> Iterator[None]:
    """Turn what the Java client raises into a SourceError of one line."""
    try:
        with _silent(jvm):
            yield
    except Py4JJavaError as error:
        raise _explained(jvm, options, error) from None


@contextmanager
def _admin(jvm: Any, options: KafkaOptions, seconds: int = ANSWER_SECONDS) -> Iterator[Any]:
    properties = jvm.java.util.Properties()
    wait = {"default.api.timeout.ms": str(seconds * 1000), "request.timeout.ms": str(seconds * 500)}
    for name, value in {**client_properties(options), **wait}.items():
        properties.setProperty(name, value)
    try:
        admin = jvm.org.apache.kafka.clients.admin.AdminClient.create(properties)
    except TypeError:
        raise SourceError(
            "Spark has no Kafka client",
            expected="the jar set 'kafka' in spark.jars",
            remedy="twinstream jars kafka, then restart Spark",
        ) from None
    try:
        yield admin
    finally:
        admin.close(jvm.java.time.Duration.ofSeconds(1))


@contextmanager
def _silent(jvm: Any) -> Iterator[None]:
    """Mute the client, which warns every second about a broker that is not there: the error says so once."""
    log4j = jvm.org.apache.logging.log4j
    before = log4j.LogManager.getLogger("org.apache.kafka").getLevel()
    log4j.core.config.Configurator.setLevel("org.apache.kafka", log4j.Level.OFF)
    try:
        yield
    finally:
        log4j.core.config.Configurator.setLevel("org.apache.kafka", before)


def _topic_id(answer: Any, topic: str, options: KafkaOptions) -> str:
    try:
        return str(answer.get().topicId().toString())
    except Py4JJavaError as error:
        if "UnknownTopicOrPartitionException" in str(error.java_exception.getCause()):
            raise missing(topic, options) from None
        raise


def _explained(jvm: Any, options: KafkaOptions, error: Py4JJavaError) -> SourceError:
    """Return the error for a failure of a Java client: its innermost reason, without Java's stack trace."""
    failure = error.java_exception
    kinds = {failure.getClass().getSimpleName()}
    while failure.getCause() is not None:
        failure = failure.getCause()
        kinds.add(failure.getClass().getSimpleName())
    reason = str(failure.getMessage() or failure.getClass().getSimpleName())
    if kinds & {"SaslAuthenticationException", "UnsupportedSaslMechanismException"}:
        return kafka_login.refused(options, reason)
    if kafka_login.HANDLER in reason or kinds & {"NoSuchMethodError", "NoClassDefFoundError"}:
        return SourceError(
            f"Spark cannot load Google's login ({reason.rstrip('.')})",
            expected="the jar set 'managed-kafka' ahead of Spark's own jars",
            remedy="twinstream jars managed-kafka, then restart Spark",
        )
    if kinds & {"LoginException", "IllegalStateException"}:
        return kafka_login.no_credentials(_what_google_says(jvm) or reason)
    return unreachable(options, reason, _brokers(options))


def _brokers(options: KafkaOptions) -> list[str]:
    """Return the addresses to which the broker leads its clients, which Java's clients do not tell.

    None are returned if it does not answer, or without kafka-python, as on a cluster.
    """
    if not any(map(addresses.listens, str(options.kafka_bootstrap_servers).split(","))):
        return []
    try:
        return client.advertised(options, addresses.SECONDS)
    except SourceError:
        return []


def _what_google_says(jvm: Any) -> str:
    """Return why there is no token, which the login handler does not say; "" if there is one after all."""
    try:
        credentials = jvm.com.google.auth.oauth2.GoogleCredentials.getApplicationDefault()
        credentials.createScoped(jvm.java.util.Collections.singletonList(kafka_login.SCOPE)).refresh()
    except Py4JJavaError as error:
        return " ".join(str(error.java_exception.getMessage()).split()).rstrip(".")
    return ""
