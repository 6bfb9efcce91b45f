"""Events with the time at which they reach their broker: the building blocks of the scenarios."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from random import Random

from sources.base import Message
from sources.catalog import Stream
from sources.laptop.products import PRICES, USERS, list_price

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Arrival:
    """A message and the time it reaches its broker, which is after its event time unless a clock is wrong."""

    at: datetime
    message: Message


Batch = list[Arrival]
Price = Callable[[str, datetime], Decimal]
"""A product's price at a given time."""


class Events:
    """A factory for the events of one round, each with a unique id.

    `story` is the prefix of the ids: with the same seed and start, two stories still have different events.
    """

    def __init__(self, random: Random, start: datetime, story: str = "", price: Price = list_price) -> None:
        self._random, self._price = random, price
        self._round = "-".join(
            filter(None, (story, f"{start:%Y%m%d-%H%M%S}", f"{random.getrandbits(32):08x}"))
        )
        self._numbers = count(1)

    def event(self, stream: Stream, time: datetime, user: str, product: str) -> Message:
        """Return an event; if the stream has orders, an order of 1 to 3 pieces at the price of that time."""
        fields = {
            "event_id": f"{self._round}-{next(self._numbers):05}",
            "user_id": user,
            "product_id": product,
            "event_time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        order = {
            "quantity": self._random.choice((1, 1, 1, 2, 3)),
            "unit_price": float(self._price(product, time)),
        }
        value = fields | order if stream.order_fields else fields
        return Message(stream.name, user.encode(), json.dumps(value, separators=(",", ":")).encode(), time)

    def on_time(self, stream: Stream, times: Sequence[datetime]) -> Batch:
        """Return events of random users and products that arrive when they happen."""
        return [Arrival(time, self._any(stream, time)) for time in sorted(times)]

    def closing(self, time: datetime, *streams: Stream) -> Batch:
        """Return one event per stream, later than every window that has to become final."""
        return [Arrival(time, self._any(stream, time)) for stream in streams]

    def between(self, start: datetime, length: timedelta, number: int) -> list[datetime]:
        """Return `number` random times from `start` until before `start + length`, to the millisecond."""
        milliseconds = length // timedelta(milliseconds=1)
        return [start + timedelta(milliseconds=self._random.randrange(milliseconds)) for _ in range(number)]

    def _any(self, stream: Stream, time: datetime) -> Message:
        return self.event(stream, time, self._random.choice(USERS), self._random.choice(list(PRICES)))


def by_time(length: timedelta, start: datetime, arrivals: Batch) -> Iterator[Batch]:
    """Yield the arrivals in order, one batch for each interval of `length` that is not empty."""
    batches: dict[int, Batch] = {}
    for arrival in sorted(arrivals, key=lambda arrival: arrival.at):
        batches.setdefault((arrival.at - start) // length, []).append(arrival)
    yield from batches.values()
