"""Orders published to Pub/Sub Lite at a steady rate while jobs run: almost in order, some of them twice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from heapq import heappop, heappush
from itertools import count, islice
from random import Random

from sources import pubsublite
from sources.base import Message
from sources.catalog import PRODUCT
from sources.pubsublite.options import LiteOptions
from tests.support.background import Background
from tests.support.reference import Event, Offer

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STEP = timedelta(milliseconds=10)
"""Event time between two orders: ten times as fast as the clock at `RATE`."""
RATE = 1000
"""Messages per second."""
MOST_BEHIND = 500
"""The maximum delay of an out-of-order order, in orders: five seconds of event time."""
MOST_AHEAD = timedelta(seconds=15)
"""The maximum time from an order's stamp to its own event time."""
PRICES = ("0.05", "1.50", "9.99", "12.25", "249.00")
OFFERS = [
    Offer("u1", "p1", Decimal("12.50")),
    Offer("u2", "p3", Decimal(5), NOON + timedelta(seconds=15), NOON + timedelta(seconds=75)),
    Offer("u2", "p3", Decimal(10), NOON + timedelta(seconds=40)),
]


@dataclass(frozen=True)
class Published:
    """A message and its event; None: it has no event, or one that was sent before."""

    message: Message
    event: Event | None


BROKEN = Published(Message(PRODUCT.name, b"u1", b'{"event_id":"broken"', NOON), None)


def orders(seed: int) -> Iterator[Published]:
    """Yield orders endlessly, as they are published: 2 % come again later, and 1 % more are broken."""
    random = Random(seed)
    waiting: list[tuple[float, int, Published]] = []
    for number in count():
        event = _event(random, seed, number)
        place = number + (random.uniform(0, MOST_BEHIND) if random.random() < 0.1 else 0)
        first = Published(message(event, random), event)
        heappush(waiting, (place, 0, first))
        if random.random() < 0.02:
            again = Published(first.message, None)
            heappush(waiting, (place + random.uniform(1, MOST_BEHIND), number, again))
        if random.random() < 0.01:
            yield BROKEN
        while waiting and waiting[0][0] <= number:
            yield heappop(waiting)[2]


def closing(seed: int, number: int) -> Message:
    """Return an order so long after that number that all windows up to it are final."""
    random = Random(seed)
    return message(_event(random, seed, number + 100_000), random)


def message(event: Event, random: Random) -> Message:
    """Return the order as a message; one in ten is stamped before its own time, as far as the job allows.

    Every message has a stamp: without one, the publish time would be the clock's, which is not these events'
    time.
    """
    fields = {
        **{"event_id": event.event_id, "user_id": event.user_id, "product_id": event.product_id},
        **{"event_time": event.event_time.isoformat(), "quantity": event.quantity},
        "unit_price": str(event.unit_price),
    }
    stamp = event.event_time - (random.random() * MOST_AHEAD if random.random() < 0.1 else timedelta(0))
    return Message(PRODUCT.name, event.user_id.encode(), json.dumps(fields).encode(), stamp, {"v": [b"1"]})


def _event(random: Random, seed: int, number: int) -> Event:
    user, product = f"u{random.randint(1, 20)}", f"p{random.randint(1, 5)}"
    price = Decimal(random.choice(PRICES))
    return Event(f"s{seed}-{number}", user, product, NOON + number * STEP, random.randint(1, 3), price)


class Live(Background):
    """A `with` block that publishes each message when it is due, whatever became of those before.

    `published` counts them.
    """

    def __init__(self, options: LiteOptions, messages: Iterator[Published]) -> None:
        super().__init__()
        self.published = 0
        self._options, self._messages = options, messages

    def work(self) -> None:
        """Publish until the block ends; fail if a message is not accepted."""
        refused: list[Exception] = []
        publisher = pubsublite.publisher(self._options)
        begun = time.monotonic()
        while not self.stopping.is_set():
            due = int((time.monotonic() - begun) * RATE) + 1
            publisher.publish(
                [one.message for one in islice(self._messages, due - self.published)],
                lambda _, failure: refused.append(failure) if failure else None,
            )
            self.published = due
            self.stopping.wait(0.01)
        publisher.close()
        assert refused == []
