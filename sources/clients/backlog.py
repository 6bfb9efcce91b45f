"""A backlog of several partitions, read as one: by time, as far as each partition keeps it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping

from sources.source import Record


def merged(polled: Iterator[Record | None], ends: Mapping[int, int]) -> Iterator[Record | None]:
    """What was there at the start, by time over all partitions, as far as each keeps it; then as it comes.

    `ends`: the end offset of each partition that has messages. A broker hands a backlog over partition by
    partition: recorded like that, the second would be late.
    """
    heads: dict[int, deque[Record]] = {partition: deque() for partition in ends}
    behind = set(ends)
    while behind:
        record = next(polled)
        if record is None:  # a partition's last offset may hold no message; or the start was the end
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
