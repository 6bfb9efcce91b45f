"""The emulator inside a program: its own threads and Spark, on a port from the operating system."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from dataproc_emulator import hadoop
from dataproc_emulator.access import EXCHANGE, Access
from dataproc_emulator.accounts import Accounts
from dataproc_emulator.application import Application
from dataproc_emulator.buckets import PUBLIC, Buckets
from dataproc_emulator.compute_api import ComputeApi
from dataproc_emulator.dataproc_api import DataprocApi
from dataproc_emulator.exports import environment
from dataproc_emulator.files import Files, claimed
from dataproc_emulator.http_server import listen, serving
from dataproc_emulator.iam_api import IamApi
from dataproc_emulator.images import DEFAULT
from dataproc_emulator.job import Machine
from dataproc_emulator.managed_kafka import ManagedKafka
from dataproc_emulator.processes import Processes
from dataproc_emulator.services_api import ServicesApi
from dataproc_emulator.spark import SparkClusters
from dataproc_emulator.storage_access import StorageAccess
from dataproc_emulator.storage_api import StorageApi
from dataproc_emulator.subnetworks import Subnetworks
from dataproc_emulator.web import Routes

CLUSTER, REGION = "spark-streaming", "us-central1"
_CONNECTORS = "pubsublite/pubsublite-spark-sql-streaming-{}-with-dependencies.jar"


class DataprocEmulator:
    """A context manager: ``with DataprocEmulator() as dataproc:`` serves until the block ends.

    ``dataproc.env`` holds the variables that lead gcloud here; ``dataproc.address`` is ``host:port``;
    ``dataproc.files`` says where objects, jobs and logs are. Without a ``directory``, everything is in a
    temporary one. Drivers and executors get ``environment``, by default the process's own, so variables that
    lead Google's clients to a Pub/Sub Lite emulator also lead the jobs there. A driver that is told to stop
    is killed after ``grace`` seconds.

    A request must carry the token in ``dataproc.files`` and name loopback, ``advertise`` (HOST or HOST:PORT,
    which clients are given) or one of ``allow_hosts``; one that stalls is ended after ``patience`` seconds.
    Entering raises OSError if Spark, Java, a jar, the port or the directory is not available.
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        advertise: str = "",
        allow_hosts: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        grace: float = 10.0,
        patience: float = 30.0,
    ) -> None:
        self._directory = directory
        self._listen = (host, port)
        reached = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104
        self._reached = f"[{reached}]" if ":" in reached else reached
        self._advertise = advertise or self._reached
        self._allow_hosts = (self._advertise, *allow_hosts)
        self._environment = dict(os.environ if environment is None else environment)
        self._grace = grace
        self._patience = patience
        self._cleanup = ExitStack()
        self.address = ""
        self.files = Files(Path())

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            directory = self._directory or Path(
                cleanup.enter_context(
                    tempfile.TemporaryDirectory(prefix="dataproc-emulator-", ignore_cleanup_errors=True)
                )
            )
            self.files = cleanup.enter_context(claimed(directory))
            processes = Processes()
            cleanup.callback(processes.close)
            self._serve(processes, cleanup)
            self.files.ready.write_text(json.dumps(self.ready))
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    @property
    def env(self) -> dict[str, str]:
        """Return the variables for gcloud, to be added to the process's own."""
        return environment(self.files, self.address, os.environ)

    @property
    def ready(self) -> dict[str, str]:
        """Return what ``serve`` prints: where the emulator is."""
        return {"address": self.address, "cluster": CLUSTER, "region": REGION}

    def _routes(self, processes: Processes, here: str, cleanup: ExitStack) -> tuple[Routes, StorageAccess]:
        """Return the routes of all interfaces, and who else may reach Cloud Storage's.

        ``here`` is the address under which jobs reach them.
        """
        spark = SparkClusters(self.files, processes, self._environment)
        _publish_connectors(self.files)
        buckets, subnetworks, services = Buckets(self.files), Subnetworks(), ServicesApi()
        accounts = Accounts(self.files.accounts, f"http://{here}{EXCHANGE}")
        kafka = ManagedKafka(self.files, processes, spark.of(DEFAULT), accounts, services)
        cleanup.callback(kafka.clusters.close)
        machine = Machine(self.files, buckets, processes, spark, self._grace, kafka.reach)
        dataproc = DataprocApi(machine, subnetworks)
        cleanup.callback(dataproc.jobs.close)
        image = {"softwareConfig": {"imageVersion": DEFAULT.name}}
        dataproc.clusters.create("local-project", REGION, {"clusterName": CLUSTER, "config": image})
        dataproc.clusters.enter("local-project", REGION, CLUSTER, "RUNNING")
        routes = Routes()
        others = (ComputeApi(subnetworks), IamApi(accounts, f"http://{self.address}{EXCHANGE}"))
        for interface in (dataproc, StorageApi(buckets, self.files.uploads), services, kafka, *others):
            interface.add_to(routes)
        return routes, kafka.storage_access

    def _serve(self, processes: Processes, cleanup: ExitStack) -> None:
        listening = cleanup.enter_context(listen(*self._listen))
        port = listening.getsockname()[1]
        has_port = ":" in self._advertise.rpartition("]")[2]
        self.address = self._advertise if has_port else f"{self._advertise}:{port}"
        routes, storage = self._routes(processes, f"{self._reached}:{port}", cleanup)
        access = Access(self.files.token.read_text(), port, self._allow_hosts, storage.admits)
        application = Application(routes, access, self.files.uploads, self._patience)
        cleanup.enter_context(serving(application, listening))


def _publish_connectors(files: Files) -> None:
    """Fill Google's public bucket with its Pub/Sub Lite connector, if that has been downloaded."""
    for jar in (hadoop.jars_directory() / "pubsublite").glob("pubsublite-spark-sql-streaming-*.jar"):
        for version in ("LATEST", "1.0.0"):
            link = files.buckets / PUBLIC / _CONNECTORS.format(version)
            link.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                link.unlink()
            link.symlink_to(jar.absolute())
