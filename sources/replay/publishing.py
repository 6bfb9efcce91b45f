"""Publishing to replay files as to a broker, with partitions, offsets and a clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from sources import instants
from sources.base import Acknowledge, Message, Record
from sources.catalog import PARTITIONS, partition_of
from sources.replay import files as replay_files

MESSAGES_PER_FILE = 10_000


def _now() -> datetime:
    return datetime.now(UTC)


class ReplayPublisher:
    """A publisher that appends files to each stream's folder.

    A file, and so a micro-batch, ends with `flush` or after `MESSAGES_PER_FILE` messages. Partition and
    offset are those of a Kafka topic with `catalog.PARTITIONS` partitions; `published_at` is the clock's.
    A message is acknowledged once its file exists. A directory takes one publisher at a time.
    """

    def __init__(self, directory: Path, clock: Callable[[], datetime] = _now) -> None:
        self._directory = directory
        self._clock = clock
        self._waiting: dict[str, list[tuple[Message, Record, Acknowledge]]] = {}
        self._offsets: dict[str, Counter[int]] = {}
        self._keyless = 0

    def publish(self, messages: Sequence[Message], acknowledge: Acknowledge) -> None:
        """Take `messages`; raise SourceError if a stream's existing files cannot be read."""
        for message in messages:
            waiting = self._waiting.setdefault(message.stream, [])
            waiting.append((message, self._record(message), acknowledge))
            if len(waiting) == MESSAGES_PER_FILE:
                self._write(message.stream)

    def flush(self) -> None:
        """Finish each stream's file."""
        for stream in list(self._waiting):
            self._write(stream)

    def close(self) -> None:
        """Flush; there is nothing else to release."""
        self.flush()

    def _record(self, message: Message) -> Record:
        partition = self._partition(message.key)
        offsets = self._offsets.get(message.stream) or self._continue(message.stream)
        offset = offsets[partition]
        offsets[partition] += 1
        return Record(
            stream=message.stream,
            key=message.key,
            value=message.value,
            event_at=message.event_at and _to_milliseconds(message.event_at),
            attributes=message.attributes,
            partition=partition,
            offset=offset,
            published_at=self._clock(),
        )

    def _partition(self, key: bytes | None) -> int:
        if key is not None:
            return partition_of(key, PARTITIONS)
        self._keyless += 1
        return (self._keyless - 1) % PARTITIONS

    def _continue(self, stream: str) -> Counter[int]:
        folder = self._directory / stream
        there = replay_files.files(folder) if any(folder.glob(f"*{replay_files.SUFFIX}")) else []
        offsets = self._offsets[stream] = Counter()
        for record in chain.from_iterable(
            replay_files.parse(file, file.read_bytes(), stream) for file in there
        ):
            offsets[record.partition] = max(offsets[record.partition], record.offset + 1)
        return offsets

    def _write(self, stream: str) -> None:
        waiting = self._waiting.pop(stream)
        file = replay_files.following(self._directory / stream)
        failure: Exception | None = None
        try:
            replay_files.write(file, (record for _, record, _ in waiting))
        except OSError as error:
            failure = error
        for message, _, acknowledge in waiting:
            acknowledge(message, failure)


def _to_milliseconds(instant: datetime) -> datetime:
    return instants.from_milliseconds(instants.milliseconds(instant))
