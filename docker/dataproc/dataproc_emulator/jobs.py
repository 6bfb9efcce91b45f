"""All jobs, by region and id."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any
from uuid import uuid4

from dataproc_emulator.clusters import Clusters
from dataproc_emulator.errors import ApiError, not_found
from dataproc_emulator.job import Job, Machine

_IDENTITY = re.compile(r"[a-zA-Z0-9_-]{1,100}")


class Jobs:
    """The jobs of all clusters."""

    def __init__(self, machine: Machine, clusters: Clusters) -> None:
        self._machine = machine
        self._clusters = clusters
        self._lock = Lock()
        self._all: dict[tuple[str, str], Job] = {}

    def submit(self, project: str, region: str, wanted: dict[str, Any]) -> Job:
        """Start a job; raise ApiError if it could not run or its id is taken."""
        if not wanted.get("pysparkJob", {}).get("mainPythonFileUri"):
            raise ApiError("UNIMPLEMENTED", "Only PySpark jobs run here: gcloud dataproc jobs submit pyspark")
        name = wanted.get("placement", {}).get("clusterName", "")
        cluster = self._clusters.get(project, region, name)
        if cluster["status"]["state"] != "RUNNING":
            state = cluster["status"]["state"]
            raise ApiError("FAILED_PRECONDITION", f"Cluster {name} is {state}; jobs need a RUNNING one.")
        identity = wanted.get("reference", {}).get("jobId") or uuid4().hex
        if not _IDENTITY.fullmatch(identity):
            raise ApiError("INVALID_ARGUMENT", f"Invalid job id '{identity}'; expected {_IDENTITY.pattern}")
        reference = {"projectId": project, "jobId": identity}
        with self._lock:
            if any(known == identity for _, known in self._all):
                raise ApiError("ALREADY_EXISTS", f"Already exists: Failed to submit job: Job {identity}")
            job = Job({**wanted, "reference": reference}, cluster, self._machine)
            self._all[region, identity] = job
        job.start()
        return job

    def get(self, project: str, region: str, identity: str) -> Job:
        """Return the job with that id; raise ApiError if it does not exist."""
        try:
            return self._all[region, identity]
        except KeyError:
            raise not_found("Job", f"projects/{project}/regions/{region}/jobs/{identity}") from None

    def matching(self, region: str, query: Mapping[str, str]) -> list[Job]:
        """Return the region's jobs in the requested cluster and state (ACTIVE, NON_ACTIVE), newest first."""
        if "filter" in query:
            raise ApiError("UNIMPLEMENTED", "--filter is not in this emulator: use --cluster, --state-filter")
        jobs = [job for (place, _), job in reversed(self._all.items()) if place == region]
        wanted = {"ACTIVE": [False], "NON_ACTIVE": [True]}.get(
            query.get("jobStateMatcher", ""), [True, False]
        )
        return [
            job
            for job in jobs
            if query.get("clusterName") in (None, job.resource["placement"]["clusterName"])
            and job.resource["done"] in wanted
        ]

    def delete(self, project: str, region: str, identity: str) -> None:
        """Forget a job that has ended; raise ApiError if it is active."""
        if not self.get(project, region, identity).resource["done"]:
            raise ApiError("FAILED_PRECONDITION", f"Job {identity} is active and cannot be deleted.")
        with self._lock:
            del self._all[region, identity]

    def end_on(self, cluster_uuid: str) -> None:
        """End every job of a cluster and wait until they have ended."""
        self._end([job for job in list(self._all.values()) if job.cluster == cluster_uuid])

    def close(self) -> None:
        """End every job without grace, and wait until they have ended."""
        self._end(list(self._all.values()), grace=0)

    def _end(self, jobs: Sequence[Job], grace: float | None = None) -> None:
        for job in jobs:
            job.stop("ERROR", "The cluster was deleted.", grace)
        for job in jobs:
            job.join()
