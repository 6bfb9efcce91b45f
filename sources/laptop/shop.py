"""A shop's day, minute by minute: all three streams, with the faults of real ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from random import Random

from sources import instants
from sources.base import Message
from sources.catalog import BROWSING, PRODUCT, PURCHASE, STREAMS
from sources.laptop.arrivals import MINUTE, SECOND, Arrival, Batch, Events, by_time
from sources.laptop.products import DISCOUNTS, PRICES, USERS, happy_price

SPAN = 20 * MINUTE
BATCH = 4 * MINUTE
_DISCOUNTED = sorted({(user, product) for user, product, *_ in DISCOUNTS})


def day(random: Random, start: datetime, visits_per_minute: int = 100) -> Iterator[Batch]:
    """Yield a round of `SPAN`; its last windows stay open, because the next round continues where it ends.

    Some products are much more popular than others, most buyers have looked first, and prices change.

    Of all messages, about 2 % arrive minutes late, 5 % seconds late and so out of order, 3 % twice, and 2 %
    are not valid events.
    """
    events = Events(random, start, price=happy_price)
    arrivals: Batch = []
    for time in events.between(start, SPAN, visits_per_minute * 20):
        arrivals += _visit(random, events, time, start + SPAN)
    delivered = [late for arrival in arrivals for late in _delivered(random, arrival)]
    yield from by_time(BATCH, start, [arrival for arrival in delivered if arrival.at < start + SPAN])


def closing(random: Random, start: datetime) -> Batch:
    """Return a last event per stream, late enough to make every window of a round from `start` final."""
    return Events(random, start).closing(start + SPAN + 45 * MINUTE, *STREAMS.values())


def _visit(random: Random, events: Events, time: datetime, end: datetime) -> Batch:
    """Return the events of a user who looks at a product, and may buy it or order something."""
    user, product = random.choice(USERS), random.choices(list(PRICES), range(len(PRICES), 0, -1))[0]
    happened = [(BROWSING, time, user, product)]
    if random.random() < 0.6:
        wanted = product if random.random() < 0.85 else random.choice(list(PRICES))
        happened.append((PURCHASE, _cut(time + random.random() * 12 * MINUTE), user, wanted))
    if random.random() < 0.8:
        discounted = random.random() < 0.3
        happened.append((PRODUCT, time, *(random.choice(_DISCOUNTED) if discounted else (user, product))))
    return [Arrival(at, events.event(stream, at, *who)) for stream, at, *who in happened if at < end]


def _delivered(random: Random, arrival: Arrival) -> Batch:
    """Return the real arrivals of a message, which may be late, twice or broken."""
    delay, fate = random.uniform(0.05, 1.5) * SECOND, random.random()
    if fate < 0.02:
        delay = random.uniform(5, 9) * MINUTE
    elif fate < 0.07:
        delay = random.uniform(3, 8) * SECOND
    message = arrival.message
    if 0.07 <= fate < 0.09:
        message = _broken(random, message)
    first = Arrival(_cut(arrival.at + delay), message)
    if 0.09 <= fate < 0.12:
        return [first, replace(first, at=_cut(first.at + random.uniform(0.5, 5) * SECOND))]
    return [first]


def _broken(random: Random, message: Message) -> Message:
    """Return the message with one fault that makes it an invalid event; the broker's own times stay right."""
    text = message.value or b""
    event = json.loads(text)
    changed = [
        {"user_id": None},
        {"product_id": ""},
        {"event_time": event["event_time"].removesuffix("Z")},
        {"event_time": instants.milliseconds(instants.parse(event["event_time"]))},
        {"event_time": event["event_time"].replace("20", "21", 1)},  # a clock a century ahead
    ]
    if "quantity" in event:
        changed += [{"quantity": 0}, {"quantity": 1.5}, {"unit_price": -1}, {"unit_price": 19.995}]
    values = [json.dumps(event | change).encode() for change in changed]
    value = random.choice([None, b"", text[:40], b"\xff\xfe" + text, b"[" + text + b"]", *values])
    return replace(message, value=value)


def _cut(time: datetime) -> datetime:
    return instants.from_milliseconds(instants.milliseconds(time))
