"""Dead letters as jobs keep them, written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DISCOUNTS, ACTIVITY = "streaming_product_discounts", "product_activity_windows"


def line(offset: int, value: str | None = "{}", reason: Any = "quantity is below 1: -3", **more: Any) -> str:
    """Return a line of `jobs/engine/dead_letters.py`, which leaves out nulls; `more` changes fields."""
    fields = {
        **{"reason": reason, "stream": "product-stream", "partition": 0, "offset": offset},
        **{"key": "ann", "value": value, "attributes_base64": {"trace": ["MQ=="]}},
        **{"published_at": "2026-01-01T12:00:00.500000Z", "event_at": "2026-01-01T11:59:59.123000Z"},
        **more,
    }
    return json.dumps({name: field for name, field in fields.items() if field is not None})


def keep(
    folder: Path, batch: str, *lines: str, of: str = f"{DISCOUNTS}/replay/4f6c", ended: bool = True
) -> Path:
    """Write a batch of dead letters below `--dead-letter-dir`, with JOB/SOURCE/APPLICATION in `of`."""
    kept = folder / of / f"batch={batch}"
    kept.mkdir(parents=True)
    (kept / "part-00000.txt").write_text("".join(f"{one}\n" for one in lines))
    if ended:
        (kept / "_SUCCESS").touch()
    return kept
