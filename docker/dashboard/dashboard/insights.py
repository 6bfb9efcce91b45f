"""Discount insights as the page shows them: totals, bars over time and the newest windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = (
    *("window_start", "window_end", "product_id", "orders", "discounted_orders", "units"),
    *("gross_revenue", "discount_amount", "net_revenue"),
)
MONEY = ("gross_revenue", "discount_amount", "net_revenue")
FINAL, FILLING = "final", "still filling"
OTHERS = "other products"
NET, DISCOUNT = "net revenue", "discount"
MOST_BARS = 90
MOST_SERIES = 8
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440)
"""Numbers of windows that one bar may stand for."""


@dataclass(frozen=True)
class Totals:
    """Sums over the windows shown."""

    orders: int
    gross: Decimal
    discount: Decimal
    net: Decimal


def of_products(rows: pa.Table, products: Sequence[str]) -> pa.Table:
    """Return the rows of these products, or all rows if no product is given."""
    return rows.filter(pc.is_in(rows["product_id"], pa.array(products, pa.string()))) if products else rows


def totals(rows: pa.Table) -> Totals:
    """Return the sums, exact to the cent."""
    sums = [pc.sum(rows[name]).as_py() or Decimal("0.00") for name in MONEY]
    return Totals(pc.sum(rows["orders"]).as_py() or 0, *sums)


def products(rows: pa.Table) -> list[str]:
    """Return the products in the rows, sorted by name."""
    return sorted(pc.unique(rows["product_id"]).to_pylist())


def bars(rows: pa.Table, watermark: datetime | None, span: timedelta) -> pd.DataFrame:
    """Return each product's rows summed over the time of a bar: one window, or several in a long span.

    Columns: `start, end` (UTC), `product_id`, the amounts as numbers, and `state`.
    """
    frame = _frame(rows)
    length = (frame["end"] - frame["start"]).min()
    width = length * next((step for step in STEPS if span / (length * step) <= MOST_BARS), STEPS[-1])
    frame["start"] = frame["start"].dt.floor(width)
    summed = frame.groupby(["start", "product_id"], as_index=False)[list(MONEY)].sum()
    summed.insert(1, "end", summed["start"] + width)
    return _with_state(summed, watermark)


def split(bars: pd.DataFrame) -> tuple[list[str], pd.DataFrame]:
    """Return the gross revenue split into net revenue and discount: the series, and their rows.

    Columns: `start, end, state, series, position, amount`.
    """
    keys = ["start", "end", "state"]
    summed = bars.groupby(keys, as_index=False)[list(MONEY)].sum()
    named = summed.rename(columns={"net_revenue": NET, "discount_amount": DISCOUNT})
    return _placed([NET, DISCOUNT], named.melt(keys, [NET, DISCOUNT], var_name="series", value_name="amount"))


def by_product(bars: pd.DataFrame, measure: str) -> tuple[list[str], pd.DataFrame]:
    """Return one of the amounts by product, the small ones taken together, in the form of `split`."""
    amounts = bars.groupby("product_id")[measure].sum()
    few = len(amounts) <= MOST_SERIES
    large = amounts.nlargest(MOST_SERIES if few else MOST_SERIES - 1).index
    series = bars["product_id"].where(bars["product_id"].isin(large), OTHERS)
    keyed = bars.assign(series=series, amount=bars[measure])
    summed = keyed.groupby(["start", "end", "state", "series"], as_index=False)["amount"].sum()
    return _placed([*sorted(large), *([] if few else [OTHERS])], summed)


def _placed(series: list[str], rows: pd.DataFrame) -> tuple[list[str], pd.DataFrame]:
    return series, rows.assign(position=rows["series"].map(series.index))


def newest(rows: pa.Table, watermark: datetime | None, most: int) -> pd.DataFrame:
    """Return the rows of the newest windows, `most` at most.

    Columns: `start, end`, the other COLUMNS with amounts as numbers, and `state`.
    """
    order = [("window_start", "descending"), ("net_revenue", "descending")]
    return _with_state(_frame(rows.sort_by(order).slice(0, most)), watermark)


def _frame(rows: pa.Table) -> pd.DataFrame:
    for name in MONEY:
        rows = rows.set_column(rows.column_names.index(name), name, pc.cast(rows[name], pa.float64()))
    frame = rows.to_pandas().rename(columns={"window_start": "start", "window_end": "end"})
    return frame.round(dict.fromkeys(MONEY, 2))  # Arrow turns 3.28 into 3.2800000000000002


def _with_state(frame: pd.DataFrame, watermark: datetime | None) -> pd.DataFrame:
    final = frame["end"] <= watermark if watermark else pd.Series(False, index=frame.index)
    return frame.assign(state=final.map({True: FINAL, False: FILLING}))
