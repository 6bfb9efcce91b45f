"""The discounts' CSV, `user_id,product_id,discount_percent[,valid_from,valid_until]`, read line by line.

Columns may be in any order. A cell may be quoted and ends on its line. Ids are taken verbatim, including
blanks, because events have them that way; blanks around other cells are ignored.
"""

from __future__ import annotations

import csv
import re
from codecs import BOM_UTF8
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

from jobs.engine.job import TableError
from sources import instants

IDS = ("user_id", "product_id")
REQUIRED = (*IDS, "discount_percent")
VALIDITY = ("valid_from", "valid_until")
BLANKS = " \t"
PERCENT = r"(100(\.0+)?|[0-9]{1,2}(\.[0-9]{1,2}0*)?)"
LONGEST_ID = 1024
"""Bytes of UTF-8."""
BEGINNING, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Discount:
    """A discount of `percent` for a user and product, from `valid_from` until just before `valid_until`."""

    user_id: str
    product_id: str
    percent: Decimal
    valid_from: datetime = BEGINNING
    valid_until: datetime = END


def parse(content: bytes, name: str) -> list[Discount]:
    """Return a file's discounts; raise TableError for the first error, naming `name`, line and column."""
    first, *lines = content.removeprefix(BOM_UTF8).splitlines() or [b""]
    columns = header(first, name)
    return [discount(line, columns, f"{name}, line {number}") for number, line in enumerate(lines, 2) if line]


def header(line: bytes, name: str) -> list[str]:
    """Return the columns that the first line names; raise TableError if one is unknown or missing."""
    place = f"{name}, line 1"
    columns = [cell.strip(BLANKS) for cell in _cells(line, place)]
    known = (*REQUIRED, *VALIDITY)
    for column in REQUIRED:
        if column not in columns:
            raise TableError(
                f"{place}: no column {column!r} in {_shown(','.join(columns))}",
                expected=",".join(known),
            )
    for column in columns:
        if column not in known or columns.count(column) > 1:
            raise TableError(
                f"{place}: unknown or repeated column {_shown(column)}",
                expected=",".join(known),
            )
    return columns


def discount(line: bytes, columns: list[str], place: str) -> Discount:
    """Return a line's discount; raise TableError for its first error, naming `place` and the column."""
    cells = _cells(line, place)
    if len(cells) != len(columns):
        raise TableError(f"{place}: {len(cells)} cells, expected {len(columns)}: {','.join(columns)}")
    row = {
        column: cell if column in IDS else cell.strip(BLANKS)
        for column, cell in zip(columns, cells, strict=True)
    }
    for column in IDS:
        _check_id(row[column], f"{place}, column {column}")
    start = _time(row.get("valid_from", ""), BEGINNING, f"{place}, column valid_from")
    end = _time(row.get("valid_until", ""), END, f"{place}, column valid_until")
    if start >= end:
        until = row.get("valid_until", "")
        raise TableError(f"{place}, column valid_until: {_shown(until)} is not after valid_from")
    percent = _percent(row["discount_percent"], f"{place}, column discount_percent")
    return Discount(row["user_id"], row["product_id"], percent, start, end)


def flatten(discounts: Iterable[Discount]) -> Iterator[Discount]:
    """Yield the discounts split so that at most one is valid at any instant per user and product.

    If several are valid, the highest percent wins.
    """
    groups: dict[tuple[str, str], list[Discount]] = defaultdict(list)
    for discount in discounts:
        groups[discount.user_id, discount.product_id].append(discount)
    for (user_id, product_id), group in groups.items():
        bounds = sorted({bound for row in group for bound in (row.valid_from, row.valid_until)})
        for start, end in pairwise(bounds):
            valid = [row.percent for row in group if row.valid_from <= start and end <= row.valid_until]
            if valid:
                yield Discount(user_id, product_id, max(valid), start, end)


def _cells(line: bytes, place: str) -> list[str]:
    try:
        return next(csv.reader([line.decode()], strict=True), [])
    except UnicodeDecodeError:
        raise TableError(f"{place}: not UTF-8; save the file as UTF-8") from None
    except csv.Error as error:
        raise TableError(
            f"{place}: {error}",
            expected='cells without line breaks, quoted like "Anna ""Ann"" Lee"',
        ) from None


def _check_id(text: str, place: str) -> None:
    if not text:
        raise TableError(f"{place}: empty, expected an id")
    if (size := len(text.encode())) > LONGEST_ID:
        raise TableError(f"{place}: an id of {size:,} bytes of UTF-8, expected at most {LONGEST_ID:,}")


def _percent(text: str, place: str) -> Decimal:
    if not re.fullmatch(PERCENT, text):
        raise TableError(
            f"{place}: {_shown(text)}, expected a number from 0 to 100 with at most two places, like 12.5"
        )
    return Decimal(text)


def _time(text: str, default: datetime, place: str) -> datetime:
    if not text:
        return default
    try:
        return instants.parse(text)
    except (ValueError, OverflowError):
        raise TableError(
            f"{place}: {_shown(text)}, expected a time with a zone, like 2026-01-31T12:00:00Z, or nothing"
        ) from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
