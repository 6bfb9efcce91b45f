"""Managed Kafka clusters: as the interface shows them, and the node behind each."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from dataproc_emulator.authority import Authority
from dataproc_emulator.errors import ApiError, not_found
from dataproc_emulator.kafka_groups import KafkaGroups
from dataproc_emulator.kafka_node import KafkaNode, KafkaParts
from dataproc_emulator.kafka_topics import KafkaTopics
from dataproc_emulator.processes import Processes
from dataproc_emulator.subnetworks import check_region
from dataproc_emulator.times import stamp

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_GIB = 1 << 30
_SUBNETS = 10
CHANGEABLE = ("capacityConfig", "gcpConfig", "labels", "rebalanceConfig")

Resource = dict[str, Any]


@dataclass
class KafkaCluster:
    """A cluster; ``topics`` and ``groups`` are there once it is ACTIVE."""

    resource: Resource
    node: KafkaNode
    topics: KafkaTopics = field(init=False)
    groups: KafkaGroups = field(init=False)

    @property
    def project(self) -> str:
        """Return the project, whose policy says who may connect."""
        return str(self.resource["name"].split("/")[1])


class KafkaClusters:
    """Every cluster, by full name. Their nodes run on ``parts``, which raises OSError if one is missing."""

    def __init__(
        self, folder: Path, parts: Callable[[], KafkaParts], authority: Authority, processes: Processes
    ) -> None:
        self._folder = folder
        self._parts = parts
        self._authority = authority
        self._processes = processes
        self._lock = Lock()
        self._all: dict[str, KafkaCluster] = {}

    def create(self, parent: str, identity: str, wanted: Resource) -> KafkaCluster:
        """Add a cluster in state CREATING, whose node does not run yet.

        Raise ApiError if it exists, is not one that the service takes, or cannot run here.
        """
        if not _NAME.fullmatch(identity):
            raise ApiError("INVALID_ARGUMENT", f"Invalid cluster id '{identity}'; expected {_NAME.pattern}")
        check(wanted, parent.rpartition("/")[2])
        name, now = f"{parent}/clusters/{identity}", stamp()
        try:
            parts = self._parts()
        except OSError as missing:
            raise ApiError("FAILED_PRECONDITION", f"Managed Kafka cannot run here: {missing}") from None
        with self._lock:
            if name in self._all:
                raise ApiError("ALREADY_EXISTS", f"Resource '{name}' already exists")
            resource = {
                **{part: wanted[part] for part in CHANGEABLE if part in wanted},
                **{"name": name, "state": "CREATING", "createTime": now, "updateTime": now},
            }
            _, project, _, location = parent.split("/")
            folder = self._folder / f"{identity}.{location}.{project}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
            node = KafkaNode(folder, parts, self._authority, self._processes)
            self._all[name] = KafkaCluster(resource, node)
            return self._all[name]

    def start(self, cluster: KafkaCluster) -> Resource:
        """Start the node and return the cluster, ACTIVE; one that does not start is forgotten (OSError)."""
        try:
            admin = cluster.node.start()
        except OSError:
            self.remove(cluster)
            raise
        cluster.topics = KafkaTopics(admin, cluster.resource["name"])
        cluster.groups = KafkaGroups(admin, cluster.resource["name"])
        return self.change(cluster, {"state": "ACTIVE"})

    def get(self, name: str) -> KafkaCluster:
        """Return the cluster; raise ApiError if it does not exist."""
        with self._lock:
            if name not in self._all:
                raise not_found("Resource", f"'{name}'")
            return self._all[name]

    def active(self, name: str) -> KafkaCluster:
        """Return the cluster; raise ApiError if it does not exist or is not ACTIVE."""
        cluster = self.get(name)
        if (state := cluster.resource["state"]) != "ACTIVE":
            raise ApiError("FAILED_PRECONDITION", f"Cluster '{name}' is {state}; expected an ACTIVE one.")
        return cluster

    def below(self, parent: str) -> list[KafkaCluster]:
        """Return the clusters of a location, sorted by name; of every location for ``-``."""
        prefix = parent.removesuffix("/locations/-") + "/"
        with self._lock:
            return [self._all[name] for name in sorted(self._all) if name.startswith(prefix)]

    def all(self) -> list[KafkaCluster]:
        """Return every cluster."""
        with self._lock:
            return list(self._all.values())

    def change(self, cluster: KafkaCluster, parts: Resource) -> Resource:
        """Replace parts of a cluster's description and return a copy of it."""
        with self._lock:
            cluster.resource.update(parts, updateTime=stamp())
            return copy.deepcopy(cluster.resource)

    def remove(self, cluster: KafkaCluster) -> None:
        """Stop the node and forget the cluster."""
        cluster.node.stop()
        with self._lock:
            del self._all[cluster.resource["name"]]

    def close(self) -> None:
        """Stop every node."""
        for cluster in self.all():
            cluster.node.stop()


def check(wanted: Resource, region: str) -> None:
    """Raise ApiError for a size or for networks that the service does not take."""
    capacity = wanted.get("capacityConfig", {})
    processors, memory = int(capacity.get("vcpuCount", 0)), int(capacity.get("memoryBytes", 0))
    if processors < 3:
        raise ApiError("INVALID_ARGUMENT", f"capacity_config.vcpu_count is {processors}; expected at least 3")
    if not max(3, processors) * _GIB <= memory <= 8 * processors * _GIB:
        raise ApiError(
            "INVALID_ARGUMENT",
            f"capacity_config.memory_bytes is {memory}; expected 1 to 8 GiB per vCPU, and at least 3 GiB",
        )
    networks = wanted.get("gcpConfig", {}).get("accessConfig", {}).get("networkConfigs", ())
    if not 1 <= len(networks) <= _SUBNETS:
        raise ApiError("INVALID_ARGUMENT", f"{len(networks)} subnets; expected 1 to {_SUBNETS}")
    for network in networks:
        check_region(str(network.get("subnet", "")), region)
