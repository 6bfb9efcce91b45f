"""Clusters, and which of them this machine can represent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dataproc.gcloud import REGION, Gcloud

pytestmark = pytest.mark.needs("gcloud")

CREATE = ("dataproc", "clusters", "create")


def described(gcloud: Gcloud, name: str) -> Any:
    return gcloud("dataproc", "clusters", "describe", name, REGION)


def test_one_cluster_runs_from_the_start(gcloud: Gcloud) -> None:
    cluster = described(gcloud, "spark-streaming")
    assert cluster["status"]["state"] == "RUNNING"
    assert cluster["config"]["softwareConfig"]["imageVersion"] == "2.3-debian12"
    assert cluster["config"]["configBucket"] == "dataproc-staging-us-central1-1-local"


def test_a_cluster_is_made_listed_and_deleted(gcloud: Gcloud, bucket: str) -> None:
    flags = ["--image-version=2.3-debian12", "--scopes=cloud-platform", "--no-address", "--subnet=default"]
    flags += ["--num-workers=3", "--optional-components=DELTA", "--bucket=rehearsal"]
    assert "Enable Private Google Access" in gcloud.run(*CREATE, "second", REGION, *flags, code=1).stderr
    subnets = ("compute", "networks", "subnets", "update", "default", REGION)
    gcloud.run(*subnets, "--enable-private-ip-google-access")
    gcloud.run(*CREATE, "second", REGION, *flags)
    cluster = described(gcloud, "second")
    assert cluster["status"]["state"] == "RUNNING"
    assert cluster["config"]["configBucket"] == "rehearsal"
    assert cluster["config"]["softwareConfig"]["optionalComponents"] == ["DELTA"]
    scopes = cluster["config"]["gceClusterConfig"]["serviceAccountScopes"]
    assert scopes == ["https://www.googleapis.com/auth/cloud-platform"]
    names = [one["clusterName"] for one in gcloud("dataproc", "clusters", "list", REGION)]
    assert names == ["second", "spark-streaming"]
    again = gcloud.run(*CREATE, "second", REGION, *flags, code=1).stderr
    assert "ALREADY_EXISTS: Already exists: Failed to create cluster" in again
    gcloud.run("dataproc", "clusters", "delete", "second", REGION)
    gone = gcloud.run("dataproc", "clusters", "describe", "second", REGION, code=1).stderr
    assert "NOT_FOUND: Not found: Cluster projects/local-project/regions/us-central1/clusters/second" in gone


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--image-version=9.9",), "Image '9.9' does not run here"),
        (("--image-version=2.2",), "Image '2.2' does not run here"),
        ((), "A cluster without --image-version gets the newest image, which does not run here"),
    ],
)
def test_an_image_that_is_not_this_machines_is_refused(
    gcloud: Gcloud, flags: tuple[str, ...], said: str
) -> None:
    refused = gcloud.run(*CREATE, "third", REGION, *flags, code=1).stderr
    assert f"INVALID_ARGUMENT: {said}" in refused
    assert "2.3 (Spark 3.5.3, Scala 2.12, Python 3.11)" in refused
    assert "3.0 (Spark 4.1.2, Scala 2.13, Python 3.12, Java 21)" in refused
    assert "remedy: --image-version=2.3-debian12" in refused


def test_a_region_has_its_own_clusters(gcloud: Gcloud) -> None:
    elsewhere = "--region=europe-west1"
    assert gcloud("dataproc", "clusters", "list", elsewhere) == []
    missing = gcloud.run("dataproc", "clusters", "describe", "spark-streaming", elsewhere, code=1).stderr
    assert "regions/europe-west1/clusters/spark-streaming" in missing
