"""The rows that the stack should show: everything published, put through the plain-Python reference."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sources.kafka.options import KafkaOptions
from tests.containers.stack import CHECKOUT
from tests.support.reference import (
    EPOCH,
    Event,
    Message,
    Offer,
    Row,
    Wrong,
    followed,
    once,
    popular_products,
    product_discounts,
    read,
)
from tests.support.topic import stored


def messages(bootstrap: str, topic: str) -> list[Message]:
    """Return everything in a topic up to its current end."""
    return [
        Message(record.offset, record.value, EPOCH + timedelta(milliseconds=record.timestamp))
        for record in stored(bootstrap, topic)
    ]


def events(bootstrap: str, stream: str, skew: timedelta) -> list[Event]:
    """Return the stream's valid events, each once."""
    return valid(messages(bootstrap, f"{stream}-topic"), stream, skew)


def valid(published: Iterable[Message], stream: str, skew: timedelta) -> list[Event]:
    """Return the valid events among a stream's messages, each once."""
    now, orders = datetime.now(UTC), stream != "browsing-stream"
    judged = (read(message, orders=orders, skew=skew, now=now) for message in published)
    return once(one for one in judged if not isinstance(one, Wrong))


def options(bootstrap: str) -> KafkaOptions:
    """Return the options of `--source kafka` for this broker."""
    return KafkaOptions(bootstrap)


def discounts(orders: Iterable[Event], length: timedelta) -> list[Row]:
    """Return the discounts job's rows over these orders and the repository's CSV."""
    return product_discounts(orders, offers(), length)


def recommendations(
    purchases: Iterable[Event], views: Iterable[Event], length: timedelta, within: timedelta, until: datetime
) -> list[Row]:
    """Return the recommendations job's rows of the windows that end by `until`."""
    seen: dict[tuple[str, str], list[Event]] = {}
    for view in views:
        seen.setdefault((view.user_id, view.product_id), []).append(view)
    bought = [
        purchase
        for purchase in purchases
        if any(
            followed(purchase, view, within) for view in seen.get((purchase.user_id, purchase.product_id), ())
        )
    ]
    return [row for row in popular_products(bought, length, 10) if row[1] <= until]


def offers() -> list[Offer]:
    """Return the discounts in the CSV."""
    with (CHECKOUT / "data" / "user_product_discounts.csv").open() as file:
        return [
            Offer(
                line["user_id"],
                line["product_id"],
                Decimal(line["discount_percent"]),
                _time(line.get("valid_from")),
                _time(line.get("valid_until")),
            )
            for line in csv.DictReader(file)
        ]


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
