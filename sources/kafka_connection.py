"""The broker of `--kafka-bootstrap-servers`, asked by the Java client that Spark's connector brings."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from sources import kafka_login, kafka_tls
from sources.source import SourceError

ANSWER_SECONDS = 10
"""How long a broker may take to answer before it counts as unreachable."""


def client_properties(options: Namespace) -> dict[str, str]:
    """What every Java client of the broker needs, logging in included; raises SourceError as that does."""
    return {"bootstrap.servers": options.kafka_bootstrap_servers, **kafka_login.java_properties(options)}


def topic_ids(spark: SparkSession, topics: Sequence[str], options: Namespace) -> Mapping[str, str]:
    """The ids of topics by name; raises SourceError as `check` does."""
    jvm: Any = spark._jvm
    names = jvm.java.util.ArrayList()
    names.extend(topics)
    try:
        with _silent(jvm), _admin(jvm, options) as admin:
            answers = admin.describeTopics(names).topicNameValues()
            return {topic: _topic_id(answers[topic], topic, options) for topic in topics}
    except Py4JJavaError as error:
        raise _explained(jvm, options, error) from None


def unreachable(options: Namespace, reason: object) -> SourceError:
    """What to raise when the broker does not answer, or not as its clients expect."""
    if fault := kafka_tls.fault(options):
        return SourceError(f"--kafka-bootstrap-servers {options.kafka_bootstrap_servers}: {fault}")
    return SourceError(
        f"--kafka-bootstrap-servers {options.kafka_bootstrap_servers}: {reason}; expected a Kafka broker; "
        "remedy: start one there, give another address, or log in where it wants that (--kafka-auth)"
    )


def missing(topic: str, options: Namespace) -> SourceError:
    """What to raise when a topic is not there."""
    servers = options.kafka_bootstrap_servers
    return SourceError(
        f"no topic {topic!r} on {servers}; expected it to exist; remedy for the streams' topics: "
        f"python -m sources create --source kafka --kafka-bootstrap-servers {servers} "
        f"{kafka_login.given(options)}".rstrip()
    )


@contextmanager
def _admin(jvm: Any, options: Namespace) -> Iterator[Any]:
    properties = jvm.java.util.Properties()
    wait = {"default.api.timeout.ms": str(ANSWER_SECONDS * 1000), "request.timeout.ms": "5000"}
    for name, value in {**client_properties(options), **wait}.items():
        properties.setProperty(name, value)
    try:
        admin = jvm.org.apache.kafka.clients.admin.AdminClient.create(properties)
    except TypeError:
        raise SourceError(
            "Spark has no Kafka client; expected the jar set 'kafka' in spark.jars; "
            "remedy: python -m jobs jars kafka, then start Spark anew"
        ) from None
    try:
        yield admin
    finally:
        admin.close(jvm.java.time.Duration.ofSeconds(1))


@contextmanager
def _silent(jvm: Any) -> Iterator[None]:
    """Without the client's warning a second about a broker that is not there: the error says it once."""
    log4j = jvm.org.apache.logging.log4j
    before = log4j.LogManager.getLogger("org.apache.kafka").getLevel()
    log4j.core.config.Configurator.setLevel("org.apache.kafka", log4j.Level.OFF)
    try:
        yield
    finally:
        log4j.core.config.Configurator.setLevel("org.apache.kafka", before)


def _topic_id(answer: Any, topic: str, options: Namespace) -> str:
    try:
        return str(answer.get().topicId().toString())
    except Py4JJavaError as error:
        if "UnknownTopicOrPartitionException" in str(error.java_exception.getCause()):
            raise missing(topic, options) from None
        raise


def _explained(jvm: Any, options: Namespace, error: Py4JJavaError) -> SourceError:
    """What to raise for a failure of a Java client: its innermost reason, without Java's trace."""
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
            f"Spark cannot load Google's login ({reason.rstrip('.')}); expected the jar set 'managed-kafka' "
            "ahead of Spark's own jars; remedy: python -m jobs jars managed-kafka, then start Spark anew"
        )
    if kinds & {"LoginException", "IllegalStateException"}:
        return kafka_login.no_credentials(_what_google_says(jvm) or reason)
    return unreachable(options, reason)


def _what_google_says(jvm: Any) -> str:
    """Why there is no token, which the login handler keeps to itself; '' where there is one after all."""
    try:
        credentials = jvm.com.google.auth.oauth2.GoogleCredentials.getApplicationDefault()
        credentials.createScoped(jvm.java.util.Collections.singletonList(kafka_login.SCOPE)).refresh()
    except Py4JJavaError as error:
        return " ".join(str(error.java_exception.getMessage()).split()).rstrip(".")
    return ""
