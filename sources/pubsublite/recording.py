"""A Lite topic's records, read one by one without Spark, through a separate subscription."""

from __future__ import annotations

import queue
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

from sources.base import Record
from sources.catalog import Stream
from sources.pubsublite.cursors import heads
from sources.pubsublite.options import LiteOptions
from sources.pubsublite.paths import ANSWER_SECONDS, parent, unreachable
from sources.pubsublite.reader import PartitionReader
from sources.pubsublite.resources import admin_client, asked, create_subscription, endpoint, partition_count
from sources.time_order import merged


def records(stream: Stream, options: LiteOptions) -> Iterator[Record | None]:
    """Yield the topic's records from the oldest on, endlessly; None after each second without one.

    The subscription `twinstream-record-…` created for this is deleted at the end; a process that is killed
    leaves it behind. Nothing is committed.
    """
    with admin_client(options) as admin:
        count = partition_count(admin, stream, options)
        path = f"{parent(options)}/subscriptions/twinstream-record-{uuid.uuid4().hex[:12]}"
        create_subscription(admin, stream, path, options)
        try:
            ends = {partition: head for partition, head in heads(stream, options).items() if head}
            yield from merged(_polled(stream, path, count, options), ends)
        finally:
            asked(options, lambda: admin.delete_subscription(name=path, timeout=ANSWER_SECONDS))


def _polled(stream: Stream, path: str, count: int, options: LiteOptions) -> Iterator[Record | None]:
    arrived: queue.Queue[Record | Exception] = queue.Queue(maxsize=1000)
    with ExitStack() as readers:
        for partition in range(count):
            reader = PartitionReader(stream, path, partition, endpoint(options), arrived)
            readers.callback(reader.close)
        while True:
            try:
                record = arrived.get(timeout=1.0)
            except queue.Empty:
                yield None
                continue
            if isinstance(record, Exception):
                raise unreachable(options, getattr(record, "message", record)) from None
            yield record
