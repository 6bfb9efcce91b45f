"""Seeded events for trying a window, a watermark or a join: the same seed and start give the same bytes.

A scenario consists of rounds, and a round of batches; in files a batch is a micro-batch, so that watermarks
advance as in a running job. Each round, except the shop's, ends with events far enough ahead to make every
window before them final.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from random import Random

from sources.catalog import BROWSING, PRODUCT, PURCHASE, Stream
from sources.laptop import shop
from sources.laptop.arrivals import MINUTE, SECOND, Arrival, Batch, Events, by_time
from sources.laptop.products import DISCOUNTS, PRICES, USERS

_LAST = timedelta(milliseconds=59_999)


def _tumbling(random: Random, start: datetime) -> Iterator[Batch]:
    events = Events(random, start, "tumbling")
    for minute in range(5):
        opening = start + minute * MINUTE
        inside = events.between(opening, MINUTE, random.randint(5, 15))
        yield events.on_time(BROWSING, [opening, *inside, opening + _LAST])
    yield events.closing(start + 7 * MINUTE, BROWSING)


def _sliding(random: Random, start: datetime) -> Iterator[Batch]:
    events = Events(random, start, "sliding")
    for half_minute in range(8):
        opening = start + half_minute * 30 * SECOND
        yield events.on_time(BROWSING, [opening, *events.between(opening, 30 * SECOND, half_minute)])
    yield events.closing(start + 7 * MINUTE, BROWSING)


def _session(random: Random, start: datetime) -> Iterator[Batch]:
    """Yield visits with pauses within the gap of 5 minutes, 1 ms short of it, exactly it, and beyond it."""
    events = Events(random, start, "session")
    pauses = (2 * MINUTE, 4 * MINUTE + _LAST, 5 * MINUTE, 9 * MINUTE)
    visits: Batch = []
    for user in random.sample(USERS, 6):
        time = events.between(start, MINUTE, 1)[0]
        for pause in (timedelta(0), *random.sample(pauses, len(pauses))):
            time += pause
            product = random.choice(list(PRICES))
            visits.append(Arrival(time, events.event(BROWSING, time, user, product)))
    yield from by_time(5 * MINUTE, start, visits)
    yield events.closing(start + 40 * MINUTE, BROWSING)


def _late(random: Random, start: datetime) -> Iterator[Batch]:
    """Yield events around a watermark of 10 seconds and windows of a minute."""
    events = Events(random, start, "late")

    def delayed(since: int, until: int, arrival: int, number: int) -> Batch:
        happened = events.between(start + since * SECOND, (until - since) * SECOND, number)
        arrivals = [events.on_time(BROWSING, [time])[0] for time in happened]
        return [replace(late, at=start + arrival * SECOND) for late in arrivals]

    in_order = events.on_time(BROWSING, [start + 5 * step * SECOND for step in range(12)])
    redelivered = replace(in_order[-1], at=start + 58 * SECOND)
    yield in_order  # the watermark moves to 0:45
    yield [*delayed(46, 55, 57, 8), redelivered]  # out of order but not too late; one redelivered
    yield events.on_time(BROWSING, [start + 80 * SECOND])  # to 1:10, so the first minute is final
    too_late = delayed(0, 55, 82, 6)
    yield [*too_late, *delayed(71, 79, 83, 6), replace(redelivered, at=start + 84 * SECOND)]
    yield events.closing(start + 5 * MINUTE, BROWSING)


def _static_join(random: Random, start: datetime) -> Iterator[Batch]:
    events = Events(random, start, "static-join")
    discounted = sorted({(user, product) for user, product, *_ in DISCOUNTS})
    for minute in range(5):
        opening, orders = start + minute * MINUTE, list[Arrival]()
        for time in sorted([opening, *events.between(opening, MINUTE, 11)]):
            other = random.choice(USERS), random.choice(list(PRICES))
            user, product = random.choice((random.choice(discounted), other))
            orders.append(Arrival(time, events.event(PRODUCT, time, user, product)))
        yield orders
    yield events.closing(start + 7 * MINUTE, PRODUCT)


def _browse_and_buy(random: Random, start: datetime) -> Iterator[Batch]:
    """Yield purchases 0 to 30 minutes after a view, later, without a view, and after several views."""
    events = Events(random, start, "browse-and-buy")
    arrivals: Batch = []

    def happens(stream: Stream, time: datetime, user: str, product: str) -> None:
        arrivals.append(Arrival(time, events.event(stream, time, user, product)))

    delays = (timedelta(0), 4 * MINUTE, 30 * MINUTE, 30 * MINUTE + timedelta(milliseconds=1), 38 * MINUTE)
    for user in USERS:
        product, unseen = random.sample(list(PRICES), 2)
        viewed = events.between(start, 20 * MINUTE, random.randint(1, 4))
        for time in viewed:
            happens(BROWSING, time, user, product)
        happens(PURCHASE, max(viewed) + random.choice(delays), user, product)
        if random.random() < 0.3:
            happens(PURCHASE, events.between(start, 40 * MINUTE, 1)[0], user, unseen)
    yield from by_time(10 * MINUTE, start, arrivals)
    yield events.closing(start + 110 * MINUTE, BROWSING, PURCHASE)


@dataclass(frozen=True)
class Scenario:
    """A scenario; `round` gives the batches of one round, which takes no longer than `span`."""

    about: str
    span: timedelta
    round: Callable[[Random, datetime], Iterator[Batch]]


SCENARIOS = {
    "tumbling": Scenario("views at, in and just before the end of one-minute windows", 8 * MINUTE, _tumbling),
    "sliding": Scenario("views every 30 seconds that fall into two windows each", 8 * MINUTE, _sliding),
    "session": Scenario("visits with pauses just under, at and over 5 minutes", 41 * MINUTE, _session),
    "late": Scenario("out of order, redelivered, and behind a watermark of 10 seconds", 6 * MINUTE, _late),
    "static-join": Scenario("orders with and without a row in the discounts' CSV", 8 * MINUTE, _static_join),
    "browse-and-buy": Scenario(
        "purchases up to 30 minutes after a view, later, without", 111 * MINUTE, _browse_and_buy
    ),
    "shop": Scenario(
        "all streams as a shop sends them: late, twice, out of order, broken", shop.SPAN, shop.day
    ),
}


def batches(scenario: Scenario, seed: int, start: datetime) -> Iterator[Batch]:
    """Yield the batches of a scenario's rounds endlessly, one round after another in event time."""
    random = Random(seed)  # noqa: S311 - made-up events need repeatable randomness, not secrecy
    for number in count():
        yield from scenario.round(random, start + number * scenario.span)


def one_round(scenario: Scenario, seed: int, start: datetime) -> Iterator[Batch]:
    """Return the first round of `batches`."""
    return scenario.round(Random(seed), start)  # noqa: S311 - as above
