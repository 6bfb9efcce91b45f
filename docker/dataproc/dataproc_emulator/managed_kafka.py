"""Managed Service for Apache Kafka and what a login to it depends on: accounts, policies and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dataproc_emulator import hadoop, kafka_login
from dataproc_emulator.accounts import Accounts
from dataproc_emulator.authority import Authority
from dataproc_emulator.files import Files
from dataproc_emulator.google_tokens import GoogleTokens
from dataproc_emulator.kafka_admission import KafkaAdmission
from dataproc_emulator.kafka_clusters import KafkaClusters
from dataproc_emulator.kafka_node import KafkaParts
from dataproc_emulator.kafka_reach import KafkaReach
from dataproc_emulator.managed_kafka_clusters_api import ManagedKafkaClustersApi
from dataproc_emulator.managed_kafka_topics_api import ManagedKafkaTopicsApi
from dataproc_emulator.policies import Policies
from dataproc_emulator.processes import Processes
from dataproc_emulator.projects_api import ProjectsApi
from dataproc_emulator.services_api import ServicesApi
from dataproc_emulator.spark import SparkCluster
from dataproc_emulator.storage_access import StorageAccess
from dataproc_emulator.token_api import TokenApi
from dataproc_emulator.trust import Trust
from dataproc_emulator.web import Routes

_JARS = "broker"


class ManagedKafka:
    """The service, put together; ``reach`` leads jobs to its ``clusters``.

    ``storage_access`` knows the same accounts, whose tokens Cloud Storage takes too.
    """

    def __init__(
        self,
        files: Files,
        processes: Processes,
        spark: SparkCluster,
        accounts: Accounts,
        services: ServicesApi,
    ) -> None:
        self._files = files
        self._spark = spark
        authority = Authority("Managed Kafka, local")
        others = [Path(file) for file in (spark.environment.get("LITE_CA"),) if file and Path(file).is_file()]
        self._trust = Trust(files.kafka, authority, others)
        self.clusters = KafkaClusters(files.kafka, self._parts, authority, processes)
        self.reach = KafkaReach(self.clusters, accounts, self._trust)
        policies, tokens = Policies(accounts), GoogleTokens(accounts)
        self.storage_access = StorageAccess(policies, tokens)
        admission = KafkaAdmission(self.clusters, policies, tokens)
        policies.changed = admission.renew
        self._interfaces = (
            ManagedKafkaClustersApi(self.clusters, services, admission.renew),
            ManagedKafkaTopicsApi(self.clusters),
            ProjectsApi(policies),
            TokenApi(tokens, admission.renew),
        )

    def add_to(self, routes: Routes) -> None:
        """Add the paths of the service, of projects and of the token endpoint to ``routes``."""
        for interface in self._interfaces:
            interface.add_to(routes)

    def _parts(self) -> KafkaParts:
        """Return what a node is made of; raise OSError, with the remedy, if something is missing."""
        jars = hadoop.jars_directory() / _JARS
        if not any(jars.glob("kafka_*.jar")):
            raise FileNotFoundError(f"no jar set '{_JARS}' in {jars}; remedy: twinstream jars {_JARS}")
        self._trust.write()
        environment = _without_java_options(self._spark.environment)
        java = str(Path(environment["JAVA_HOME"], "bin", "java")) if environment.get("JAVA_HOME") else "java"
        classes = kafka_login.compiled(
            self._files.kafka / ".classes", java, jars, self._spark.home, environment
        )
        return KafkaParts(java, jars, classes, environment)


def _without_java_options(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the options that lead Java's clients elsewhere."""
    return {name: value for name, value in environment.items() if name != "JAVA_TOOL_OPTIONS"}
