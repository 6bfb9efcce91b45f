"""Job output written by hand: a table's version, a line of progress, a batch of dead letters."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from dashboard.job_progress import Batch

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MONEY = pa.decimal128(18, 2)
INSIGHTS = pa.schema(
    [
        *(pa.field(name, pa.timestamp("us", "UTC")) for name in ("window_start", "window_end")),
        pa.field("product_id", pa.string()),
        *(pa.field(name, pa.int64()) for name in ("orders", "discounted_orders", "units")),
        *(pa.field(name, MONEY) for name in ("gross_revenue", "discount_amount", "net_revenue")),
    ]
)


def minute(minutes: float) -> datetime:
    """Return the instant `minutes` minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def insight(
    start: float, product: str = "mug", gross: str = "10.00", discount: str = "1.00"
) -> dict[str, Any]:
    """Return one order's row of the window that starts `start` minutes after noon."""
    amounts = {"gross_revenue": Decimal(gross), "discount_amount": Decimal(discount)}
    return {
        "window_start": minute(start),
        "window_end": minute(start + 1),
        "product_id": product,
        **{"orders": 1, "discounted_orders": 1, "units": 2},
        **amounts,
        "net_revenue": Decimal(gross) - Decimal(discount),
    }


def insights(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), INSIGHTS)


def append(folder: Path, *rows: dict[str, Any]) -> None:
    """Write the rows as the next version of the Delta table, in one file."""
    write_deltalake(folder, insights(*rows), mode="append")


def line(batch: int, **fields: object) -> str:
    """Return a line of a progress file."""
    figures = {"in": 10, "out": 1, "late": 0, "dead": 0, "state_rows": 5, "seconds": 0.5}
    times = {"time": "2026-01-01T13:00:00Z", "watermark": None, "newest": None}
    return json.dumps({**times, "batch": batch, **figures, "waiting": None, **fields}) + "\n"


def batch(number: int, **fields: Any) -> Batch:
    figures: dict[str, Any] = {
        **{"time": minute(60), "rows_in": 10, "rows_out": 1, "late": 0, "dead": 0, "state_rows": 5},
        **{"seconds": 0.5, "watermark": None, "newest": None, "waiting": None},
    }
    return Batch(number=number, **{**figures, **fields})


def letters(folder: Path, batch: int, *lines: dict[str, Any], job: str = "job", done: bool = True) -> Path:
    """Write a batch's folder of dead letters as Spark does."""
    written = folder / job / "kafka" / "checkpoint" / f"batch={batch}"
    written.mkdir(parents=True)
    (written / "part-00000.txt").write_text("".join(json.dumps(one) + "\n" for one in lines))
    if done:
        (written / "_SUCCESS").touch()
    return written


def letter(reason: str, offset: int = 0, value: str = "{}") -> dict[str, Any]:
    return {
        **{"reason": reason, "stream": "product-stream", "partition": 1, "offset": offset, "value": value},
        "published_at": "2026-01-01T12:00:00.000000Z",
    }
