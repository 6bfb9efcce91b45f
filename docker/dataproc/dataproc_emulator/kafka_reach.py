"""What a job needs to reach a Managed Kafka cluster here, as it reaches Google's in a network there.

There, private DNS leads a bootstrap address to the brokers, a public authority has signed their certificates,
and the metadata server tells which account a machine is. Here, the address in the driver's arguments is
replaced, Java is given the local authority, and the account's credentials are in a file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataproc_emulator.accounts import COMPUTE, Accounts
from dataproc_emulator.errors import ApiError
from dataproc_emulator.kafka_clusters import KafkaClusters
from dataproc_emulator.trust import PASSWORD, Trust

_LABEL = r"([a-z0-9-]+)"
_ADDRESS = re.compile(rf"bootstrap\.{_LABEL}\.{_LABEL}\.managedkafka\.{_LABEL}\.cloud\.goog:9092")


@dataclass(frozen=True)
class Reached:
    """A driver's arguments, and the environment of driver and executors, which adds to their own."""

    arguments: list[str]
    environment: dict[str, str]


class KafkaReach:
    """Leads jobs to ``clusters``, each as the account of its Dataproc cluster's machines."""

    def __init__(self, clusters: KafkaClusters, accounts: Accounts, trust: Trust) -> None:
        self._clusters = clusters
        self._accounts = accounts
        self._trust = trust

    def check_account(self, machines: Mapping[str, Any]) -> None:
        """Raise ApiError if the account of a cluster's machines (``gceClusterConfig``) does not exist."""
        email = _account(machines)
        if not self._accounts.exists(email):
            raise ApiError("INVALID_ARGUMENT", f"Service account '{email}' does not exist.")

    def of(
        self, arguments: Sequence[str], project: str, machines: Mapping[str, Any], existing: Mapping[str, str]
    ) -> Reached:
        """Return what a driver is started with; nothing changes for one that names no cluster's address.

        An address of a cluster that does not exist stays, and no name server knows it. The address that a
        cluster has on this machine counts too.
        """
        led = [_ADDRESS.sub(lambda match: self._address(match), argument) for argument in arguments]
        if not any(address in argument for address in self._addresses() for argument in led):
            return Reached(led, {})
        options = [existing.get("JAVA_TOOL_OPTIONS", ""), *map(shlex.quote, self._java())]
        return Reached(
            led,
            {
                "GOOGLE_APPLICATION_CREDENTIALS": str(self._accounts.machine(project, _account(machines))),
                "JAVA_TOOL_OPTIONS": " ".join(filter(None, options)),
                "SSL_CERT_FILE": str(self._trust.bundle),
            },
        )

    def _addresses(self) -> list[str]:
        return [one.node.address for one in self._clusters.all() if one.node.address]

    def _java(self) -> list[str]:
        store = "javax.net.ssl.trustStore"
        properties = {store: self._trust.store, f"{store}Type": "PKCS12", f"{store}Password": PASSWORD}
        return [f"-D{name}={value}" for name, value in properties.items()]

    def _address(self, match: re.Match[str]) -> str:
        name, location, project = match.groups()
        try:
            cluster = self._clusters.get(f"projects/{project}/locations/{location}/clusters/{name}")
        except ApiError:
            return match[0]
        return cluster.node.address or match[0]


def _account(machines: Mapping[str, Any]) -> str:
    return str(machines.get("serviceAccount") or COMPUTE)
