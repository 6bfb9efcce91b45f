"""Clusters as the interface shows them. A single Spark runs behind all those of an image."""

from __future__ import annotations

import copy
import re
from threading import Lock
from typing import Any
from uuid import uuid4

from dataproc_emulator.buckets import Buckets
from dataproc_emulator.errors import ApiError, not_found
from dataproc_emulator.images import DEFAULT, IMAGES, image
from dataproc_emulator.installation import installed
from dataproc_emulator.times import stamp

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,49}[a-z0-9])?")

Resource = dict[str, Any]


class Clusters:
    """Every cluster, by region and name; the project makes no difference."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._lock = Lock()
        self._all: dict[tuple[str, str], Resource] = {}

    def create(self, project: str, region: str, wanted: Resource) -> Resource:
        """Add a cluster in state CREATING; raise ApiError if it already exists or could not run here."""
        name = str(wanted.get("clusterName", ""))
        if not _NAME.fullmatch(name):
            raise ApiError("INVALID_ARGUMENT", f"Invalid cluster name '{name}'; expected {_NAME.pattern}")
        config = copy.deepcopy(wanted.get("config", {}))
        software = config.setdefault("softwareConfig", {})
        _check_image(software.get("imageVersion", ""), config)
        with self._lock:
            if (region, name) in self._all:
                raise ApiError(
                    "ALREADY_EXISTS",
                    f"Already exists: Failed to create cluster: {self._path(project, region, name)}",
                )
            cluster = {
                **wanted,
                "projectId": project,
                "clusterName": name,
                "clusterUuid": str(uuid4()),
                "config": config,
                "status": {"state": "CREATING", "stateStartTime": stamp()},
                "statusHistory": [],
            }
            self._complete(cluster, region)
            self._all[region, name] = cluster
            return copy.deepcopy(cluster)

    def get(self, project: str, region: str, name: str) -> Resource:
        """Return the cluster as it is now; raise ApiError if it does not exist."""
        with self._lock:
            return {**copy.deepcopy(self._existing(project, region, name)), "projectId": project}

    def list(self, project: str, region: str) -> list[Resource]:
        """Return all clusters of a region, sorted by name."""
        with self._lock:
            names = sorted(name for place, name in self._all if place == region)
        return [self.get(project, region, name) for name in names]

    def enter(self, project: str, region: str, name: str, state: str, details: str = "") -> Resource:
        """Put the cluster into a state and return it."""
        with self._lock:
            cluster = self._existing(project, region, name)
            cluster["statusHistory"].append(cluster["status"])
            cluster["status"] = {"state": state, "stateStartTime": stamp(), "detail": details}
            return copy.deepcopy(cluster)

    def remove(self, region: str, name: str) -> None:
        """Forget the cluster."""
        with self._lock:
            del self._all[region, name]

    def _existing(self, project: str, region: str, name: str) -> Resource:
        try:
            return self._all[region, name]
        except KeyError:
            raise not_found("Cluster", self._path(project, region, name)) from None

    def _path(self, project: str, region: str, name: str) -> str:
        return f"projects/{project}/regions/{region}/clusters/{name}"

    def _complete(self, cluster: Resource, region: str) -> None:
        """Fill in what the service would choose."""
        config = cluster["config"]
        if bucket := config.get("configBucket"):
            self._buckets.folder(bucket)
        else:
            config["configBucket"] = staging = f"dataproc-staging-{region}-1-local"
            if staging not in self._buckets.names():
                self._buckets.create(staging, region.upper())
        machines = config.setdefault("gceClusterConfig", {})
        zone = f"projects/{cluster['projectId']}/zones/{region}-a"
        machines.setdefault("zoneUri", f"https://www.googleapis.com/compute/v1/{zone}")
        config.setdefault("masterConfig", {}).setdefault("numInstances", 1)
        config.setdefault("workerConfig", {}).setdefault("numInstances", 2)


def _check_image(version: str, config: Resource) -> None:
    """Raise ApiError for an image that does not run here, or that is not installed."""
    images = [config.get(group, {}).get("imageUri") for group in ("masterConfig", "workerConfig")]
    asked = version or next(filter(None, images), "")
    found = image(asked)
    if not found:
        what = (
            f"Image '{asked}' does"
            if asked
            else "A cluster without --image-version gets the newest image, which does"
        )
        here = " and ".join(f"{one.version} ({one.parts})" for one in IMAGES)
        raise ApiError(
            "INVALID_ARGUMENT",
            f"{what} not run here: this local Dataproc has the images {here}; "
            f"remedy: --image-version={DEFAULT.name}",
        )
    if found != DEFAULT:
        try:
            installed(found)
        except FileNotFoundError as missing:
            raise ApiError("FAILED_PRECONDITION", str(missing)) from None
