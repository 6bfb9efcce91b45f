"""The jobs' expected results in plain Python: written from the contracts, without `jobs` or `sources`.

This file covers one message read as an event or as wrong, duplicates, discounts, and the rows of the three
jobs over events that count. `streaming_reference` says which events count in a stream, and when rows come
out.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CENT = Decimal("0.01")
RFC_3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-](?:0[0-9]|1[0-7]):[0-5][0-9]|[+-]18:00)"
)
SURROGATE = re.compile("[\ud800-\udfff]")
PLAIN_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
BEFORE_ALL, AFTER_ALL = (one.replace(tzinfo=UTC) for one in (datetime.min, datetime.max))
BLANKS = " \t\r\n"
SINGLE_QUOTE = re.compile(r"[{[,:][ \t\r\n]*'")
ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Message:
    """A message as a broker keeps it; `offset` identifies it within its stream."""

    offset: int
    value: bytes | None
    published_at: datetime


@dataclass(frozen=True)
class Event:
    """One valid event; only an order has the last two fields."""

    event_id: str
    user_id: str
    product_id: str
    event_time: datetime
    quantity: int = 0
    unit_price: Decimal = Decimal(0)


@dataclass(frozen=True)
class Wrong:
    """A message that is not an event, and every field at fault; `value` is the message as a whole.

    `kind`: what is wrong with the first of them, in the words of the dead letter's reason.
    """

    fields: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Offer:
    """A line of the discounts file; None is an open end."""

    user_id: str
    product_id: str
    percent: Decimal
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def covers(self, event: Event) -> bool:
        """Return whether this discount may apply to the event; the end of the validity is outside of it."""
        return (
            (self.user_id, self.product_id) == (event.user_id, event.product_id)
            and (self.valid_from is None or self.valid_from <= event.event_time)
            and (self.valid_until is None or event.event_time < self.valid_until)
        )


# --- one message ------------------------------------------------------------------------------------------


def read(message: Message, *, orders: bool, skew: timedelta, now: datetime) -> Event | Wrong:
    """Return the event in a message, or what is wrong with it."""
    fields = _object(message.value)
    if fields is None:
        return Wrong(("value",), _kind_of_value(message.value))
    names = {name: _name(fields.get(name)) for name in ("event_id", "user_id", "product_id")}
    time = _time(fields.get("event_time"))
    if time is not None and not EPOCH <= time <= min(message.published_at, now) + skew:
        time = None
    quantity, price = _quantity(fields.get("quantity")), _price(fields.get("unit_price"))
    if orders and quantity is not None and price is not None and quantity * price >= 10**13:
        quantity = None
    order = {"quantity": quantity, "unit_price": price} if orders else {}
    found = {**names, "event_time": time, **order}
    wrong = tuple(name for name, value in found.items() if value is None)
    return Wrong(wrong, _kind(wrong[0], fields, skew)) if wrong else Event(**found)  # type: ignore[arg-type]


def _object(value: bytes | None) -> dict[str, Any] | None:
    try:
        text = (value or b"").decode("utf-8")
        fields = json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _no_number(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _name(value: object) -> str | None:
    if not isinstance(value, str) or SURROGATE.search(value):
        return None
    return value if 1 <= len(value.encode()) <= 1024 else None


def _time(value: object) -> datetime | None:
    parts = RFC_3339.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        return None
    day, clock, fraction, zone = parts.groups()
    microseconds = ((fraction or "") + "000000")[:6]
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{microseconds}{zone.upper()}").astimezone(UTC)
    except ValueError:
        return None
    except OverflowError:
        return BEFORE_ALL if day.startswith("0001") else AFTER_ALL


def _quantity(value: object) -> int | None:
    return value if type(value) is int and 1 <= value < 2**31 else None


def _price(value: object) -> Decimal | None:
    price = _decimal(value)
    if price is None or not 0 <= price < 10**16:
        return None
    return price if price == price.quantize(CENT) else None


def _decimal(value: object) -> Decimal | None:
    if isinstance(value, str):
        return Decimal(value) if PLAIN_DECIMAL.fullmatch(value) else None
    return Decimal(value) if type(value) is int or isinstance(value, Decimal) else None


# --- why a message is wrong -------------------------------------------------------------------------------


def _kind(name: str, fields: dict[str, Any], skew: timedelta) -> str:
    """Return what is wrong with a field that is known to be wrong."""
    value = fields.get(name)
    if value is None:
        return f"{name} is {'null' if name in fields else 'missing'}"
    if name == "event_time":
        return _kind_of_time(value, skew)
    if name == "quantity":
        return _kind_of_quantity(value)
    if name == "unit_price":
        return _kind_of_price(_decimal(value))
    if not isinstance(value, str):
        return f"{name} is not a string"
    if SURROGATE.search(value):
        return f"{name} has half of a surrogate pair"
    return f"{name} is longer than 1,024 bytes of UTF-8" if value else f"{name} is empty"


def _kind_of_time(value: object, skew: timedelta) -> str:
    time = _time(value)
    if time is None:
        return "event_time is not an RFC 3339 time with a zone, like 2026-01-31T12:00:00Z"
    early = "event_time is before 1970"
    return early if time < EPOCH else f"event_time is more than {skew} ahead of published_at"


def _kind_of_quantity(value: object) -> str:
    if type(value) is not int:
        return "quantity is not an integer"
    if value < 1:
        return "quantity is below 1"
    if value >= 2**31:
        return "quantity is above 2147483647"
    return "quantity * unit_price is not below 10,000,000,000,000"


def _kind_of_price(price: Decimal | None) -> str:
    if price is None:
        return "unit_price is not a decimal"
    if price < 0:
        return "unit_price is below 0"
    return "unit_price is too large" if price >= 10**16 else "unit_price has more than 2 places"


def _kind_of_value(value: bytes | None) -> str:
    """Return what a message is instead of one JSON object in UTF-8."""
    if value is None:
        return "value is null (a tombstone)"
    if value[:2] == b"\x1f\x8b":
        return "value is not UTF-8 (gzip)"
    if value[:4] == b"\x28\xb5\x2f\xfd":
        return "value is not UTF-8 (zstd)"
    zeros = [byte == 0 for byte in value[:4]]
    if value[:2] in (b"\xff\xfe", b"\xfe\xff") or zeros in ([False, True] * 2, [True, False] * 2):
        return "value is not UTF-8 (UTF-16)"
    if value[:1] == b"\0" and value[5:6] == b"{":
        return "value is not one JSON object (a schema registry's 5 bytes before it)"
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return "value is not UTF-8"
    return f"value is not one JSON object ({_instead(text)})"


def _instead(text: str) -> str:
    if text.startswith("\ufeff"):
        return "a byte order mark before it"
    bare = text.strip(BLANKS)
    if not bare:
        return "blank" if text else "empty"
    found = _first(bare)
    if found is None:
        return _why_nothing_is_found(bare) if bare.startswith("{") else "not JSON"
    first, rest = found
    if isinstance(first, dict):
        return "several objects" if rest.removeprefix(",").strip(BLANKS)[:1] == "{" else "something behind it"
    if isinstance(first, list):
        return "an array"
    if isinstance(first, str):
        return "a string that holds JSON" if first.strip(BLANKS)[:1] in ("{", "[") else "a string"
    if rest:
        return "not JSON"
    return "true, false or null" if first is None or isinstance(first, bool) else "a number"


def _why_nothing_is_found(text: str) -> str:
    if _first(text, strict=False):
        return "a raw control character in a string"
    # Another character in the place of each escape: valid in a string, and nowhere else.
    replaced = ESCAPE.sub(lambda escape: "?" if escape[1] == "u" else escape[0], text)
    if _first(replaced):
        return "an escape that JSON does not know"
    return "single quotes" if SINGLE_QUOTE.search(text) else "not JSON"


def _first(text: str, *, strict: bool = True) -> tuple[object, str] | None:
    """Return the JSON value that a text begins with, and what follows it; None if there is none."""
    try:
        decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_number, strict=strict)
        value, end = decoder.raw_decode(text)
    except ValueError:
        return None
    return value, text[end:].strip(BLANKS)


# --- what counts in a batch -------------------------------------------------------------------------------


def once(events: Iterable[Event]) -> list[Event]:
    """Return the events, each `event_id` once."""
    return list({event.event_id: event for event in reversed(list(events))}.values())


# --- windows ----------------------------------------------------------------------------------------------


def windows(time: datetime, length: timedelta, slide: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Yield the windows that hold an instant, aligned to the epoch; the start is inside, the end is not."""
    start = EPOCH + (time - EPOCH) // slide * slide
    while time < start + length:
        yield start, start + length
        start -= slide


