"""The delivery of export subscriptions to a Pub/Sub emulator.

An export subscription reads as a subscriber does: from its committed cursor, which moves once Pub/Sub has the
messages, one stream a partition, moved by a seek. So a message is delivered twice only if the emulator ends
between Pub/Sub's answer and the commit.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby

from pubsublite_emulator.catalog import Catalog, Resource
from pubsublite_emulator.errors import Code, LiteError
from pubsublite_emulator.export_subscriptions import ACTIVE, NOT_FOUND, PERMISSION_DENIED
from pubsublite_emulator.pubsub_client import PubsubClient, PubsubRefused
from pubsublite_emulator.pubsub_messages import NotForPubsub, PubsubMessage, converted
from pubsublite_emulator.readers import Readers
from pubsublite_emulator.schema import Message, message
from pubsublite_emulator.seeks import Seeks
from pubsublite_emulator.storage import Storage
from pubsublite_emulator.wire import Batch, Block

log = logging.getLogger("pubsublite_emulator")

_MessageResponse = message("MessageResponse")
# A PublishRequest holds no more (cloud.google.com/pubsub/quotas); its bytes are limited by a piece's.
_MESSAGES = 1_000
_ANY_SIZE = 1 << 62
_RETRY_SECONDS = 1.0
_STATES = {Code.NOT_FOUND: NOT_FOUND, Code.PERMISSION_DENIED: PERMISSION_DENIED}


@dataclass(frozen=True)
class _Line:
    """One partition's way to its destination."""

    subscription: str
    group: str
    topic: str
    partition: int
    destination: str
    letters: str


