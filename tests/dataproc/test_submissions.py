"""Jobs on submission: none of these gets as far as starting Spark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dataproc_emulator.accounts import Accounts
from dataproc_emulator.buckets import Buckets
from dataproc_emulator.clusters import Clusters
from dataproc_emulator.errors import ApiError
from dataproc_emulator.files import claimed
from dataproc_emulator.images import DEFAULT
from dataproc_emulator.job import Machine
from dataproc_emulator.jobs import Jobs
from dataproc_emulator.managed_kafka import ManagedKafka
from dataproc_emulator.processes import Processes
from dataproc_emulator.services_api import ServicesApi
from dataproc_emulator.spark import SparkClusters

REGIONS = ("us-central1", "europe-west1")


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """Return the jobs of two regions with a cluster each."""
    with claimed(tmp_path) as files, closing(Processes()) as processes:
        buckets = Buckets(files)
        clusters = Clusters(buckets)
        for region in REGIONS:
            image = {"softwareConfig": {"imageVersion": "2.3-debian12"}}
            clusters.create("project", region, {"clusterName": "c", "config": image})
            clusters.enter("project", region, "c", "RUNNING")
        spark = SparkClusters(files, processes, {})
        kafka = ManagedKafka(files, processes, spark.of(DEFAULT), Accounts(files.accounts, ""), ServicesApi())
        yield Jobs(Machine(files, buckets, processes, spark, 1, kafka.reach), clusters)


def wanted(identity: str) -> dict[str, Any]:
    entry = {"mainPythonFileUri": "gs://nobodys/entry.py"}
    return {"placement": {"clusterName": "c"}, "reference": {"jobId": identity}, "pysparkJob": entry}


def test_an_id_is_one_jobs_in_all_regions_until_that_is_deleted(jobs: Jobs) -> None:
    here, there = REGIONS
    job = jobs.submit("project", here, wanted("same"))
    for region in REGIONS:
        with pytest.raises(ApiError, match="Already exists: Failed to submit job: Job same"):
            jobs.submit("project", region, wanted("same"))
    job.join()
    assert job.resource["status"]["state"] == "ERROR"
    assert (jobs.matching(here, {}), jobs.matching(there, {})) == ([job], [])
    with pytest.raises(ApiError, match="Not found: Job projects/project/regions/europe-west1/jobs/same"):
        jobs.get("project", there, "same")
    jobs.delete("project", here, "same")
    jobs.submit("project", there, wanted("same")).join()


@pytest.mark.parametrize("identity", ["a" * 101, "a b", "../a", "ä"])
def test_an_id_that_is_none_is_refused(jobs: Jobs, identity: str) -> None:
    with pytest.raises(ApiError, match="Invalid job id"):
        jobs.submit("project", REGIONS[0], wanted(identity))
    jobs.submit("project", REGIONS[0], wanted("a" * 100)).join()


def test_a_cluster_that_does_not_run_yet_takes_no_job(jobs: Jobs) -> None:
    jobs._clusters.enter("project", REGIONS[0], "c", "CREATING")
    with pytest.raises(ApiError, match="Cluster c is CREATING; jobs need a RUNNING one"):
        jobs.submit("project", REGIONS[0], wanted("early"))
