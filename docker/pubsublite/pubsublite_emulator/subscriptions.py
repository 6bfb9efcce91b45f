"""Subscriptions: creation, update, deletion and seeks (AdminService)."""

from __future__ import annotations

import logging

from pubsublite_emulator.assignment import Assignment
from pubsublite_emulator.catalog import Resource
from pubsublite_emulator.errors import Code, LiteError, invalid
from pubsublite_emulator.export_subscriptions import settle
from pubsublite_emulator.pages import merge, page
from pubsublite_emulator.paths import Path, parent, parse
from pubsublite_emulator.rpc import Unary
from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.state import State

log = logging.getLogger("pubsublite_emulator")

_Subscription = message("Subscription")
_Empty = message("google.protobuf.Empty")
_ListResponse = message("ListSubscriptionsResponse")
_TAIL, _HEAD = 1, 2
# cloud.google.com/pubsub/lite/quotas
_PER_TOPIC = 1000
_UPDATABLE = ("delivery_config",)
_EXPORTING = (*_UPDATABLE, "export_config")


class Subscriptions:
    """The subscription methods of AdminService."""

    def __init__(self, state: State, assignment: Assignment) -> None:
        self._state = state
        self._assignment = assignment
        self.methods = {
            "CreateSubscription": Unary(message("CreateSubscriptionRequest"), self.create),
            "GetSubscription": Unary(message("GetSubscriptionRequest"), self.get),
            "ListSubscriptions": Unary(message("ListSubscriptionsRequest"), self.list),
            "UpdateSubscription": Unary(message("UpdateSubscriptionRequest"), self.update),
            "DeleteSubscription": Unary(message("DeleteSubscriptionRequest"), self.delete),
            "SeekSubscription": Unary(message("SeekSubscriptionRequest"), self.seek),
        }

    async def create(self, request: Message) -> Message:
        """Answer AdminService.CreateSubscription; ``skip_backlog`` commits a cursor at each head."""
        path = parent(request.parent).child("subscriptions", request.subscription_id)
        self._state.catalog.free(path)
        topic = self._state.catalog.get(request.subscription.topic, "topics")
        if topic.path.location != path.location:
            raise invalid(f"{path} is not in the location of {topic.path}")
        if len(self._state.catalog.subscriptions_of(topic)) >= _PER_TOPIC:
            raise LiteError(Code.RESOURCE_EXHAUSTED, f"{topic.path} has {_PER_TOPIC} subscriptions already")
        body = _Subscription.FromString(request.subscription.SerializeToString())
        if body.HasField("export_config"):
            self._settle(path, body)
        group = Resource(path, body).group
        await self._state.storage.forget(group)
        if request.skip_backlog:
            await self._state.storage.commit(group, topic.stored, await self._heads(topic))
        created = await self._state.catalog.put(path, body)
        await self._state.exporter.reconcile()
        return created.shown_to(path.project)

    async def get(self, request: Message) -> Message:
        """Answer AdminService.GetSubscription."""
        subscription = self._state.catalog.get(request.name, "subscriptions")
        return subscription.shown_to(parse(request.name, "subscriptions").project)

    async def list(self, request: Message) -> Message:
        """Answer AdminService.ListSubscriptions."""
        place = parent(request.parent)
        items, token = page(list(self._state.catalog.all("subscriptions", place.location)), request)
        shown = [item.shown_to(place.project) for item in items]
        return _ListResponse(subscriptions=shown, next_page_token=token)

    async def update(self, request: Message) -> Message:
        """Answer AdminService.UpdateSubscription."""
        path = parse(request.subscription.name, "subscriptions")
        subscription = self._state.catalog.at(path)
        body = _Subscription.FromString(subscription.body.SerializeToString())
        exporting = body.HasField("export_config")
        merge(body, request.subscription, request.update_mask, _EXPORTING if exporting else _UPDATABLE)
        if exporting:
            self._settle(subscription.path, body)
        changed = await self._state.catalog.put(subscription.path, body)
        await self._state.exporter.reconcile()
        return changed.shown_to(path.project)

    async def delete(self, request: Message) -> Message:
        """Answer AdminService.DeleteSubscription; end the subscription's streams with NOT_FOUND."""
        subscription = self._state.catalog.get(request.name, "subscriptions")
        await self._state.catalog.drop(subscription)
        await self._state.exporter.reconcile()
        gone = LiteError(Code.NOT_FOUND, f"{subscription.path} was deleted")
        self._assignment.end(subscription.path.key, gone)
        self._state.readers.end(subscription.path.key, gone)
        self._state.seeks.drop(subscription)
        await self._state.storage.forget(subscription.group)
        return _Empty()

    async def seek(self, request: Message) -> Message:
        """Answer AdminService.SeekSubscription: TAIL is the oldest kept message, HEAD the next to come."""
        subscription = self._state.catalog.get(request.name, "subscriptions")
        topic = self._state.catalog.topic_of(subscription)
        targets = {
            partition: await self._target(request, topic, partition)
            for partition in range(topic.body.partition_config.count)
        }
        project = parse(request.name, "subscriptions").project
        return await self._state.seeks.begin(subscription, topic, targets, project)

    def _settle(self, path: Path, body: Message) -> None:
        settle(path, body)
        if not self._state.exporter.host:
            destination = body.export_config.pubsub_config.topic
            log.warning("%s: nothing is delivered to %s without PUBSUB_EMULATOR_HOST", path, destination)

    async def _target(self, request: Message, topic: Resource, partition: int) -> int:
        storage = self._state.storage
        bounds = await storage.bounds(topic.stored, partition)
        if request.WhichOneof("target") == "named_target" and request.named_target in (_TAIL, _HEAD):
            return bounds.oldest if request.named_target == _TAIL else bounds.head
        kind = request.time_target.WhichOneof("time")
        if kind is None:
            raise invalid("SeekSubscription: expected named_target TAIL or HEAD, or time_target")
        time = getattr(request.time_target, kind).ToNanoseconds()
        found = await storage.offset_at(topic.stored, partition, time, event=kind == "event_time")
        return bounds.head if found is None else found

    async def _heads(self, topic: Resource) -> dict[int, int]:
        storage = self._state.storage
        count = topic.body.partition_config.count
        return {number: (await storage.bounds(topic.stored, number)).head for number in range(count)}
