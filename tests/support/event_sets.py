"""Seeded random messages for the jobs: late, duplicate, out of order, wrong, and on boundaries on purpose.

A set's ids begin with its seed, and its events fall on a separate day, so many sets can go through one
query without meeting in a window, a session, a rank or a join.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from tests.support.reference import Event, Message, Offer

PRODUCT, BROWSING, PURCHASE = "product-stream", "browsing-stream", "purchase-stream"
ORDERS = {PRODUCT: True, BROWSING: False, PURCHASE: True}
DELAY, SKEW, WITHIN = timedelta(seconds=10), timedelta(minutes=10), timedelta(minutes=30)
FIRST_DAY = datetime(2022, 3, 1, 6, tzinfo=UTC)
NOW = FIRST_DAY + timedelta(days=100_000)
"""A clock ahead of every event here, so that `published_at` alone decides what is too far ahead."""

TICK, MILLISECOND = timedelta(microseconds=1), timedelta(milliseconds=1)
NUDGES = (-MILLISECOND, -TICK, timedelta(0), timedelta(0), TICK, MILLISECOND)
STEPS = tuple(timedelta(seconds=s) for s in (0, 0, 30, 60, 61, 90, 119, 300, 301, 600, 1200))
PRICES = ("0", "0.05", "0.15", "0.25", "1.50", "2.5", "9.99", "9.99", "100", "12345678.90")
PERCENTS = ("0", "0.01", "5", "10", "12.50", "33.33", "50", "50.00", "99.99", "100")

WRONG_TOKENS: dict[str, tuple[str | None, ...]] = {
    "event_id": (None, "null", '""', "7", "true", "[1]", "{}"),
    "user_id": (None, "null", '""', "-1.5", "false", '["u"]', '{"id":"u"}'),
    "product_id": (None, "null", '""', "0", "[]"),
    "event_time": (
        *(None, "null", '""', "1709287200", "1709287200000", "true", '"soon"', '"2024-03-01"'),
        *('"2024-03-01T10:00:00"', '"2024-03-01 10:00:00Z"', '"2024-02-30T10:00:00Z"', '"1709287200"'),
        *('"2037-01-01T00:00:00Z"', '"57971-01-01T00:00:00Z"', '"0001-01-01T00:00:00Z"'),
        *('"1969-12-31T23:59:59.999999Z"', '"2024-03-01T24:00:01Z"', '"2024-03-01T10:00:00+0100"'),
    ),
    "quantity": (None, "null", "0", "-1", "1.5", "1.0", '"2"', "true", "2147483648", "[1]"),
    "unit_price": (None, "null", "-1", "1.005", "1e400", '"NaN"', '""', '"abc"', '"1,50"', '"1.5 "', "[2]"),
}
WRONG_WHOLE: tuple[Callable[[bytes], bytes | None], ...] = (
    lambda _: None,
    lambda _: b"",
    lambda _: b"null",
    lambda _: b"[]",
    lambda _: b"not JSON",
    lambda value: b"[" + value + b"]",
    lambda value: value[:-1],
    lambda value: value + value,
    lambda value: value + b" 1",
    lambda value: value.replace(b'"event_id":"', b'"event_id":"\xff'),
)


def render(tokens: dict[str, str | None]) -> bytes:
    """Return a message's value built from JSON tokens; None leaves a field out."""
    fields = (f'"{name}":{token}' for name, token in tokens.items() if token is not None)
    return ("{" + ",".join(fields) + "}").encode()


@dataclass
class EventSet:
    """The micro-batches by stream, equally many for each; `offers` is the discounts file."""

    seed: int
    batches: dict[str, list[list[Message]]] = field(default_factory=lambda: {name: [] for name in ORDERS})
    offers: list[Offer] = field(default_factory=list)

    def messages(self, stream: str) -> list[Message]:
        """Return all messages of a stream."""
        return [message for batch in self.batches[stream] for message in batch]


def generate(seed: int, batches: int = 5, size: int = 12) -> EventSet:
    """Return the event set of a seed: `size` messages per stream and batch."""
    random = Random(seed)
    generated = EventSet(seed)
    writers = {name: _Writer(random, seed, name) for name in ORDERS}
    start = FIRST_DAY + timedelta(days=2 * seed)
    for number in range(batches):
        for name, writer in writers.items():
            writer.related = writers[BROWSING if name == PURCHASE else PURCHASE].events
            generated.batches[name].append(writer.batch(start, size))
        start += random.choice((timedelta(0), *STEPS, timedelta(hours=1)))
        if number == batches - 2:
            start += random.choice((timedelta(minutes=5), timedelta(minutes=45), timedelta(hours=2)))
    generated.offers = _offers(random, writers[PRODUCT].events)
    return generated


