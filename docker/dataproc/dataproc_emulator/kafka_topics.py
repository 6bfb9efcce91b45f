"""Topics of a Managed Kafka cluster, on the one node behind it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from dataproc_emulator.errors import ApiError, not_found
from dataproc_emulator.kafka_errors import answered

BROKERS = 3
"""As many as the smallest cluster of the service has; here is one."""
_SECONDS = 30
_SHOWN_SECONDS = 10
_NAME = re.compile(r"[A-Za-z0-9._-]{1,249}")
_NEEDS_REPLICAS = "min.insync.replicas"
"""Shown, but not set: with one replica, nothing could be written."""

Resource = dict[str, Any]


@dataclass(frozen=True)
class _Asked:
    """What a topic was given that one node cannot have."""

    replicas: int
    configs: dict[str, str] = field(default_factory=dict)


class KafkaTopics:
    """The topics that the node has now, whoever created them."""

    def __init__(self, admin: AdminClient, cluster: str) -> None:
        self._admin = admin
        self._cluster = cluster
        self._asked: dict[str, _Asked] = {}

    def create(self, name: str, wanted: Resource) -> Resource:
        """Create a topic and return it; raise ApiError if the service or the node refuses it."""
        partitions, replicas = int(wanted.get("partitionCount", 0)), int(wanted.get("replicationFactor", 0))
        configs = {key: str(value) for key, value in wanted.get("configs", {}).items()}
        if not _NAME.fullmatch(name) or name in (".", "..") or name.startswith("__"):
            raise ApiError("INVALID_ARGUMENT", f"Invalid topic id '{name}'; expected {_NAME.pattern}")
        if partitions < 1:
            raise ApiError("INVALID_ARGUMENT", f"partition_count is {partitions}; expected at least 1")
        if not 1 <= replicas <= BROKERS:
            raise ApiError("INVALID_ARGUMENT", f"replication_factor is {replicas}; expected 1 to {BROKERS}")
        _check(configs)
        kept, set_here = _split(configs)
        with answered():
            new = NewTopic(name, partitions, replication_factor=1, config=set_here)
            self._admin.create_topics([new])[name].result(_SECONDS)
        self._asked[name] = _Asked(replicas, kept)
        self._wait_for(name, partitions)
        return self.get(name)

    def get(self, name: str) -> Resource:
        """Return a topic; raise ApiError if it does not exist."""
        counts = self._counts()
        if name not in counts:
            raise not_found("Resource", f"'{self._path(name)}'")
        return self._resource(name, counts[name])

    def all(self) -> list[Resource]:
        """Return every topic, sorted by name."""
        return [self._resource(name, count) for name, count in sorted(self._counts().items())]

    def update(self, name: str, wanted: Resource, mask: str) -> Resource:
        """Change what ``mask`` names: partitionCount, configs["KEY"], or configs as a whole."""
        now = self.get(name)
        paths = [path for path in mask.split(",") if path]
        configs = {key: str(value) for key, value in wanted.get("configs", {}).items()}
        if unknown := [path for path in paths if not re.match(r"partitionCount$|configs(\[|$)", path)]:
            raise ApiError("INVALID_ARGUMENT", f"update_mask: {unknown[0]} cannot be changed")
        if any(path.startswith("configs") for path in paths):
            _check(configs)
            keep = {} if "configs" in paths else now.get("configs", {})
            self._set_configs(name, now.get("configs", {}), {**keep, **configs})
        if "partitionCount" in paths:
            self._grow(name, now["partitionCount"], int(wanted.get("partitionCount", 0)))
        return self.get(name)

    def delete(self, name: str) -> None:
        """Delete a topic; raise ApiError if it does not exist."""
        self.get(name)
        with answered():
            self._admin.delete_topics([name])[name].result(_SECONDS)
        self._asked.pop(name, None)
        self._wait_for(name, 0)

    def _grow(self, name: str, now: int, wanted: int) -> None:
        if wanted < now:
            raise ApiError(
                "INVALID_ARGUMENT", f"partition_count is {now} and cannot be decreased to {wanted}."
            )
        if wanted > now:
            with answered():
                self._admin.create_partitions([NewPartitions(name, wanted)])[name].result(_SECONDS)
            self._wait_for(name, wanted)

    def _set_configs(self, name: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        kept, set_here = _split(new)
        gone = _split(old)[1].keys() - set_here.keys()
        entries = [
            *(
                ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                for key, value in set_here.items()
            ),
            *(ConfigEntry(key, None, incremental_operation=AlterConfigOpType.DELETE) for key in gone),
        ]
        if entries:
            resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
            with answered():
                self._admin.incremental_alter_configs([resource])[resource].result(_SECONDS)
        self._asked[name] = _Asked(self._asked.get(name, _Asked(1)).replicas, kept)

    def _counts(self) -> dict[str, int]:
        """Return the partitions of each topic that is not Kafka's own."""
        with answered():
            found = self._admin.list_topics(timeout=_SECONDS).topics
        return {name: len(one.partitions) for name, one in found.items() if not name.startswith("__")}

    def _resource(self, name: str, partitions: int) -> Resource:
        asked = self._asked.get(name, _Asked(1))
        configs = {**self._configs(name), **asked.configs}
        return {
            "name": self._path(name),
            "partitionCount": partitions,
            "replicationFactor": asked.replicas,
            **({"configs": configs} if configs else {}),
        }

    def _configs(self, name: str) -> dict[str, str]:
        """Return what differs from the cluster's defaults."""
        resource = ConfigResource(ResourceType.TOPIC, name)
        with answered():
            entries = self._admin.describe_configs([resource])[resource].result(_SECONDS)
        own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
        return {key: str(entry.value) for key, entry in sorted(entries.items()) if entry.source == own}

    def _wait_for(self, name: str, partitions: int) -> None:
        """Wait until the node shows the topic so: the controller answers before it does."""
        deadline = time.monotonic() + _SHOWN_SECONDS
        while self._counts().get(name, 0) != partitions and time.monotonic() < deadline:
            time.sleep(0.05)

    def _path(self, name: str) -> str:
        return f"{self._cluster}/topics/{name}"


def _check(configs: Mapping[str, str]) -> None:
    if configs.get("compression.type") == "zstd":
        raise ApiError("INVALID_ARGUMENT", "compression.type=zstd is not supported by the service")


def _split(configs: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return what is only shown, and what the node is given."""
    shown = {key: value for key, value in configs.items() if key == _NEEDS_REPLICAS}
    return shown, {key: value for key, value in configs.items() if key not in shown}
