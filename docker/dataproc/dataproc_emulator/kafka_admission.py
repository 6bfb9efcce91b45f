"""Which access tokens the node of each Managed Kafka cluster admits."""

from __future__ import annotations

from threading import Lock

from dataproc_emulator.google_tokens import GoogleTokens
from dataproc_emulator.kafka_clusters import KafkaClusters
from dataproc_emulator.policies import Policies

ROLES = ("roles/managedkafka.client", "roles/managedkafka.admin", "roles/editor", "roles/owner")
"""Those that include managedkafka.clusters.connect."""


class KafkaAdmission:
    """Tells each node the tokens of the accounts that the policy of its cluster's project lets connect."""

    def __init__(self, clusters: KafkaClusters, policies: Policies, tokens: GoogleTokens) -> None:
        self._clusters = clusters
        self._policies = policies
        self._tokens = tokens
        self._lock = Lock()

    def renew(self) -> None:
        """Write the list of every cluster, each whole: a node reads it at each login."""
        with self._lock:
            issued = self._tokens.valid()
            for cluster in self._clusters.all():
                allowed = self._policies.accounts_with(cluster.project, ROLES)
                lines = [
                    f"{one.digest} {one.ends * 1000} {one.account}\n"
                    for one in issued
                    if one.account in allowed
                ]
                fresh = cluster.node.admitted.with_suffix(".new")
                fresh.touch(mode=0o600)
                fresh.write_text("".join(lines))
                fresh.replace(cluster.node.admitted)
