"""One partition's publish stream: batches in order, reopened if it breaks, with nothing stored twice.

A message has a sequence number within the partition and the client id: the service stores each number once,
so unacknowledged messages can be sent again (`PublishRequest` in google/cloud/pubsublite/v1/publisher.proto).
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sources.base import Acknowledge, Message
from sources.pubsublite.client_library import pubsublite_v1

if TYPE_CHECKING:
    from google.cloud.pubsublite_v1 import PublisherServiceClient, PublishRequest

PATIENCE_SECONDS = 60.0
"""Seconds that a message may wait without any answer from the service before it fails."""
LARGEST_BATCH_MESSAGES, LARGEST_BATCH_BYTES = 1000, 3 << 20
"""Limits of a request: those of Google's Python client (`single_partition_publisher.py`)."""
_LONGEST_PAUSE = 2.0


@dataclass(frozen=True)
class Sending:
    """A message on its way, encoded, with the encoded size in bytes."""

    encoded: Any
    size: int
    message: Message
    acknowledge: Acknowledge


Settle = Callable[[tuple[Sending, Exception | None]], None]


def passes(failure: Exception) -> bool:
    """Return whether a stream may be reopened after this error (`ErrorCodes.java` of java-pubsublite)."""
    from google.api_core import exceptions
    from google.auth.exceptions import TransportError

    passing = (
        exceptions.Aborted,
        exceptions.Cancelled,
        exceptions.DeadlineExceeded,
        exceptions.InternalServerError,
        exceptions.ResourceExhausted,
        exceptions.ServiceUnavailable,
        exceptions.Unknown,
        TransportError,
    )
    return isinstance(failure, passing)


class PartitionStream:
    """A sender to one partition with its own thread, which calls `settle` once for every message."""

    def __init__(self, topic: str, partition: int, connection: dict[str, str], settle: Settle) -> None:
        self._topic, self._partition, self._connection, self._settle = topic, partition, connection, settle
        self._waiting: deque[Sending] = deque()
        self._sent: deque[list[Sending]] = deque()
        self._changed = threading.Condition()
        self._closing = self._opened = False
        self._alone = 0
        self._begin_anew()
        self._heard = time.monotonic()
        self._session: object = None
        self._client: PublisherServiceClient | None = None
        self._thread = threading.Thread(target=self._run, name=f"{topic}/{partition}", daemon=True)
        self._thread.start()

    def send(self, sending: Sending) -> None:
        """Queue a message."""
        with self._changed:
            if not self._waiting and not self._sent:
                self._heard = time.monotonic()
            self._waiting.append(sending)
            self._changed.notify_all()

    def close(self) -> None:
        """End the stream once everything is settled."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def cut_if_stuck(self) -> None:
        """Cut a connection on which nothing has arrived for too long, so that what waits for it fails."""
        with self._changed:
            if self._client and self._sent and time.monotonic() - self._heard > PATIENCE_SECONDS:
                self._client.transport.close()  # type: ignore[no-untyped-call]

    def _begin_anew(self) -> None:
        self._client_id, self._first = uuid.uuid4().bytes, 0

    def _run(self) -> None:
        pause = 0.0
        while self._wait_for_work(pause):
            heard = self._heard
            try:
                self._converse()
                pause = 0.0
            except Exception as failure:
                pause = 0.05 if self._heard > heard else min(2 * pause + 0.05, _LONGEST_PAUSE)
                self._recover(failure)

    def _wait_for_work(self, pause: float) -> bool:
        """Pause, then wait for something to send; return False if the stream is to be closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closing, pause)
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return bool(self._waiting)

    def _converse(self) -> None:
        """Run one connection until it breaks, or everything is settled and the stream is to be closed."""
        from google.api_core.exceptions import Unknown

        self._session = session = object()
        self._opened = False
        where = {"partition": str(self._partition), "topic": self._topic}
        with pubsublite_v1().PublisherServiceClient(client_options=self._connection) as self._client:
            metadata = [("x-goog-request-params", urlencode(where))]
            answers = self._client.publish(self._requests(session), metadata=metadata)
            for answer in answers:
                self._opened = True
                if "message_response" in answer:
                    self._stored()
        if self._sent:
            raise Unknown("the service ended the stream")  # type: ignore[no-untyped-call]

    def _requests(self, session: object) -> Iterator[PublishRequest]:
        requests = pubsublite_v1().PublishRequest
        initial = {"topic": self._topic, "partition": self._partition, "client_id": self._client_id}
        yield requests(initial_request=initial)
        while batch := self._next_batch(session):
            request = requests.meta.pb()
            request.message_publish_request.first_sequence_number = batch[0]
            request.message_publish_request.messages.extend(sending.encoded for sending in batch[1])
            yield requests.wrap(request)

    def _next_batch(self, session: object) -> tuple[int, list[Sending]] | None:
        """Return the next batch's first number and its messages; None if this session is over."""

        def ready() -> bool:
            return self._session is not session or (
                (bool(self._waiting) or self._closing) and not (self._alone and self._sent)
            )

        with self._changed:
            self._changed.wait_for(ready)
            if self._session is not session or not self._waiting:
                return None
            number = self._first + sum(map(len, self._sent))
            batch = self._taken()
            self._sent.append(batch)
            return number, batch

    def _taken(self) -> list[Sending]:
        batch, size = [self._waiting.popleft()], 0
        most = 1 if self._alone else LARGEST_BATCH_MESSAGES
        size = batch[0].size
        while self._waiting and len(batch) < most and size + self._waiting[0].size <= LARGEST_BATCH_BYTES:
            size += self._waiting[0].size
            batch.append(self._waiting.popleft())
        return batch

    def _stored(self) -> None:
        with self._changed:
            self._heard = time.monotonic()
            batch = self._sent.popleft()
            self._first += len(batch)
            self._alone = max(0, self._alone - len(batch))
            self._changed.notify_all()
        for sending in batch:
            self._settle((sending, None))

    def _recover(self, failure: Exception) -> None:
        """Queue again what was not acknowledged; fail what was refused or has waited too long."""
        with self._changed:
            self._session = None
            self._changed.notify_all()
            refused = list(self._sent[0]) if self._sent else []
            while self._sent:
                self._waiting.extendleft(reversed(self._sent.pop()))
            failed = self._failed(failure, refused)
        for sending in failed:
            self._settle((sending, failure))

    def _failed(self, failure: Exception, refused: list[Sending]) -> list[Sending]:
        from google.api_core.exceptions import InvalidArgument

        if isinstance(failure, InvalidArgument) and self._opened and refused:
            if len(refused) > 1:  # one of these is at fault; sending each by itself shows which
                self._alone = len(refused)
                return []
            self._alone = max(0, self._alone - 1)
            return [self._waiting.popleft()]
        if passes(failure) and time.monotonic() - self._heard < PATIENCE_SECONDS:
            return []
        self._begin_anew()
        self._heard = time.monotonic()
        failed, self._waiting = list(self._waiting), deque()
        return failed
