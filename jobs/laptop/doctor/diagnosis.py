"""The result of one check: ok, a fault with its remedy, or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sources.fault import Fault

State = Literal["ok", "fault", "unknown"]


@dataclass(frozen=True)
class Diagnosis:
    """A diagnosis: `found` says what was seen, `remedy` how to fix a fault or to find out an unknown."""

    state: State
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.state:<8}{self.found}" + (f"; remedy: {self.remedy}" if self.remedy else "")


def ok(found: str) -> Diagnosis:
    """Return a diagnosis that needs no action."""
    return Diagnosis("ok", found)


def fault(found: str, remedy: str) -> Diagnosis:
    """Return a diagnosis of something that keeps the product from running."""
    return Diagnosis("fault", found, remedy)


def fault_of(subject: str, found: Fault) -> Diagnosis:
    """Return the diagnosis of a fault in `subject`, which is named before it unless it is empty."""
    expected = f"; expected {found.expected}" if found.expected else ""
    return fault(f"{subject}: {found.problem}{expected}".removeprefix(": "), found.remedy)


def unknown(found: str, remedy: str) -> Diagnosis:
    """Return a diagnosis of something that could not be checked."""
    return Diagnosis("unknown", found, remedy)
