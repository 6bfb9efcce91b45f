"""`--replay-dir`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sources.choice import OwnOptions
from sources.flags import flag

BUNDLED = Path(__file__).parents[2] / "data" / "replay"
"""The events of the checkout; a cluster does not have them."""


@dataclass(frozen=True)
class ReplayOptions(OwnOptions):
    """The options of replay files."""

    replay_dir: Path | None = flag(
        "directory of the replay files, STREAM/NNNN.jsonl",
        default=str(BUNDLED) if BUNDLED.is_dir() else None,
        parse=Path,
    )
