"""Consumer groups of a Managed Kafka cluster and their committed offsets."""

from __future__ import annotations

from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient

from dataproc_emulator.errors import ApiError, not_found
from dataproc_emulator.kafka_errors import answered

_SECONDS = 30

Resource = dict[str, Any]


class KafkaGroups:
    """The groups that the node knows: those with members or with offsets."""

    def __init__(self, admin: AdminClient, cluster: str) -> None:
        self._admin = admin
        self._cluster = cluster

    def all(self) -> list[Resource]:
        """Return every group, sorted by name."""
        return [self._resource(group) for group in self._names()]

    def get(self, group: str) -> Resource:
        """Return a group; raise ApiError if there is none."""
        if group not in self._names():
            raise not_found("Resource", f"'{self._path(group)}'")
        return self._resource(group)

    def update(self, group: str, wanted: Resource) -> Resource:
        """Commit the offsets in ``wanted`` for a group without members; raise ApiError if it has some."""
        self.get(group)
        partitions = [
            TopicPartition(topic.rpartition("/")[2], int(number), int(place.get("offset", 0)))
            for topic, content in wanted.get("topics", {}).items()
            for number, place in content.get("partitions", {}).items()
        ]
        if not partitions:
            raise ApiError("INVALID_ARGUMENT", "topics: no partition; expected at least one")
        with answered():
            asked = ConsumerGroupTopicPartitions(group, partitions)
            done = self._admin.alter_consumer_group_offsets([asked])[group].result(_SECONDS)
        if failed := [one for one in done.topic_partitions if one.error]:
            raise ApiError("INVALID_ARGUMENT", f"{failed[0].topic}: {failed[0].error.str()}")
        return self._resource(group)

    def delete(self, group: str) -> None:
        """Forget a group's offsets; raise ApiError if there is none or it has members."""
        self.get(group)
        with answered():
            self._admin.delete_consumer_groups([group])[group].result(_SECONDS)

    def _names(self) -> list[str]:
        with answered():
            found = self._admin.list_consumer_groups().result(_SECONDS)
        return sorted(one.group_id for one in found.valid)

    def _resource(self, group: str) -> Resource:
        with answered():
            asked = ConsumerGroupTopicPartitions(group)
            found = self._admin.list_consumer_group_offsets([asked])[group].result(_SECONDS)
        topics: dict[str, Resource] = {}
        for one in found.topic_partitions:
            partitions = topics.setdefault(f"{self._cluster}/topics/{one.topic}", {"partitions": {}})
            partitions["partitions"][str(one.partition)] = {"offset": str(one.offset)}
        return {"name": self._path(group), **({"topics": topics} if topics else {})}

    def _path(self, group: str) -> str:
        return f"{self._cluster}/consumerGroups/{group}"
