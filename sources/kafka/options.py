"""The `--kafka-…` flags: the broker's address, the login to it, and how it is read."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import datetime

from sources import instants
from sources.choice import OwnOptions
from sources.flags import flag, whole_number

NONE, PLAIN, MANAGED = "none", "plain", "managed"
"""The logins: no login; a user and a password; Google's Managed Service for Apache Kafka."""
COMMITTED = {"isolation.level": "read_committed"}
"""A setting of every consumer, in Java as in Python: an aborted transaction holds no events."""


def _starting(text: str) -> str | datetime:
    if text in ("earliest", "latest"):
        return text
    try:
        return instants.flag(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected earliest, latest or a time with a zone like 2026-01-01T12:00:00Z, "
            "of the years 1970 to 9998"
        ) from None


@dataclass(frozen=True)
class KafkaOptions(OwnOptions):
    """The options of a Kafka broker and of reading it."""

    kafka_bootstrap_servers: str = flag(
        "addresses of the broker: HOST:PORT[,HOST:PORT…]", default="localhost:9092"
    )
    kafka_auth: str = flag(
        "login: plain is SASL_SSL with user and password; managed is Google's Managed Service for Apache "
        "Kafka with the application default credentials",
        default=NONE,
        choices=(NONE, PLAIN, MANAGED),
    )
    kafka_username: str | None = flag("user name, for --kafka-auth plain")
    kafka_password_file: str | None = flag("file that contains only the password, for --kafka-auth plain")
    kafka_tls_ca: str | None = flag(
        "PEM file of the certificate authorities to trust (default: the public ones)"
    )
    kafka_starting: str | datetime = flag(
        "where a new checkpoint starts: earliest, latest or a time such as 2026-01-01T12:00:00Z",
        default="earliest",
        parse=_starting,
        formerly="--starting",
    )
    kafka_max_events_per_batch: int = flag(
        "maximum number of events per batch, over all partitions", default="1000000", parse=whole_number
    )

    def fault(self) -> str | None:
        """Return which flag the chosen `--kafka-auth` does not take or lacks, with the remedy."""
        for name, value, takers in self._of_the_login():
            if value and self.kafka_auth not in takers:
                return (
                    f"{name} {value}: a flag of --kafka-auth {' and '.join(takers)}; expected none with "
                    f"--kafka-auth {self.kafka_auth}; remedy: --kafka-auth {takers[0]}, or leave it out"
                )
            if not value and takers == (self.kafka_auth,):
                return f"{name}: not given; --kafka-auth {self.kafka_auth} needs it"
        return None

    def login_flags(self) -> dict[str, str]:
        """Return the flags of the login that are given, beside `--kafka-auth`, with their values."""
        return {name: value for name, value, _ in self._of_the_login() if value}

    def _of_the_login(self) -> tuple[tuple[str, str | None, tuple[str, ...]], ...]:
        """Return each flag of the login, its value, and the kinds of login that take it."""
        return (
            ("--kafka-username", self.kafka_username, (PLAIN,)),
            ("--kafka-password-file", self.kafka_password_file, (PLAIN,)),
            ("--kafka-tls-ca", self.kafka_tls_ca, (PLAIN, MANAGED)),
        )
