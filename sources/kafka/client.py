"""librdkafka's clients of `--kafka-bootstrap-servers`: logged in, or refused with a clear reason."""

from __future__ import annotations

import time
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from sources.kafka import addresses as kafka_addresses
from sources.kafka import login as kafka_login
from sources.kafka.connection import ANSWER_SECONDS, led_away, unreachable
from sources.kafka.google_token import GoogleToken

Client = TypeVar("Client", Producer, Consumer, AdminClient)
_FINAL = (KafkaError._AUTHENTICATION, KafkaError._SSL)
"""Errors of a broker that librdkafka retries all the same, in vain."""


def connected(
    kind: Callable[[dict[str, Any]], Client], options: Namespace, settings: Mapping[str, Any] | None = None
) -> Client:
    """Return a client that the broker has let in.

    Raise SourceError if the broker does not answer within `ANSWER_SECONDS`, refuses the login or leads its
    clients to addresses where nothing answers.
    """
    said: deque[KafkaError] = deque(maxlen=100)
    client = kind({**properties(options), **(settings or {}), "error_cb": said.append})
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            metadata = client.list_topics(timeout=ANSWER_SECONDS / 5)
            break
        except KafkaException as failure:
            client.poll(0)  # fills `said`
            reasons: list[KafkaError] = [
                error for error in said if error.code() != KafkaError._ALL_BROKERS_DOWN
            ]
            final: list[KafkaError] = [error for error in reasons if error.code() in _FINAL]
            if final or time.monotonic() > deadline:
                raise _explained(options, [failure.args[0], *reasons, *final][-1]) from None
    if fault := kafka_addresses.dead_end(metadata):
        raise led_away(options, fault)
    return client


def properties(options: Namespace) -> dict[str, Any]:
    """Return what every client here needs; librdkafka's own log is off, as it only repeats the errors.

    Raise SourceError if a file is unusable, or if Google gives no token.
    """
    known: dict[str, Any] = {"bootstrap.servers": options.kafka_bootstrap_servers, "log_level": 0}
    if options.kafka_auth == kafka_login.NONE:
        return known
    known["security.protocol"] = "SASL_SSL"
    if certificates := kafka_login.authorities(options):
        known["ssl.ca.pem"] = certificates
    if options.kafka_auth == kafka_login.MANAGED:
        return known | {"sasl.mechanisms": "OAUTHBEARER", "oauth_cb": GoogleToken()}
    login = {"sasl.username": options.kafka_username, "sasl.password": kafka_login.password(options)}
    return known | {"sasl.mechanisms": "PLAIN", **login}


def partitions(client: Producer | Consumer | AdminClient, options: Namespace) -> dict[str, int]:
    """Return the number of partitions of every topic; raise SourceError if the broker does not answer."""
    try:
        topics = client.list_topics(timeout=ANSWER_SECONDS).topics
    except KafkaException as failure:
        raise unreachable(options, failure.args[0].str()) from None
    return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None}


def _explained(options: Namespace, error: KafkaError) -> Exception:
    if error.code() == KafkaError._AUTHENTICATION:
        return kafka_login.refused(options, error.str())
    return unreachable(options, error.str())