class _Writer:
    """A writer of one stream's messages that remembers its events for duplicates and for other streams."""

    def __init__(self, random: Random, seed: int, stream: str) -> None:
        self.random, self.seed, self.stream = random, seed, stream
        self.events: list[Event] = []
        self.related: list[Event] = []
        self.latest: list[datetime] = []
        self.offset = 0

    def batch(self, start: datetime, size: int) -> list[Message]:
        messages = [self._message(start, self.offset + number) for number in range(size)]
        self.offset += size
        self.latest.append(max(event.event_time for event in self.events) if self.events else start)
        return messages

    def _message(self, start: datetime, offset: int) -> Message:
        random, kind = self.random, self.random.random()
        again = self.events and kind < 0.12
        event = random.choice(self.events) if again else self._event(start, offset)
        published_at = _up(max(event.event_time, start)) + timedelta(seconds=random.randint(0, 5))
        tokens = self._tokens(event)
        if kind > 0.85:
            return Message(offset, self._wrong(tokens, published_at), published_at)
        if kind > 0.82:
            published_at = _up(event.event_time) - SKEW
        if not again:
            self.events.append(event)
        return Message(offset, render(tokens), published_at)

    def _event(self, start: datetime, offset: int) -> Event:
        random, prefix = self.random, f"s{self.seed}"
        time = self._time(start)
        user, product = f"{prefix}-u{random.randint(1, 3)}", f"{prefix}-p{random.randint(1, 3)}"
        if self.stream != PRODUCT and self.related and random.random() < 0.6:
            other = random.choice(self.related[-12:])
            distance = random.choice((timedelta(0), WITHIN, random.choice(STEPS))) + random.choice(NUDGES)
            sign = 1 if self.stream == PURCHASE else -1
            time, user, product = other.event_time + sign * distance, other.user_id, other.product_id
        number = f"{prefix}-{self.stream[0:2]}{offset}"
        price = Decimal(random.choice(PRICES))
        return Event(number, user, product, time, random.choice((1, 1, 2, 3, 10)), price)

    def _time(self, start: datetime) -> datetime:
        random, kind = self.random, self.random.random()
        if self.latest and kind < 0.15:
            return _cut(random.choice(self.latest)) - DELAY + random.choice(NUDGES)
        if kind < 0.25:
            return start - random.choice(STEPS)
        whole = start.replace(second=0) + random.choice(STEPS)
        if kind < 0.6:
            return whole + random.choice(NUDGES)
        return whole + timedelta(microseconds=random.randint(0, 59_999_999))

    def _tokens(self, event: Event) -> dict[str, str | None]:
        names = (event.event_id, event.user_id, event.product_id)
        tokens: dict[str, str | None] = dict(
            zip(("event_id", "user_id", "product_id"), map(json.dumps, names), strict=True)
        )
        tokens["event_time"] = f'"{written(self.random, event.event_time)}"'
        if ORDERS[self.stream]:
            price = event.unit_price
            forms = (f"{price}", f'"{price}"', f'"{price:.2f}"', f'"{price:.3f}"')
            tokens |= {"quantity": str(event.quantity), "unit_price": self.random.choice(forms)}
        if self.random.random() < 0.2:
            tokens["note"] = '{"user_id":[1,{"event_time":null}]}'
        return tokens

    def _wrong(self, tokens: dict[str, str | None], published_at: datetime) -> bytes | None:
        if self.random.random() < 0.25:
            return self.random.choice(WRONG_WHOLE)(render(tokens))
        fields = [name for name in tokens if name in WRONG_TOKENS]
        name = self.random.choice(fields)
        ahead = f'"{(published_at + SKEW + self.random.choice((TICK, MILLISECOND, WITHIN))).isoformat()}"'
        wrong = self.random.choice((*WRONG_TOKENS[name], *([ahead] * 4 if name == "event_time" else [])))
        return render({**tokens, name: wrong})


def written(random: Random, time: datetime) -> str:
    """Return an instant in one of RFC 3339's spellings."""
    zone = random.choice((timedelta(0), timedelta(0), timedelta(hours=5, minutes=30), -timedelta(hours=8)))
    sign, minutes = "-" if zone < timedelta(0) else "+", abs(zone) // timedelta(minutes=1)
    suffix = random.choice("Zz") if not zone else f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    local = (time + zone).replace(tzinfo=None)
    exact = local.isoformat(sep=random.choice("TTTt"), timespec="microseconds")
    if local.microsecond == 0 and random.random() < 0.5:
        return exact.partition(".")[0] + suffix
    return exact + random.choice(("", "", "000", "999")) + suffix


def _offers(random: Random, orders: list[Event]) -> list[Offer]:
    return [_offer(random, order) for order in random.choices(orders, k=random.randint(1, 8))]


def _offer(random: Random, order: Event) -> Offer:
    start, end = sorted(order.event_time + random.choice(STEPS) * random.choice((-1, 1)) for _ in "ab")
    edge = random.choice(("from", "until", "open", "inside"))
    valid_from = order.event_time if edge == "from" else random.choice((None, start))
    valid_until = order.event_time if edge == "until" else random.choice((None, end))
    if valid_from is not None and valid_until is not None and valid_from >= valid_until:
        valid_from = None
    return Offer(order.user_id, order.product_id, Decimal(random.choice(PERCENTS)), valid_from, valid_until)


def _cut(time: datetime) -> datetime:
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _up(time: datetime) -> datetime:
    """Return the next whole millisecond: brokers keep `published_at` no more precisely."""
    return _cut(time + MILLISECOND - TICK)
