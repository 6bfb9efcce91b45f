"""The addresses that a Kafka broker gives its clients, which ask at one address and continue at those."""

from __future__ import annotations

import socket
from argparse import Namespace
from collections.abc import Iterable
from contextlib import suppress

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata

from sources.base import SourceError
from sources.kafka import client as kafka_connection

SECONDS, TRIES = 1.5, 2
"""Seconds that a broker, and each address that it names, may take; how often the broker is asked."""
REMEDY = "use that address, or set KAFKA_PORT in .env and make the containers anew"


def advertised(metadata: ClusterMetadata) -> list[str]:
    """Return the addresses of the brokers that a broker names."""
    return sorted(f"{node.host}:{node.port}" for node in metadata.brokers.values())


def leads(addresses: Iterable[str]) -> str:
    """Say where a broker leads its clients."""
    return f"leads its clients to {', '.join(addresses)}"


def dead_end(metadata: ClusterMetadata) -> str | None:
    """Return where a broker leads its clients if nothing listens there; None if something does."""
    addresses = advertised(metadata)
    if any(map(_listens, addresses)):
        return None
    return (
        f"the broker there {leads(addresses)}, where nothing answers from here; expected an address that its "
        f"clients reach (advertised.listeners); remedy: {REMEDY}"
    )


def looked_up(options: Namespace) -> str | None:
    """Ask the broker, and return what `dead_end` says; also None if the broker does not answer.

    A client that already follows the broker's lead gets no second answer, so each try uses a new one.
    """
    if not any(map(_listens, str(options.kafka_bootstrap_servers).split(","))):
        return None
    for _ in range(TRIES):
        with suppress(KafkaException, SourceError):
            client = AdminClient(kafka_connection.properties(options))
            return dead_end(client.list_topics(timeout=SECONDS))
    return None


def _listens(address: str) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS).close()
    except (OSError, ValueError):
        return False
    return True
