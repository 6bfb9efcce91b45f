"""What the user is told if the broker of `--kafka-bootstrap-servers` does not do what its clients need."""

from __future__ import annotations

from collections.abc import Sequence

from sources.base import SourceError
from sources.fault import Fault
from sources.kafka import addresses, login, tls
from sources.kafka.options import KafkaOptions

ANSWER_SECONDS = 10
"""Seconds without an answer after which a broker counts as unreachable."""


class NoTopic(SourceError):
    """A topic that does not exist."""


def unreachable(options: KafkaOptions, reason: object, brokers: Sequence[str] = ()) -> SourceError:
    """Return the error for a broker that does not answer, or not as its clients expect.

    `brokers`: the addresses to which it leads its clients, if they may lead nowhere.
    """
    if fault := tls.fault(options) or (addresses.dead_end(brokers) if brokers else None):
        return led_away(options, fault)
    return SourceError(
        f"--kafka-bootstrap-servers {options.kafka_bootstrap_servers}: {reason}",
        expected="a Kafka broker",
        remedy="start one there, give another address, or log in if it requires that (--kafka-auth)",
    )


def led_away(options: KafkaOptions, fault: Fault) -> SourceError:
    """Return the error for a broker that answers, but that no client can work with."""
    problem = f"--kafka-bootstrap-servers {options.kafka_bootstrap_servers}: {fault.problem}"
    return SourceError(problem, expected=fault.expected, remedy=fault.remedy)


def missing(topic: str, options: KafkaOptions) -> NoTopic:
    """Return the error for a topic that does not exist."""
    servers = options.kafka_bootstrap_servers
    create = f"twinstream create --source kafka --kafka-bootstrap-servers {servers}"
    return NoTopic(
        f"no topic {topic!r} on {servers}",
        expected="it to exist",
        remedy=f"for a stream's topic: {create} {login.given(options)}".rstrip(),
    )