class Exporter:
    """Delivers every active export subscription to the Pub/Sub at ``host``; without one, nothing."""

    def __init__(self, host: str, storage: Storage, catalog: Catalog, readers: Readers, seeks: Seeks) -> None:
        self.host = host
        self._storage = storage
        self._catalog = catalog
        self._readers = readers
        self._seeks = seeks
        self._client: PubsubClient | None = None
        self._deliveries: dict[_Line, asyncio.Task[None]] = {}
        self._problems: dict[_Line, str] = {}
        self._reconciling = asyncio.Lock()

    async def start(self) -> None:
        """Begin to deliver what the catalog holds."""
        if self.host:
            self._client = PubsubClient(self.host)
            log.info("export subscriptions are delivered to the Pub/Sub at %s", self.host)
        await self.reconcile()

    async def stop(self) -> None:
        """End every delivery."""
        await self._end(list(self._deliveries))
        if self._client:
            await self._client.close()

    async def reconcile(self) -> None:
        """Begin and end deliveries, after a change of the catalog."""
        if self._client is None:
            return
        async with self._reconciling:
            wanted = self._wanted()
            await self._end([line for line in self._deliveries if line not in wanted])
            for line in wanted - self._deliveries.keys():
                self._deliveries[line] = asyncio.create_task(self._keep_delivering(self._client, line))

    def _wanted(self) -> set[_Line]:
        found: set[_Line] = set()
        for subscription in self._catalog.all("subscriptions"):
            config = subscription.body.export_config
            if config.desired_state != ACTIVE:
                continue
            try:
                topic = self._catalog.topic_of(subscription)
            except LiteError:
                continue  # it was deleted
            ends = (config.pubsub_config.topic, config.dead_letter_topic)
            for partition in range(topic.body.partition_config.count):
                found.add(_Line(str(subscription.path), subscription.group, topic.stored, partition, *ends))
        return found

    async def _end(self, lines: list[_Line]) -> None:
        ended = [self._deliveries.pop(line) for line in lines]
        for line in lines:
            self._problems.pop(line, None)
        for task in ended:
            task.cancel()
        if ended:
            await asyncio.wait(ended)

    async def _keep_delivering(self, client: PubsubClient, line: _Line) -> None:
        while True:
            try:
                await self._until_moved(client, line)
            except PubsubRefused as error:
                self._report(line, error)
            except LiteError as error:
                self._warn(line, f"{error.code.name} {error.message}")
            except Exception:
                log.exception("%s partition %d: the export failed", line.subscription, line.partition)
            else:
                continue
            await asyncio.sleep(_RETRY_SECONDS)

    async def _insist(self, line: _Line, attempt: Callable[[], Awaitable[object]]) -> None:
        """Try until it works; raise INVALID_ARGUMENT only, which no repetition mends.

        What else has been delivered meanwhile is not delivered again, as it would be from the cursor.
        """
        while True:
            try:
                await attempt()
            except PubsubRefused as error:
                if error.code is Code.INVALID_ARGUMENT:
                    raise
                self._report(line, error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._show(line, ACTIVE)
                return

    def _report(self, line: _Line, error: PubsubRefused) -> None:
        if error.code in _STATES:
            self._show(line, _STATES[error.code])
        self._warn(line, f"{error.code.name} {error}")

    def _warn(self, line: _Line, problem: str) -> None:
        """Log a problem, once as long as it stays the same."""
        if self._problems.get(line) != problem:
            self._problems[line] = problem
            where = f"{line.subscription} partition {line.partition} to {line.destination}"
            log.warning("%s: %s; tried again until it works", where, problem)

    async def _until_moved(self, client: PubsubClient, line: _Line) -> None:
        """Deliver until a seek moves the subscription, and return; raise whatever else ends it."""
        subscription = self._catalog.get(line.subscription, "subscriptions")
        with self._readers.reading(subscription.path.key, line.partition) as ending:
            delivery = asyncio.create_task(self._deliver(client, line, subscription))
            try:
                await asyncio.wait((delivery, ending), return_when=asyncio.FIRST_COMPLETED)
            finally:
                delivery.cancel()
                await asyncio.wait((delivery,))
            if delivery.cancelled() and (error := ending.exception()):
                if isinstance(error, LiteError) and error.reason == "RESET":
                    return
                raise error
            delivery.result()

    async def _deliver(self, client: PubsubClient, line: _Line, subscription: Resource) -> None:
        await client.find(line.destination)
        self._show(line, ACTIVE, instead_of=NOT_FOUND)
        topic = self._catalog.topic_of(subscription)
        start = await self._seeks.resume(subscription, topic, line.partition)
        reader = await self._storage.read(line.topic, line.partition, start)
        try:
            while True:
                block = await reader.next()
                while block.offsets:
                    piece, block = block.take(_MESSAGES, _ANY_SIZE)
                    await self._export(client, line, piece)
                    self._problems.pop(line, None)
                    await self._storage.commit(
                        line.group, line.topic, {line.partition: piece.offsets[-1] + 1}
                    )
        finally:
            await reader.close()

    async def _export(self, client: PubsubClient, line: _Line, piece: Block) -> None:
        """Publish the messages, those of a key in their order, and set aside what Pub/Sub does not take."""
        fit: list[tuple[Message, PubsubMessage]] = []
        for sequenced in _MessageResponse.FromString(piece.messages()).messages:
            try:
                fit.append((sequenced, converted(sequenced.message)))
            except NotForPubsub as error:
                await self._set_aside(line, sequenced, str(error))
        fit.sort(key=lambda pair: pair[1].ordering_key)  # stable: a request holds one key, by the protocol
        groups = [list(pairs) for _, pairs in groupby(fit, key=lambda pair: pair[1].ordering_key)]
        published = (self._publish(client, line, pairs) for pairs in groups)
        for result in await asyncio.gather(*published, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _publish(
        self, client: PubsubClient, line: _Line, pairs: list[tuple[Message, PubsubMessage]]
    ) -> None:
        messages = [converted for _, converted in pairs]
        try:
            await self._insist(line, lambda: client.publish(line.destination, messages))
        except PubsubRefused as error:
            if len(pairs) == 1:
                await self._set_aside(line, pairs[0][0], str(error))
            else:
                for pair in pairs:
                    await self._publish(client, line, [pair])

    async def _set_aside(self, line: _Line, sequenced: Message, reason: str) -> None:
        """Store a message that Pub/Sub does not take in the topic of dead letters, or else drop it."""
        where = f"{line.subscription} partition {line.partition} offset {sequenced.cursor.offset}"
        if not line.letters:
            log.warning("%s is dropped, because there is no dead_letter_topic: %s", where, reason)
            return
        await self._insist(line, lambda: self._store(line, sequenced.message))
        log.warning("%s becomes a dead letter in %s: %s", where, line.letters, reason)

    async def _store(self, line: _Line, letter: Message) -> None:
        try:
            letters = self._catalog.get(line.letters, "topics")
        except LiteError as error:
            raise PubsubRefused(Code.NOT_FOUND, error.message) from None
        partition = line.partition % letters.body.partition_config.count
        await self._storage.append(letters.stored, partition, Batch([letter.SerializeToString()]))

    def _show(self, line: _Line, state: int, instead_of: int | None = None) -> None:
        with suppress(LiteError):  # it was deleted meanwhile
            config = self._catalog.get(line.subscription, "subscriptions").body.export_config
            if instead_of in (None, config.current_state):
                config.current_state = state
