"""One thing that was looked at: well, a fault with its remedy, or not to be told here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "fault", "unknown"]


@dataclass(frozen=True)
class Diagnosis:
    """`found` is what was seen; `remedy` what to do about a fault, or how to make the unknown known."""

    state: State
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.state:<8}{self.found}" + (f"; remedy: {self.remedy}" if self.remedy else "")


def ok(found: str) -> Diagnosis:
    """Nothing to do."""
    return Diagnosis("ok", found)


def fault(found: str, remedy: str) -> Diagnosis:
    """Something that keeps the product from running."""
    return Diagnosis("fault", found, remedy)


def unknown(found: str, remedy: str) -> Diagnosis:
    """Something that could not be looked at."""
    return Diagnosis("unknown", found, remedy)
