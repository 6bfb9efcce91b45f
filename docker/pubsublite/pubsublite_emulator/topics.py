"""Topics: creation, growth, retention, deletion (AdminService)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from pubsublite_emulator.assignment import Assignment
from pubsublite_emulator.catalog import DELETED_TOPIC, Resource
from pubsublite_emulator.errors import Code, LiteError, invalid
from pubsublite_emulator.pages import merge, page
from pubsublite_emulator.paths import in_project, parent, parse
from pubsublite_emulator.rpc import Unary
from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.state import State
from pubsublite_emulator.storage import Retention

_Topic = message("Topic")
_Empty = message("google.protobuf.Empty")
_Partitions = message("TopicPartitions")
_ListResponse = message("ListTopicsResponse")
_SubscriptionsResponse = message("ListTopicSubscriptionsResponse")
_GIB = 1 << 30
# python-pubsublite samples/snippets/create_lite_topic_example.py
_SMALLEST, _LARGEST = 30 * _GIB, 10_240 * _GIB
# PartitionConfig.Capacity in pubsublite/v1/common.proto
_PUBLISH_MIB, _SUBSCRIBE_MIB, _SCALE = range(4, 17), range(4, 33), range(1, 5)
# Our choice: the service's limit is not documented. Three million took 1.7 GB and made every client wait.
_PARTITIONS = range(1, 1_001)
_UPDATABLE = ("partition_config", "retention_config", "reservation_config")


class Topics:
    """The topic methods of AdminService."""

    def __init__(self, state: State, assignment: Assignment) -> None:
        self._state = state
        self._assignment = assignment
        self._placing = asyncio.Lock()
        self.methods = {
            "CreateTopic": Unary(message("CreateTopicRequest"), self.create),
            "GetTopic": Unary(message("GetTopicRequest"), self.get),
            "GetTopicPartitions": Unary(message("GetTopicPartitionsRequest"), self.partitions),
            "ListTopics": Unary(message("ListTopicsRequest"), self.list),
            "UpdateTopic": Unary(message("UpdateTopicRequest"), self.update),
            "DeleteTopic": Unary(message("DeleteTopicRequest"), self.delete),
            "ListTopicSubscriptions": Unary(message("ListTopicSubscriptionsRequest"), self.subscriptions),
        }

    async def create(self, request: Message) -> Message:
        """Answer AdminService.CreateTopic."""
        path = parent(request.parent).child("topics", request.topic_id)
        body = _Topic.FromString(request.topic.SerializeToString())
        body.retention_config.per_partition_bytes = body.retention_config.per_partition_bytes or _SMALLEST
        catalog, storage = self._state.catalog, self._state.storage
        async with self._placing:  # two topics at once must not be given one place
            catalog.free(path)
            self._check(body)
            stored = catalog.place(path)
            await storage.create_topic(stored, body.partition_config.count, _retention(body))
            return (await catalog.put(path, body, stored)).shown_to(path.project)

    async def get(self, request: Message) -> Message:
        """Answer AdminService.GetTopic."""
        return self._topic(request.name).shown_to(parse(request.name, "topics").project)

    async def partitions(self, request: Message) -> Message:
        """Answer AdminService.GetTopicPartitions; adopt partitions added in the storage itself."""
        topic = self._topic(request.name)
        count = await self._state.storage.partitions(topic.stored)
        if count > topic.body.partition_config.count:
            topic.body.partition_config.count = count
            await self._grown(await self._state.catalog.put(topic.path, topic.body))
        return _Partitions(partition_count=count)

    async def list(self, request: Message) -> Message:
        """Answer AdminService.ListTopics."""
        place = parent(request.parent)
        items, token = page(list(self._state.catalog.all("topics", place.location)), request)
        return _ListResponse(topics=[item.shown_to(place.project) for item in items], next_page_token=token)

    async def update(self, request: Message) -> Message:
        """Answer AdminService.UpdateTopic; partitions can only be added."""
        path = parse(request.topic.name, "topics")
        topic = self._state.catalog.at(path)
        body = _Topic.FromString(topic.body.SerializeToString())
        merge(body, request.topic, request.update_mask, _UPDATABLE)
        before, after = topic.body.partition_config.count, body.partition_config.count
        if after < before:
            raise invalid(f"{path} has {before} partitions: expected that many or more, not {after}")
        self._check(body)
        await self._state.storage.update_topic(topic.stored, after, _retention(body))
        changed = await self._state.catalog.put(topic.path, body)
        await self._grown(changed)
        return changed.shown_to(path.project)

    async def delete(self, request: Message) -> Message:
        """Answer AdminService.DeleteTopic; its subscriptions stay, without a topic, until deleted."""
        async with self._placing:  # a new topic in the same place must not be deleted with the old one
            await self._delete(self._topic(request.name))
        return _Empty()

    async def _delete(self, topic: Resource) -> None:
        orphans = self._state.catalog.subscriptions_of(topic)
        await self._state.catalog.drop(topic)
        gone = LiteError(Code.NOT_FOUND, f"{topic.path} was deleted")
        for subscription in orphans:
            self._assignment.end(subscription.path.key, gone)
            self._state.readers.end(subscription.path.key, gone)
            subscription.body.topic = str(replace(topic.path, id=DELETED_TOPIC))
            await self._state.catalog.put(subscription.path, subscription.body)
        await self._state.exporter.reconcile()
        await self._state.storage.delete_topic(topic.stored)

    async def subscriptions(self, request: Message) -> Message:
        """Answer AdminService.ListTopicSubscriptions."""
        found = self._state.catalog.subscriptions_of(self._topic(request.name))
        items, token = page(found, request)
        project = parse(request.name, "topics").project
        names = [in_project(str(item.path), project) for item in items]
        return _SubscriptionsResponse(subscriptions=names, next_page_token=token)

    async def _grown(self, topic: Resource) -> None:
        for subscription in self._state.catalog.subscriptions_of(topic):
            await self._assignment.grow(subscription.path.key, topic.body.partition_config.count)
        await self._state.exporter.reconcile()

    def _topic(self, name: str) -> Resource:
        return self._state.catalog.get(name, "topics")

    def _check(self, body: Message) -> None:
        config, size = body.partition_config, body.retention_config.per_partition_bytes
        _within("count", config.count, _PARTITIONS)
        if config.WhichOneof("dimension") == "capacity":
            _within("publish_mib_per_sec", config.capacity.publish_mib_per_sec, _PUBLISH_MIB)
            _within("subscribe_mib_per_sec", config.capacity.subscribe_mib_per_sec, _SUBSCRIBE_MIB)
        elif config.WhichOneof("dimension") == "scale":
            _within("scale", config.scale, _SCALE)
        if size < 1 or not (self._state.any_retention or _SMALLEST <= size <= _LARGEST):
            raise invalid(
                f"retention_config.per_partition_bytes is {size}: expected 30 GiB to 10 TiB, as the service "
                "does; serve --any-retention accepts less"
            )
        if body.retention_config.HasField("period") and body.retention_config.period.ToSeconds() <= 0:
            raise invalid("retention_config.period: expected a positive duration, or none")
        if reservation := body.reservation_config.throughput_reservation:
            self._state.catalog.get(reservation, "reservations")


def _within(name: str, value: int, allowed: range) -> None:
    if value not in allowed:
        raise invalid(f"partition_config.{name} is {value}: expected {allowed[0]} to {allowed[-1]}")


def _retention(body: Message) -> Retention:
    config = body.retention_config
    seconds = config.period.ToNanoseconds() / 1e9 if config.HasField("period") else None
    return Retention(config.per_partition_bytes, seconds)