def sessions(times: Iterable[datetime], gap: timedelta) -> Iterator[tuple[datetime, datetime, int]]:
    """Yield start, end and size of one key's sessions; an event exactly at a session's end is still in it."""
    start = end = None
    size = 0
    for time in sorted(times):
        if start is None or end is None or time > end:
            if start is not None and end is not None:
                yield start, end, size
            start, size = time, 0
        end, size = time + gap, size + 1
    if start is not None and end is not None:
        yield start, end, size


# --- rows of the jobs -------------------------------------------------------------------------------------


def product_discounts(orders: Iterable[Event], offers: Sequence[Offer], length: timedelta) -> list[Row]:
    """Return the discounts job's rows over orders that count."""
    groups: dict[Row, list[tuple[Event, Decimal, Decimal]]] = defaultdict(list)
    for order in orders:
        percent = max((offer.percent for offer in offers if offer.covers(order)), default=Decimal(0))
        gross = order.quantity * order.unit_price
        discount = (gross * percent / 100).quantize(CENT, ROUND_HALF_UP)
        for window in windows(order.event_time, length, length):
            groups[*window, order.product_id].append((order, percent, discount))
    return sorted((*key, *_insights(priced)) for key, priced in groups.items())


def _insights(priced: list[tuple[Event, Decimal, Decimal]]) -> Row:
    gross = sum((order.quantity * order.unit_price for order, _, _ in priced), Decimal(0))
    discount = sum((discount for _, _, discount in priced), Decimal(0))
    discounted = sum(percent > 0 for _, percent, _ in priced)
    units = sum(order.quantity for order, _, _ in priced)
    return len(priced), discounted, units, gross, discount, gross - discount


