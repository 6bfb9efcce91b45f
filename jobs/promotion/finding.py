"""What a check finds: a reason not to go, or something to know before one goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from jobs.promotion.promotion import Promotion


@dataclass(frozen=True)
class Finding:
    """`what`: the value that is wrong. `why`: what was expected and the reason. `remedy`: what to type."""

    kind: Literal["refused", "warning"]
    what: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}: {self.why}; remedy: {self.remedy}"


Check = Callable[[Promotion, date], Iterator[Finding]]
"""What one rule finds, on a day."""


def refused(what: str, why: str, remedy: str) -> Finding:
    """A reason not to go."""
    return Finding("refused", what, why, remedy)


def warning(what: str, why: str, remedy: str) -> Finding:
    """Something to know."""
    return Finding("warning", what, why, remedy)
