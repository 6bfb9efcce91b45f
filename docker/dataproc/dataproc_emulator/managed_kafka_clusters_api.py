"""The Managed Kafka interface: clusters and their operations."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from dataproc_emulator.errors import ApiError
from dataproc_emulator.kafka_clusters import CHANGEABLE, KafkaCluster, KafkaClusters, check
from dataproc_emulator.operations import Operations
from dataproc_emulator.services_api import ServicesApi
from dataproc_emulator.times import stamp
from dataproc_emulator.web import Request, Routes

LOCATION = "/v1/projects/{project}/locations/{location}"
CLUSTERS = f"{LOCATION}/clusters"
CLUSTER = f"{CLUSTERS}/{{cluster}}"
_SERVICE = "managedkafka.googleapis.com"
_GOOGLE = "type.googleapis.com/google.cloud.managedkafka.v1"

Resource = dict[str, Any]


class ManagedKafkaClustersApi:
    """Answers for all projects that have enabled the service."""

    def __init__(self, clusters: KafkaClusters, services: ServicesApi, changed: Callable[[], None]) -> None:
        self._clusters = clusters
        self._services = services
        self._changed = changed
        self._operations = Operations()

    def add_to(self, routes: Routes) -> None:
        """Add the interface's paths to ``routes``."""
        routes.add("GET", CLUSTERS, self._list)
        routes.add("POST", CLUSTERS, self._create)
        routes.add("GET", CLUSTER, self._get)
        routes.add("PATCH", CLUSTER, self._update)
        routes.add("DELETE", CLUSTER, self._delete)
        routes.add("GET", f"{LOCATION}/operations", self._list_operations)
        routes.add("GET", f"{LOCATION}/operations/{{operation}}", self._get_operation)

    def _list(self, _: Request, project: str, location: str) -> Resource:
        self._services.check(_SERVICE, project)
        found = self._clusters.below(_parent(project, location))
        return {"clusters": [copy.deepcopy(cluster.resource) for cluster in found]}

    def _get(self, _: Request, project: str, location: str, cluster: str) -> Resource:
        self._services.check(_SERVICE, project)
        return copy.deepcopy(self._clusters.get(path(project, location, cluster)).resource)

    def _create(self, request: Request, project: str, location: str) -> Resource:
        self._services.check(_SERVICE, project)
        identity = request.query.get("clusterId", "")
        cluster = self._clusters.create(_parent(project, location), identity, request.json)

        def work() -> Resource:
            described = self._clusters.start(cluster)
            self._changed()
            return {"@type": f"{_GOOGLE}.Cluster", **described}

        return self._begin(cluster, "create", work)

    def _update(self, request: Request, *place: str) -> Resource:
        cluster, wanted = self._clusters.active(path(*place)), request.json
        merged = copy.deepcopy(cluster.resource)
        for mask in filter(None, request.query.get("updateMask", "").split(",")):
            _copy_part(mask, wanted, merged)
        check(merged, place[1])
        changed = self._clusters.change(
            cluster, {part: merged[part] for part in CHANGEABLE if part in merged}
        )
        return self._begin(cluster, "update", lambda: {"@type": f"{_GOOGLE}.Cluster", **changed})

    def _delete(self, _: Request, *place: str) -> Resource:
        cluster = self._clusters.active(path(*place))
        self._clusters.change(cluster, {"state": "DELETING"})

        def work() -> Resource:
            self._clusters.remove(cluster)
            return {"@type": "type.googleapis.com/google.protobuf.Empty"}

        return self._begin(cluster, "delete", work)

    def _begin(self, cluster: KafkaCluster, verb: str, work: Callable[[], Resource]) -> Resource:
        name = cluster.resource["name"]
        metadata = {
            "@type": f"{_GOOGLE}.OperationMetadata",
            "createTime": stamp(),
            "target": name,
            "verb": verb,
            "requestedCancellation": False,
            "apiVersion": "v1",
        }
        parent = name.rpartition("/clusters/")[0]
        return self._operations.begin(parent, metadata, work, lambda: {"endTime": stamp()})

    def _list_operations(self, _: Request, project: str, location: str) -> Resource:
        return {"operations": self._operations.list(_parent(project, location))}

    def _get_operation(self, _: Request, project: str, location: str, operation: str) -> Resource:
        return self._operations.get(f"{_parent(project, location)}/operations/{operation}")


def path(project: str, location: str, cluster: str) -> str:
    """Return a cluster's full name."""
    return f"{_parent(project, location)}/clusters/{cluster}"


def _parent(project: str, location: str) -> str:
    return f"projects/{project}/locations/{location}"


def _copy_part(mask: str, source: Resource, target: Resource) -> None:
    """Copy what a path of an update mask names; raise ApiError if it cannot be changed."""
    *folders, last = mask.split(".")
    if (folders or [last])[0] not in CHANGEABLE or mask == "gcpConfig.kmsKey":
        raise ApiError("INVALID_ARGUMENT", f"update_mask: {mask} cannot be changed here")
    for folder in folders:
        source, target = source.get(folder, {}), target.setdefault(folder, {})
    if last in source:
        target[last] = source[last]
    else:
        target.pop(last, None)
