"""The addresses that a Kafka broker gives its clients, which ask at one address and continue at those."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence

from sources.fault import Fault

LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[?::1\]?")
SECONDS = 1.5
"""Seconds that an address may take to accept a connection."""
REMEDY = "use that address, or set KAFKA_PORT in .env and recreate the containers"


def leads(addresses: Iterable[str]) -> str:
    """Say where a broker leads its clients."""
    return f"leads its clients to {', '.join(addresses)}"


def dead_end(addresses: Sequence[str]) -> Fault | None:
    """Return where a broker leads its clients if nothing listens there; None if something does."""
    if any(map(listens, addresses)):
        return None
    return Fault(
        f"the broker there {leads(addresses)}, where nothing answers from here",
        expected="an address that its clients reach (advertised.listeners)",
        remedy=REMEDY,
    )


def listens(address: str) -> bool:
    """Return whether HOST:PORT accepts a connection from here."""
    host, _, port = address.strip().rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def is_local(address: str) -> bool:
    """Return whether HOST or HOST:PORT is local to this machine."""
    host = re.sub(r":\d+$", "", address.strip())
    return LOOPBACK.fullmatch(host) is not None
