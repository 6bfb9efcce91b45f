"""Kafka on Google Cloud: any broker that the cluster reaches, or Managed Service for Apache Kafka."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from sources.catalog import PARTITIONS, Stream
from sources.google_cloud import Cloud, Creation, Finding, OnGoogleCloud, Service, refused, warning
from sources.kafka import login
from sources.kafka.addresses import is_local
from sources.kafka.options import MANAGED, KafkaOptions

PORT = 9092
SERVICE = Service(
    api="managedkafka.googleapis.com",
    roles=(login.ROLE,),
    source="https://docs.cloud.google.com/managed-service-for-apache-kafka/docs/authentication-kafka",
    as_of=date(2026, 11, 22),
)


class KafkaOnGoogleCloud(OnGoogleCloud):
    """A broker, and the topics of the streams or of the results."""

    def flags(self, options: KafkaOptions, cloud: Cloud) -> Sequence[str]:
        """Return the address and the login of Google's Kafka."""
        if not (cloud.kafka_cluster and cloud.project):
            return ()
        host = f"bootstrap.{cloud.kafka_cluster}.{cloud.region}.managedkafka.{cloud.project}.cloud.goog"
        return f"--kafka-bootstrap-servers={host}:{PORT}", f"--kafka-auth={MANAGED}"

    def findings(self, options: KafkaOptions, cloud: Cloud) -> Iterator[Finding]:
        """Refuse brokers and login files of this machine; warn about files that should be on the cluster's.

        A plan carries no secrets, because many people may be able to read a bucket.
        """
        if cloud.kafka_cluster and not cloud.project:
            yield refused(
                f"--kafka-cluster {cloud.kafka_cluster}",
                "the broker's address contains the project's id, which is not given",
                "--project ID (gcloud config get project)",
            )
        if cloud.rehearsal:
            return
        yield from _unreachable(options)
        for flag, path in login.files(options).items():
            if not path.startswith("/"):
                yield refused(
                    f"{flag} {path}",
                    "a file of this machine, which a plan does not stage, because many may read a bucket; "
                    "expected a path on the cluster's machines",
                    f"{flag} /etc/twinstream/{path.rpartition('/')[2]}, put there from Secret Manager by an "
                    "initialization action, or --kafka-auth managed on Google's Kafka, which needs no file",
                )
            else:
                yield warning(
                    f"{flag} {path}",
                    "read on the cluster's main machine, where a plan cannot look",
                    "an initialization action of the cluster that puts it there from Secret Manager",
                )

    def services(self, options: KafkaOptions, cloud: Cloud) -> Sequence[Service]:
        """Return Google's Kafka if the job uses that."""
        return (SERVICE,) if cloud.kafka_cluster else ()

    def clusters(self, options: KafkaOptions, cloud: Cloud) -> Iterator[Creation]:
        """Yield Google's Kafka cluster, the smallest there is."""
        if cloud.kafka_cluster and cloud.project:
            subnet = f"projects/{cloud.project}/regions/{cloud.region}/subnetworks/{cloud.subnet}"
            size = ("--cpu=3", "--memory=3GiB", f"--subnets={subnet}")
            yield Creation(
                "Managed Service for Apache Kafka, the smallest there is; about half an hour",
                _managed(cloud, "clusters", "create", cloud.kafka_cluster, *size),
                _managed(cloud, "clusters", "describe", cloud.kafka_cluster),
            )

    def streams(self, streams: Sequence[Stream], options: KafkaOptions, cloud: Cloud) -> Iterator[Creation]:
        """Yield the streams' topics on Google's Kafka."""
        yield from topics([stream.topic for stream in streams], cloud)


def topics(names: Sequence[str], cloud: Cloud) -> Iterator[Creation]:
    """Yield these topics on Google's Kafka; nothing for another broker."""
    for name in names if cloud.kafka_cluster else ():
        cluster = f"--cluster={cloud.kafka_cluster}"
        size = (f"--partitions={PARTITIONS}", "--replication-factor=3")
        yield Creation(
            f"The topic {name}",
            _managed(cloud, "topics", "create", name, cluster, *size),
            _managed(cloud, "topics", "describe", name, cluster),
        )


def _unreachable(options: KafkaOptions) -> Iterator[Finding]:
    servers = str(options.kafka_bootstrap_servers)
    if local := [server for server in servers.split(",") if is_local(server)]:
        yield refused(
            f"--kafka-bootstrap-servers {servers}",
            f"{local[0]} is every machine's own address, and no broker runs on the cluster's",
            "the brokers' address, or --kafka-cluster NAME --project ID for Google's Managed Service",
        )


def _managed(cloud: Cloud, *words: str) -> tuple[str, ...]:
    return ("managed-kafka", *words, f"--location={cloud.region}")
