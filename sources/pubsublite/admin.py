"""Look-ups of Pub/Sub Lite subscriptions from Spark's own JVM: what it reaches, the connector reaches too.

The connector's jar contains Google's admin client in its own package (`com.google.cloud.pubsublite`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from sources.base import SourceError
from sources.catalog import Stream
from sources.pubsublite.options import EMULATOR, LiteOptions
from sources.pubsublite.paths import (
    ANSWER_SECONDS,
    ENVIRONMENT,
    missing,
    region,
    subscription,
    subscription_path,
    unreachable,
)

_DELETED_TOPIC = "_deleted-topic_"


def topics(spark: SparkSession, streams: Sequence[Stream], options: LiteOptions) -> Mapping[str, str]:
    """Return the path of each subscription's topic, by stream.

    Raise SourceError as `sources.pubsublite.check` does.
    """
    jvm: Any = spark._jvm
    paths = {stream.name: subscription_path(stream, options) for stream in streams}
    with _admin(jvm, options) as admin:
        try:
            parse = jvm.com.google.cloud.pubsublite.SubscriptionPath.parse
            answers = {name: admin.getSubscription(parse(path)) for name, path in paths.items()}
            return {stream.name: _topic(jvm, answers[stream.name], stream, options) for stream in streams}
        except Py4JJavaError as error:
            raise unreachable(options, _reason(error)) from None


@contextmanager
def _admin(jvm: Any, options: LiteOptions) -> Iterator[Any]:
    """Yield Google's admin client from the connector's jar, which retries for up to `ANSWER_SECONDS`."""
    _must_lead_to_the_emulator(jvm)
    lite = jvm.com.google.cloud.pubsublite
    try:
        settings = lite.AdminClientSettings.newBuilder().setRegion(lite.CloudRegion.of(region(options)))
        admin = lite.AdminClient.create(settings.setRetrySettings(_patience(jvm)).build())
    except TypeError:
        raise SourceError(
            "Spark has no Pub/Sub Lite connector",
            expected="the jar set 'pubsublite' in spark.jars",
            remedy="twinstream jars pubsublite, then restart Spark",
        ) from None
    except Py4JJavaError as error:
        raise unreachable(options, _reason(error)) from None
    try:
        yield admin
    finally:
        admin.shutdownNow()


def _patience(jvm: Any) -> Any:
    seconds = jvm.org.threeten.bp.Duration.ofSeconds
    return (
        jvm.com.google.api.gax.retrying.RetrySettings.newBuilder()
        .setInitialRetryDelay(jvm.org.threeten.bp.Duration.ofMillis(200))
        .setRetryDelayMultiplier(1.5)
        .setMaxRetryDelay(seconds(2))
        .setInitialRpcTimeout(seconds(ANSWER_SECONDS // 2))
        .setMaxRpcTimeout(seconds(ANSWER_SECONDS // 2))
        .setTotalTimeout(seconds(ANSWER_SECONDS))
        .build()
    )


def _must_lead_to_the_emulator(jvm: Any) -> None:
    """Raise SourceError if Python is directed to an emulator and this JVM is not."""
    emulator = os.environ.get(EMULATOR)
    of = jvm.java.lang.System.getProperty
    led = f"{of('https.proxyHost')}:{of('https.proxyPort')}"
    if emulator and led != emulator:
        shown = "straight to Google" if of("https.proxyHost") is None else f"to the proxy {led}"
        raise SourceError(
            f"{EMULATOR} is {emulator}, but Spark's JVM goes {shown}",
            expected="JAVA_TOOL_OPTIONS to lead it to the emulator",
            remedy=f"{ENVIRONMENT} before Spark starts",
        )


def _topic(jvm: Any, answer: Any, stream: Stream, options: LiteOptions) -> str:
    path = subscription_path(stream, options)
    try:
        topic = str(answer.get(ANSWER_SECONDS + 5, jvm.java.util.concurrent.TimeUnit.SECONDS).getTopic())
    except Py4JJavaError as error:
        if _code(error) == "NOT_FOUND":
            raise missing(f"subscription {path}", stream, options) from None
        raise
    if topic.endswith(f"/{_DELETED_TOPIC}"):
        raise SourceError(
            f"{path}: its topic was deleted",
            expected="a subscription with a topic",
            remedy=(
                f"gcloud pubsub lite-subscriptions delete {subscription(stream, options)} "
                f"--location={options.pubsublite_location}, then twinstream create --source "
                "pubsublite"
            ),
        )
    return topic


def _code(error: Py4JJavaError) -> str:
    """Return the status code of a failed call; "" for any other failure."""
    failure = error.java_exception.getCause()
    is_status = failure is not None and hasattr(failure, "getStatusCode")
    return str(failure.getStatusCode().getCode().toString()) if is_status else ""


def _reason(error: Py4JJavaError) -> str:
    """Return the innermost reason that Java gives, without its stack trace."""
    failure = error.java_exception
    while failure.getCause() is not None:
        failure = failure.getCause()
    kind, message = failure.getClass().getSimpleName(), failure.getMessage()
    return f"{kind}: {message}" if message else str(kind)
