"""kafka-python's clients of `--kafka-bootstrap-servers`: let in, or refused with a clear reason.

The library is imported when the first client is made: to publish and to record, never by a job.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sources.base import SourceError
from sources.kafka import addresses, login, tls
from sources.kafka.failure import ANSWER_SECONDS, led_away, unreachable
from sources.kafka.options import COMMITTED, MANAGED, NONE, KafkaOptions

if TYPE_CHECKING:
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

    Client = TypeVar("Client", KafkaAdminClient, KafkaConsumer, KafkaProducer)

TRY_SECONDS = 2
"""Seconds of one attempt to connect, in which the library itself tries again."""
_LOGGER, _QUIET = logging.getLogger("kafka"), logging.NullHandler()


def library() -> Any:
    """Return the package `kafka`; raise SourceError if it is not installed."""
    try:
        import kafka
    except ImportError as absent:
        raise SourceError(
            str(absent),
            expected="the package kafka-python for publishing and recording",
            remedy="pip install 'kafka-python[crc32c,lz4,snappy,zstd]~=3.0'",
        ) from None
    _LOGGER.addHandler(_QUIET)  # otherwise Python prints each of its warnings on standard error
    return kafka


def connected(kind: Callable[..., Client], options: KafkaOptions, **settings: Any) -> Client:
    """Return a client that the broker has let in.

    Raise SourceError if the broker does not answer within `ANSWER_SECONDS`, refuses the login or leads its
    clients to addresses where nothing answers.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            client, brokers = _bootstrapped(kind, options, TRY_SECONDS, **settings)
            break
        except _NoAnswer as failure:
            if refusal := failure.explained(options):
                raise refusal from None
            if time.monotonic() > deadline:
                raise unreachable(options, reason(failure.args[-1])) from None
    if fault := addresses.dead_end(brokers):
        client.close()
        raise led_away(options, fault)
    return client


def admin(options: KafkaOptions) -> closing[KafkaAdminClient]:
    """Return an administration client for a `with` block; raise SourceError as `connected` does."""
    return closing(connected(library().KafkaAdminClient, options))


def consumer(options: KafkaOptions, topics: Mapping[str, Iterable[int]]) -> closing[KafkaConsumer]:
    """Return a consumer of the topics' partitions for a `with` block; it belongs to no group.

    Raise SourceError as `connected` does.
    """
    package = library()
    settings = {name.replace(".", "_"): value for name, value in COMMITTED.items()}
    alone = {"auto_offset_reset": "none", "enable_auto_commit": False}
    made = connected(package.KafkaConsumer, options, **alone, **settings)
    made.assign([package.TopicPartition(topic, number) for topic in topics for number in topics[topic]])
    return closing(made)


def advertised(options: KafkaOptions, seconds: float) -> list[str]:
    """Return the addresses that the broker gives its clients, sorted; none if it does not answer in time."""
    try:
        client, brokers = _bootstrapped(library().KafkaAdminClient, options, seconds)
    except (_NoAnswer, SourceError):
        return []
    client.close()
    return brokers


