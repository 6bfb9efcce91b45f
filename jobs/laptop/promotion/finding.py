"""The checks of a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

from jobs.laptop.promotion.promotion import Promotion
from sources.google_cloud import Finding

Check = Callable[[Promotion, date], Iterator[Finding]]
"""Yields the findings of one rule on a given day."""
