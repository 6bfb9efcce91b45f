"""The folders in which the jobs write what the page shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

DISCOUNTS = "streaming_product_discounts"
POPULAR = "popular_products_recommendation"

SERVICES = {DISCOUNTS: "discounts", POPULAR: "recommendations"}
"""The jobs that the page expects, with their services in docker-compose.yml."""


@dataclass(frozen=True)
class Places:
    """Folders on this machine; none of them needs to exist yet."""

    results: Path
    """A Delta table per job, named after the job."""
    progress: Path
    """The folder in the jobs' `--progress-dir`."""
    dead_letters: Path
    """The folder in the jobs' `--dead-letter-dir`."""

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Return the folders that TWINSTREAM_RESULTS, _PROGRESS_DIR and _DEAD_LETTER_DIR name."""
        return cls(
            Path(environment.get("TWINSTREAM_RESULTS", ".results")),
            Path(environment.get("TWINSTREAM_PROGRESS_DIR", ".progress")),
            Path(environment.get("TWINSTREAM_DEAD_LETTER_DIR", ".dead-letters")),
        )
