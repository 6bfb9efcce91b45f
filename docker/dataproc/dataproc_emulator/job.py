"""One job: its state as the interface shows it, and the thread that runs and restarts its driver."""

from __future__ import annotations

import copy
import logging
import time
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any
from uuid import uuid4

from dataproc_emulator import staging
from dataproc_emulator.buckets import Buckets
from dataproc_emulator.driver import Driver
from dataproc_emulator.errors import ApiError
from dataproc_emulator.files import Files
from dataproc_emulator.images import DEFAULT, image
from dataproc_emulator.kafka_reach import KafkaReach
from dataproc_emulator.output import Output
from dataproc_emulator.processes import Processes
from dataproc_emulator.restarts import Budget
from dataproc_emulator.spark import SparkCluster, SparkClusters
from dataproc_emulator.times import stamp

log = logging.getLogger("dataproc_emulator")

TERMINAL = ("DONE", "ERROR", "CANCELLED")


@dataclass(frozen=True)
class Machine:
    """What jobs run on. A driver that is told to stop is killed after ``grace`` seconds."""

    files: Files
    buckets: Buckets
    processes: Processes
    spark: SparkClusters
    grace: float
    reach: KafkaReach

    def spark_of(self, cluster: dict[str, Any]) -> SparkCluster:
        """Return the Spark behind a cluster; raise FileNotFoundError if a part of it is missing."""
        version = cluster["config"]["softwareConfig"].get("imageVersion", "")
        return self.spark.of(image(version) or DEFAULT)


