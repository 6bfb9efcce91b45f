"""The backlog of several partitions, merged by time as far as each partition is in time order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from sources.base import Record


def merged(polled: Iterator[Record | None], ends: Mapping[int, int]) -> Iterator[Record | None]:
    """Yield what was there at the start by time across all partitions, then new records as they arrive.

    The order by time holds as far as each partition keeps it. `ends` is the end offset of each partition that
    has messages. A broker delivers a backlog partition by partition: recorded in that order, the second
    partition's records would be late.
    """
    heads: dict[int, deque[Record]] = {partition: deque() for partition in ends}
    behind = set(ends)
    while behind:
        record = next(polled)
        if record is None:  # a partition's last offset may hold no message, or the start was the end
            break
        heads.setdefault(record.partition, deque()).append(record)
        if record.offset + 1 >= ends.get(record.partition, 0):
            behind.discard(record.partition)
        while all(heads[partition] for partition in behind) and any(heads.values()):
            yield _oldest(heads)
    while any(heads.values()):
        yield _oldest(heads)
    yield from polled


def _oldest(heads: dict[int, deque[Record]]) -> Record:
    waiting = [queue for queue in heads.values() if queue]
    return min(waiting, key=lambda queue: (queue[0].published_at, queue[0].partition)).popleft()
