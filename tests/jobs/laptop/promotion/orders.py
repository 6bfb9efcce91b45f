"""Three orders of one product, a discount, and the single row that results."""

import json

from pyspark.sql import DataFrame

DISCOUNTS = "user_id,product_id,discount_percent\nann,mug,10\n"
ROW = ("12:00", "mug", 2, 1, 3, "25.50", "2.00", "23.50")
"""Window start, product, orders, discounted orders, units, gross, discount, net."""


def _order(name: str, user: str, time: str, quantity: int, price: str) -> tuple[bytes, bytes]:
    event = {"event_id": name, "user_id": user, "product_id": "mug", "event_time": f"2026-01-01T{time}Z"}
    return user.encode(), json.dumps({**event, "quantity": quantity, "unit_price": price}).encode()


ORDERS = (
    _order("a", "ann", "12:00:10", 2, "10.00"),
    _order("b", "bob", "12:00:20", 1, "5.50"),
    # Ends the others' window; its own stays open.
    _order("c", "bob", "12:03:00", 1, "1.00"),
)
"""Keys and values."""


def told(rows: DataFrame) -> list[tuple[object, ...]]:
    """Return the job's rows in the form of `ROW`."""
    money = (f"cast({name} as string)" for name in ("gross_revenue", "discount_amount", "net_revenue"))
    start = "date_format(window_start, 'HH:mm')"
    counted = ("product_id", "orders", "discounted_orders", "units")
    return [tuple(row) for row in rows.selectExpr(start, *counted, *money).collect()]
