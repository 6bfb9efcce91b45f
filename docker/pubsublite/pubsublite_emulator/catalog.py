"""The project's topics, subscriptions and reservations: what exists, its name, and where it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pubsublite_emulator.errors import exists, invalid, not_found
from pubsublite_emulator.paths import Path, in_project, parse
from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.storage import Storage

_CLASSES = {
    "topics": message("Topic"),
    "subscriptions": message("Subscription"),
    "reservations": message("Reservation"),
}
# Cloud Pub/Sub shows this if a subscription's topic was deleted; no documentation was found for Lite.
DELETED_TOPIC = "_deleted-topic_"
_STORED = "/stored"


@dataclass(slots=True)
class Resource:
    """A resource under the name it was created with."""

    path: Path
    body: Message
    stored: str = ""  # a topic's name in the storage

    @property
    def group(self) -> str:
        """Return a subscription's consumer group: its path with ``-`` for ``/``.

        Source: java-pubsublite GroupIdUtils.
        """
        return str(self.path).replace("/", "-")

    def shown_to(self, project: str) -> Message:
        """Return the body with every name written as a caller that uses ``project`` writes it."""
        shown = _CLASSES[self.path.kind].FromString(self.body.SerializeToString())
        shown.name = in_project(shown.name, project)
        if self.path.kind == "subscriptions":
            shown.topic = in_project(shown.topic, project)
            if shown.export_config.dead_letter_topic:
                shown.export_config.dead_letter_topic = in_project(
                    shown.export_config.dead_letter_topic, project
                )
        elif self.path.kind == "topics" and shown.reservation_config.throughput_reservation:
            config = shown.reservation_config
            config.throughput_reservation = in_project(config.throughput_reservation, project)
        return shown


class Catalog:
    """Every resource, by its key; changes are written to the storage first.

    A topic that is not stored under the best of its names has a record of its own that says where it is.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._resources: dict[str, Resource] = {}

    async def load(self) -> None:
        """Load what the storage kept from an earlier run."""
        saved = await self._storage.saved()
        for name, record in saved.items():
            if name.endswith(_STORED):
                continue
            kind = name.split("/")[4]
            path = parse(name, kind)
            self._keep(path, _CLASSES[kind].FromString(record), saved.get(name + _STORED, b"").decode())

    def get(self, name: str, kind: str) -> Resource:
        """Return the resource called ``name``; raise NOT_FOUND if it does not exist."""
        return self.at(parse(name, kind))

    def at(self, path: Path) -> Resource:
        """Return the resource at ``path``; raise NOT_FOUND if it does not exist."""
        found = self._resources.get(path.key)
        if found is None:
            raise not_found(str(path))
        return found

    def free(self, path: Path) -> None:
        """Raise ALREADY_EXISTS if the name is taken."""
        if path.key in self._resources:
            raise exists(str(path))

    def place(self, path: Path) -> str:
        """Return the name to store a new topic under; raise ALREADY_EXISTS if other topics have them all."""
        names = self._storage.topic_names(path.location, path.id)
        taken = {topic.stored: topic.path for topic in self.all("topics")}
        for name in names:
            if name not in taken:
                return name
        raise exists(f"{taken[names[-1]]} is stored as {names[-1]}; {path}")

    def topic_partition(self, name: str, partition: int) -> Resource:
        """Return the topic ``name``; raise INVALID_ARGUMENT unless it has that partition."""
        topic = self.get(name, "topics")
        check_partition(topic, partition)
        return topic

    def subscription_partition(self, name: str, partition: int) -> tuple[Resource, Resource]:
        """Return the subscription ``name`` and its topic.

        Raise INVALID_ARGUMENT unless the topic has the partition.
        """
        subscription = self.get(name, "subscriptions")
        topic = self.topic_of(subscription)
        check_partition(topic, partition)
        return subscription, topic

    def topic_of(self, subscription: Resource) -> Resource:
        """Return a subscription's topic; raise NOT_FOUND once it has been deleted."""
        return self.get(subscription.body.topic, "topics")

    def subscriptions_of(self, topic: Resource) -> list[Resource]:
        """Return the subscriptions attached to a topic."""
        found = self.all("subscriptions")
        return [item for item in found if parse(item.body.topic, "topics").key == topic.path.key]

    def topics_in(self, reservation: Resource) -> list[Resource]:
        """Return the topics that use a reservation."""
        used = [(item, item.body.reservation_config.throughput_reservation) for item in self.all("topics")]
        key = reservation.path.key
        return [item for item, name in used if name and parse(name, "reservations").key == key]

    def all(self, kind: str, location: str | None = None) -> Iterator[Resource]:
        """Yield every resource of a kind, sorted by key, in one location or in all."""
        for key in sorted(self._resources):
            path = self._resources[key].path
            if path.kind == kind and location in (None, path.location):
                yield self._resources[key]

    async def put(self, path: Path, body: Message, stored: str = "") -> Resource:
        """Create or replace the resource at ``path``; ``stored`` is where a new topic is kept."""
        body.name = str(path)
        if stored:
            place = None if stored == self._best(path) else stored.encode()
            await self._storage.save(f"{path}{_STORED}", place)
        await self._storage.save(str(path), body.SerializeToString())
        return self._keep(path, body, stored)

    def _keep(self, path: Path, body: Message, stored: str) -> Resource:
        known = self._resources.get(path.key)
        place = stored or (known.stored if known else self._best(path))
        resource = self._resources[path.key] = Resource(path, body, place)
        return resource

    def _best(self, path: Path) -> str:
        return self._storage.topic_names(path.location, path.id)[0] if path.kind == "topics" else ""

    async def drop(self, resource: Resource) -> None:
        """Delete a resource."""
        await self._storage.save(str(resource.path), None)
        if resource.stored != self._best(resource.path):
            await self._storage.save(f"{resource.path}{_STORED}", None)
        self._resources.pop(resource.path.key, None)


def check_partition(topic: Resource, partition: int) -> None:
    """Raise INVALID_ARGUMENT unless the topic has the partition."""
    count = topic.body.partition_config.count
    if not 0 <= partition < count:
        raise invalid(f"partition {partition} of {topic.path}: expected 0 to {count - 1}")
