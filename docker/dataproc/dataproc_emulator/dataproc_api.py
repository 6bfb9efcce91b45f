"""The Dataproc interface: clusters, operations and jobs of a region."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dataproc_emulator.clusters import Clusters
from dataproc_emulator.job import Machine
from dataproc_emulator.jobs import Jobs
from dataproc_emulator.operations import Operations
from dataproc_emulator.subnetworks import Subnetworks
from dataproc_emulator.times import stamp
from dataproc_emulator.web import Request, Routes

_REGION = "/v1/projects/{project}/regions/{region}"
_CLUSTER = f"{_REGION}/clusters/{{cluster}}"
_JOB = f"{_REGION}/jobs/{{job}}"
_GOOGLE = "type.googleapis.com/google.cloud.dataproc.v1"

Resource = dict[str, Any]


class DataprocApi:
    """Answers for all regions; all jobs run on one machine."""

    def __init__(self, machine: Machine, subnetworks: Subnetworks) -> None:
        self._machine = machine
        self._subnetworks = subnetworks
        self._operations = Operations()
        self.clusters = Clusters(machine.buckets)
        self.jobs = Jobs(machine, self.clusters)

    def add_to(self, routes: Routes) -> None:
        """Add the interface's paths to ``routes``."""
        routes.add("GET", f"{_REGION}/clusters", self._list_clusters)
        routes.add("POST", f"{_REGION}/clusters", self._create_cluster)
        routes.add("GET", _CLUSTER, lambda _, *path: self.clusters.get(*path))
        routes.add("DELETE", _CLUSTER, self._delete_cluster)
        routes.add("GET", f"{_REGION}/operations/{{operation}}", self._get_operation)
        routes.add("POST", f"{_REGION}/jobs:submit", self._submit)
        routes.add("GET", f"{_REGION}/jobs", self._list_jobs)
        routes.add("POST", f"{_JOB}:cancel", self._cancel)
        routes.add("GET", _JOB, lambda _, *path: self.jobs.get(*path).resource)
        routes.add("PATCH", _JOB, self._update_job)
        routes.add("DELETE", _JOB, self._delete_job)

    def _list_clusters(self, _: Request, project: str, region: str) -> Resource:
        return {"clusters": self.clusters.list(project, region)}

    def _create_cluster(self, request: Request, project: str, region: str) -> Resource:
        machines = request.json.get("config", {}).get("gceClusterConfig", {})
        self._subnetworks.check_machines(project, region, machines)
        self._machine.reach.check_account(machines)
        cluster = self.clusters.create(project, region, request.json)
        name = cluster["clusterName"]

        def work() -> Resource:
            try:
                self._machine.spark_of(cluster).start()
            except OSError as error:
                self.clusters.enter(project, region, name, "ERROR", str(error))
                raise
            return self.clusters.enter(project, region, name, "RUNNING")

        return self._begin(f"projects/{project}/regions/{region}", "CREATE", cluster, work)

    def _delete_cluster(self, _: Request, project: str, region: str, name: str) -> Resource:
        cluster = self.clusters.enter(project, region, name, "DELETING")

        def work() -> Resource:
            self.jobs.end_on(cluster["clusterUuid"])
            self.clusters.remove(region, name)
            return {"@type": "type.googleapis.com/google.protobuf.Empty"}

        return self._begin(f"projects/{project}/regions/{region}", "DELETE", cluster, work)

    def _begin(self, parent: str, kind: str, cluster: Resource, work: Callable[[], Resource]) -> Resource:
        metadata = {
            "@type": f"{_GOOGLE}.ClusterOperationMetadata",
            "clusterName": cluster["clusterName"],
            "clusterUuid": cluster["clusterUuid"],
            "operationType": kind,
            **_status("RUNNING"),
        }
        return self._operations.begin(parent, metadata, work, lambda: _status("DONE"))

    def _get_operation(self, _: Request, project: str, region: str, operation: str) -> Resource:
        return self._operations.get(f"projects/{project}/regions/{region}/operations/{operation}")

    def _submit(self, request: Request, project: str, region: str) -> Resource:
        return self.jobs.submit(project, region, request.json.get("job", {})).resource

    def _list_jobs(self, request: Request, project: str, region: str) -> Resource:
        return {"jobs": [job.resource for job in self.jobs.matching(region, request.query)]}

    def _cancel(self, _: Request, *path: str) -> Resource:
        job = self.jobs.get(*path)
        job.stop("CANCELLED")
        return job.resource

    def _update_job(self, request: Request, *path: str) -> Resource:
        job = self.jobs.get(*path)
        job.label(request.json.get("labels", {}))
        return job.resource

    def _delete_job(self, _: Request, *path: str) -> Resource:
        self.jobs.delete(*path)
        return {}


def _status(state: str) -> Resource:
    return {"status": {"state": state, "innerState": state, "stateStartTime": stamp()}}