def popular_products(purchases: Iterable[Event], length: timedelta, top: int) -> list[Row]:
    """Return the recommendations job's rows over purchases that followed a view."""
    groups: dict[Row, dict[str, list[Event]]] = defaultdict(lambda: defaultdict(list))
    for purchase in purchases:
        for window in windows(purchase.event_time, length, length):
            groups[window][purchase.product_id].append(purchase)
    return sorted(
        (*window, *product, rank)
        for window, products in groups.items()
        for rank, product in enumerate(sorted(map(_sales, products.values()), key=_best_first)[:top], 1)
    )


def followed(purchase: Event, view: Event, within: timedelta) -> bool:
    """Return whether the user viewed the product up to `within` before buying it; both ends count."""
    same = (purchase.user_id, purchase.product_id) == (view.user_id, view.product_id)
    return same and view.event_time <= purchase.event_time <= view.event_time + within


def _sales(purchases: list[Event]) -> Row:
    revenue = sum((purchase.quantity * purchase.unit_price for purchase in purchases), Decimal(0))
    buyers = len({purchase.user_id for purchase in purchases})
    units = sum(purchase.quantity for purchase in purchases)
    return purchases[0].product_id, len(purchases), buyers, units, revenue


def _best_first(product: Row) -> Row:
    product_id, purchases, _, _, revenue = product
    return -purchases, -revenue, product_id


def activity(events: Iterable[Event], length: timedelta, slide: timedelta) -> list[Row]:
    """Return the activity job's rows with tumbling (`slide` = `length`) or sliding windows."""
    return _counted(
        (*window, event.product_id) for event in events for window in windows(event.event_time, length, slide)
    )


def session_activity(events: Iterable[Event], gap: timedelta) -> list[Row]:
    """Return the activity job's rows with session windows."""
    times: dict[str, list[datetime]] = defaultdict(list)
    for event in events:
        times[event.user_id].append(event.event_time)
    return sorted(
        (start, end, user, size)
        for user, of_user in times.items()
        for start, end, size in sessions(of_user, gap)
    )


def _counted(keys: Iterable[Row]) -> list[Row]:
    counts: dict[Row, int] = defaultdict(int)
    for key in keys:
        counts[key] += 1
    return sorted((*key, count) for key, count in counts.items())
