"""The findings of checks: reasons not to proceed, or things to know before proceeding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from jobs.laptop.promotion.promotion import Promotion


@dataclass(frozen=True)
class Finding:
    """A finding of a check.

    `what`: the value that is wrong. `why`: what was expected and the reason. `remedy`: what to type.
    """

    kind: Literal["refused", "warning"]
    what: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}: {self.why}; remedy: {self.remedy}"


Check = Callable[[Promotion, date], Iterator[Finding]]
"""Yields the findings of one rule on a given day."""


def refused(what: str, why: str, remedy: str) -> Finding:
    """Return a finding that is a reason not to proceed."""
    return Finding("refused", what, why, remedy)


def warning(what: str, why: str, remedy: str) -> Finding:
    """Return a finding that is only worth knowing."""
    return Finding("warning", what, why, remedy)
