"""The streams that are reading: at most one per subscription and partition, and a way to end it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from pubsublite_emulator.errors import Code, LiteError

Ending = asyncio.Future[None]


class Readers:
    """The open Subscribe streams by subscription key and partition."""

    def __init__(self) -> None:
        self._endings: dict[tuple[str, int], Ending] = {}

    @contextmanager
    def reading(self, subscription: str, partition: int) -> Iterator[Ending]:
        """Register a stream, evicting an older one; yield a future that fails with what must end it."""
        self.end(
            subscription,
            LiteError(
                Code.ABORTED,
                f"another subscriber connected to partition {partition}",
                reason="DUPLICATE_SUBSCRIBER_CONNECTIONS",
            ),
            partition,
        )
        ending: Ending = asyncio.get_running_loop().create_future()
        self._endings[subscription, partition] = ending
        try:
            yield ending
        finally:
            if not ending.cancel() and not ending.cancelled():
                ending.exception()  # seen, even if the stream ended for another reason first
            if self._endings.get((subscription, partition)) is ending:
                del self._endings[subscription, partition]

    def partitions(self, subscription: str) -> set[int]:
        """Return the partitions of a subscription that are being read."""
        return {partition for name, partition in self._endings if name == subscription}

    def end(self, subscription: str, error: LiteError, partition: int | None = None) -> None:
        """End the streams of a subscription, or of one of its partitions, with ``error``."""
        for (name, number), ending in list(self._endings.items()):
            if name == subscription and partition in (None, number) and not ending.done():
                ending.set_exception(error)