class Job:
    """A PySpark job; ``resource`` is what the interface shows of it."""

    def __init__(self, wanted: dict[str, Any], cluster: dict[str, Any], machine: Machine) -> None:
        self._budget = Budget.of(wanted.get("scheduling", {}))
        self._machine = machine
        self._lock = Lock()
        self._end: tuple[str, str] | None = None
        self._driver: Driver | None = None
        self._attempts = 0
        identity = wanted["reference"]["jobId"]
        self.folder = machine.files.jobs / identity
        home = f"{cluster['config']['configBucket']}/google-cloud-dataproc-metainfo/{cluster['clusterUuid']}"
        self._control = f"gs://{home}/jobs/{identity}/"
        self._properties = _spark_properties(cluster)
        self._cluster = cluster
        self._resource = {
            **wanted,
            "placement": {"clusterName": cluster["clusterName"], "clusterUuid": cluster["clusterUuid"]},
            "status": {"state": "PENDING", "stateStartTime": stamp()},
            "statusHistory": [],
            "driverControlFilesUri": self._control,
            "jobUuid": str(uuid4()),
            "done": False,
        }
        self._thread = Thread(target=self._run, name=f"job {identity}", daemon=True)

    def start(self) -> None:
        """Start the job in a separate thread."""
        self._thread.start()

    def join(self) -> None:
        """Wait until the job has ended."""
        self._thread.join()

    @property
    def identity(self) -> str:
        """Return the job's id."""
        return str(self._resource["reference"]["jobId"])

    @property
    def cluster(self) -> str:
        """Return the cluster's UUID."""
        return str(self._resource["placement"]["clusterUuid"])

    @property
    def resource(self) -> dict[str, Any]:
        """Return the job as it is now."""
        with self._lock:
            return copy.deepcopy(self._resource)

    def label(self, labels: dict[str, str]) -> None:
        """Replace the labels."""
        with self._lock:
            self._resource["labels"] = labels

    def stop(self, state: str, details: str = "", grace: float | None = None) -> None:
        """End the job in ``state``: SIGTERM to the driver, SIGKILL after the grace period.

        ``grace`` is in seconds (default: the machine's). A job that has ended keeps its state.
        """
        with self._lock:
            if self._end or self._resource["done"]:
                return
            self._end = (state, details)
            if state == "CANCELLED":
                self._set("CANCEL_PENDING")
            if self._driver:
                self._driver.stop(self._machine.grace if grace is None else grace)

    def _run(self) -> None:
        try:
            spark_submit, environment = self._set_up()
            self._enter("SETUP_DONE")
            state, details = self._attempt_until_the_end(spark_submit, environment)
        except (ApiError, OSError) as error:
            state, details = "ERROR", f"The job could not be set up: {error}"
        self._enter(*(self._end or (state, details)))

    def _set_up(self) -> tuple[list[str], dict[str, str]]:
        machine, job = self._machine, self._resource["pysparkJob"]
        spark, project = machine.spark_of(self._cluster), self._resource["reference"]["projectId"]
        machines = self._cluster["config"].get("gceClusterConfig", {})
        reached = machine.reach.of(job.get("args", ()), project, machines, spark.environment)
        executors = {f"spark.executorEnv.{name}": value for name, value in reached.environment.items()}
        staged = staging.stage(
            {
                **job,
                "args": reached.arguments,
                "properties": {**self._properties, **job.get("properties", {}), **executors},
            },
            machine.buckets,
            self.folder,
        )
        submit = [str(spark.home / "bin" / "spark-submit"), "--master", spark.start()]
        submit += ["--properties-file", str(spark.defaults)]
        return [*submit, *staged], {
            **spark.environment,
            **reached.environment,
            **staging.log_levels(job, self.folder),
        }

    def _attempt_until_the_end(self, spark_submit: list[str], environment: dict[str, str]) -> tuple[str, str]:
        failures: list[float] = []
        while (code := self._attempt(spark_submit, environment)) != 0 and not self._end:
            failures.append(time.monotonic())
            said = f"The driver exited with code {code}"
            if reason := self._budget.refuses(failures):
                return "ERROR", self._failure(f"{said}; {reason}.")
            self._enter("ATTEMPT_FAILURE", f"{said} and is started again.")
        return "DONE", ""

    def _attempt(self, spark_submit: list[str], environment: dict[str, str]) -> int:
        """Run the driver once and return its exit code."""
        self._attempts += 1
        place = f"{self._control}driveroutput"
        if self._attempts > 1:
            place = f"{self._control}attempt-{self._attempts}/driveroutput"
        bucket, _, prefix = place.removeprefix("gs://").partition("/")
        output = Output(self._machine.buckets.path(bucket, prefix))
        with self._lock:
            if self._end:
                return 0
            self._driver = driver = Driver(
                self._machine.processes, spark_submit, environment, self.folder / "work", output
            )
            self._resource["driverOutputResourceUri"] = place
            self._set("RUNNING")
        (self.folder / "driver.pid").write_text(f"{driver.pid}\n")
        log.info("job %s: driver %d, attempt %d", self.identity, driver.pid, self._attempts)
        return driver.wait()

    def _failure(self, reason: str) -> str:
        where = self._resource["driverOutputResourceUri"]
        return (
            f"{reason}\nGoogle Cloud Dataproc Agent reports job failure. "
            f"If logs are available, they can be found at:\n{where}.*"
        )

    def _enter(self, state: str, details: str = "") -> None:
        with self._lock:
            self._set(state, details)

    def _set(self, state: str, details: str = "") -> None:
        log.info("job %s: %s %s", self.identity, state, details.partition("\n")[0])
        self._resource["statusHistory"].append(self._resource["status"])
        self._resource["status"] = {"state": state, "stateStartTime": stamp()}
        if details:
            self._resource["status"]["details"] = details
        self._resource["done"] = state in TERMINAL


def _spark_properties(cluster: dict[str, Any]) -> dict[str, str]:
    """Return the cluster's Spark settings: the ``spark:`` ones of ``clusters create --properties``."""
    properties: dict[str, str] = cluster["config"]["softwareConfig"].get("properties", {})
    return {
        name.removeprefix("spark:"): value for name, value in properties.items() if name.startswith("spark:")
    }