def partitions(options: KafkaOptions, topics: Iterable[str]) -> dict[str, int]:
    """Return the number of partitions of those topics that exist; raise SourceError as `connected` does."""
    wanted = list(topics)
    with admin(options) as client, told(options):
        described = client.describe_topics(wanted) if wanted else []
    return {topic["name"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}


def topic_ids(options: KafkaOptions) -> dict[str, str]:
    """Return the ids of all topics in Java's notation, by name; raise SourceError as `connected` does."""
    with admin(options) as client, told(options):
        described = client.describe_topics()
    return {topic["name"]: _java_uuid(topic["topic_id"]) for topic in described}


def _java_uuid(text: str) -> str:
    return urlsafe_b64encode(UUID(text).bytes).decode().rstrip("=")


@contextmanager
def told(options: KafkaOptions) -> Iterator[None]:
    """Turn what kafka-python raises into a SourceError of one line."""
    from kafka.errors import KafkaError

    try:
        yield
    except KafkaError as failure:
        raise unreachable(options, reason(failure)) from None


def reason(failure: BaseException) -> str:
    """Return what an error of kafka-python says, without its number and class: `Connection refused`."""
    message = failure.args[0] if failure.args and failure.args[0] else None
    text = " ".join(str(message or getattr(failure, "description", None) or type(failure).__name__).split())
    if code := re.fullmatch(r"(\d+) E[A-Z0-9]+", text):  # of the operating system: `111 ECONNREFUSED`
        return os.strerror(int(code[1]))
    return re.sub(r"^(?:\[Error \d+\] )?(?:\w+Error: )?", "", text)


def properties(options: KafkaOptions) -> dict[str, Any]:
    """Return the settings that every client here needs.

    Raise SourceError if a file is unusable, or if Google gives no token.
    """
    known: dict[str, Any] = {"bootstrap_servers": str(options.kafka_bootstrap_servers).split(",")}
    if options.kafka_auth == NONE:
        return known
    known["security_protocol"] = "SASL_SSL"
    known["ssl_context"] = ssl.create_default_context(cadata=login.authorities(options))
    if options.kafka_auth == MANAGED:
        from sources.kafka.google_token import token_provider

        return known | {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": token_provider()}
    user = {"sasl_plain_username": options.kafka_username, "sasl_plain_password": login.password(options)}
    return known | {"sasl_mechanism": "PLAIN", **user}


class _NoAnswer(Exception):
    """The errors of one attempt to connect, which kafka-python logs and does not raise; oldest first."""

    def explained(self, options: KafkaOptions) -> SourceError | None:
        """Return what the user is told if another attempt would be in vain, otherwise None."""
        if refusals := [error for error in self.args if _refuses(error)]:
            return login.refused(options, reason(refusals[-1]))
        # After a refusal, a broker closes the connection: often too soon for kafka-python to read why.
        closed = any(reason(error) == "socket disconnected" for error in self.args)
        if closed and options.kafka_auth != NONE and not tls.fault(options):
            return login.refused(options, "the broker closed the connection during the login")
        return None


def _refuses(error: BaseException) -> bool:
    from kafka.errors import (
        IllegalSaslStateError,
        SaslAuthenticationFailedError,
        UnsupportedSaslMechanismError,
    )

    return isinstance(
        error, (IllegalSaslStateError, SaslAuthenticationFailedError, UnsupportedSaslMechanismError)
    )


def _bootstrapped(
    kind: Callable[..., Client], options: KafkaOptions, seconds: float, **settings: Any
) -> tuple[Client, list[str]]:
    """Return a client, and the addresses of the brokers that the first broker names; raise _NoAnswer."""
    from kafka.errors import KafkaTimeoutError
    from kafka.net.compat import KafkaNetClient

    connections: list[Any] = []

    def connection(**config: Any) -> Any:
        connections.append(KafkaNetClient(**config))
        return connections[-1]

    common = {
        "bootstrap_timeout_ms": int(seconds * 1000),
        "request_timeout_ms": ANSWER_SECONDS * 1000,
        "kafka_client": connection,
    }
    with _heard() as errors:
        try:
            client = kind(**{**properties(options), **common, **settings})
        except KafkaTimeoutError as timeout:
            connections[-1].close()
            causes = [error for error in errors if not isinstance(error, KafkaTimeoutError)]
            raise _NoAnswer(*(causes or [timeout])) from None
    brokers = connections[-1].cluster.brokers()
    return client, sorted(f"{broker.host}:{broker.port}" for broker in brokers)


@contextmanager
def _heard() -> Iterator[list[BaseException]]:
    """Yield a list that receives the errors that kafka-python logs in the block."""
    handler = _Errors()
    _LOGGER.addHandler(handler)
    try:
        yield handler.errors
    finally:
        _LOGGER.removeHandler(handler)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[BaseException] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the errors among the arguments of a log message."""
        words = record.args if isinstance(record.args, tuple) else ()
        self.errors += [word for word in words if isinstance(word, BaseException)]
