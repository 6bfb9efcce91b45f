"""The Managed Kafka interface: topics and consumer groups of a cluster."""

from __future__ import annotations

from typing import Any

from dataproc_emulator.kafka_clusters import KafkaClusters
from dataproc_emulator.kafka_groups import KafkaGroups
from dataproc_emulator.kafka_topics import KafkaTopics
from dataproc_emulator.managed_kafka_clusters_api import CLUSTER, path
from dataproc_emulator.web import Request, Routes

_TOPICS = f"{CLUSTER}/topics"
_TOPIC = f"{_TOPICS}/{{topic}}"
_GROUPS = f"{CLUSTER}/consumerGroups"
_GROUP = f"{_GROUPS}/{{group}}"

Resource = dict[str, Any]


class ManagedKafkaTopicsApi:
    """Answers for every cluster that is ACTIVE."""

    def __init__(self, clusters: KafkaClusters) -> None:
        self._clusters = clusters

    def add_to(self, routes: Routes) -> None:
        """Add the interface's paths to ``routes``."""
        routes.add("GET", _TOPICS, lambda _, *place: {"topics": self._topics(*place).all()})
        routes.add("POST", _TOPICS, self._create_topic)
        routes.add("GET", _TOPIC, lambda _, *place: self._topics(*place[:3]).get(place[3]))
        routes.add("PATCH", _TOPIC, self._update_topic)
        routes.add("DELETE", _TOPIC, self._delete_topic)
        routes.add("GET", _GROUPS, lambda _, *place: {"consumerGroups": self._groups(*place).all()})
        routes.add("GET", _GROUP, lambda _, *place: self._groups(*place[:3]).get(place[3]))
        routes.add("PATCH", _GROUP, self._update_group)
        routes.add("DELETE", _GROUP, self._delete_group)

    def _create_topic(self, request: Request, *place: str) -> Resource:
        return self._topics(*place).create(request.query.get("topicId", ""), request.json)

    def _update_topic(self, request: Request, *place: str) -> Resource:
        mask = request.query.get("updateMask", "")
        return self._topics(*place[:3]).update(place[3], request.json, mask)

    def _delete_topic(self, _: Request, *place: str) -> Resource:
        self._topics(*place[:3]).delete(place[3])
        return {}

    def _update_group(self, request: Request, *place: str) -> Resource:
        return self._groups(*place[:3]).update(place[3], request.json)

    def _delete_group(self, _: Request, *place: str) -> Resource:
        self._groups(*place[:3]).delete(place[3])
        return {}

    def _topics(self, *cluster: str) -> KafkaTopics:
        return self._clusters.active(path(*cluster)).topics

    def _groups(self, *cluster: str) -> KafkaGroups:
        return self._clusters.active(path(*cluster)).groups
