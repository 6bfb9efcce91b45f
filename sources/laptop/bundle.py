"""Regenerate the bundled events and discounts: the same bytes every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from sources.catalog import STREAMS
from sources.flags import flag, options
from sources.laptop import shop
from sources.laptop.products import discounts_csv
from sources.laptop.progress import Progress
from sources.replay.files import SUFFIX
from sources.replay.options import BUNDLED
from sources.replay.publishing import ReplayPublisher

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
SEED = 6
VISITS_PER_MINUTE = 18


@dataclass(frozen=True)
class BundleOptions:
    """Where the bundled events go."""

    directory: Path = flag("directory to write to", default=str(BUNDLED.parent), parse=Path)


def command(argv: Sequence[str]) -> int:
    """Run `twinstream bundle`; return 0 once all files are written."""
    write(options(BundleOptions, argv, prog="twinstream bundle", description=__doc__).directory)
    return 0


def write(directory: Path) -> None:
    """Replace the bundled files in `directory` with new ones."""
    progress = Progress("bundled")
    for old in (file for name in STREAMS for file in (directory / "replay" / name).glob(f"*{SUFFIX}")):
        old.unlink()
    random = Random(SEED)  # noqa: S311 - made-up events need repeatable randomness, not secrecy
    now = START
    publisher = ReplayPublisher(directory / "replay", clock=lambda: now)
    for batch in [*shop.day(random, START, VISITS_PER_MINUTE), shop.closing(random, START)]:
        for arrival in batch:
            now = arrival.at
            publisher.publish([arrival.message], progress.acknowledge)
            progress.add(1)
        publisher.flush()
    (directory / "user_product_discounts.csv").write_text(discounts_csv())
    progress.finish(f"in {directory}")
