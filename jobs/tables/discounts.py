"""The users' product discounts, a CSV: `user_id,product_id,discount_percent[,valid_from,valid_until]`."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from pyspark.sql import DataFrame, SparkSession

from jobs.runtime.files import read_bytes
from jobs.runtime.flag import Flag
from jobs.runtime.job import TableError

REQUIRED = ("user_id", "product_id", "discount_percent")
VALIDITY = ("valid_from", "valid_until")
SCHEMA = (
    "user_id string, product_id string, discount_percent decimal(5,2),"
    " valid_from timestamp, valid_until timestamp"
)
BEGINNING, END = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Discount:
    """`percent` off for a user and product from `valid_from` until just before `valid_until`."""

    user_id: str
    product_id: str
    percent: Decimal
    valid_from: datetime = BEGINNING
    valid_until: datetime = END


@dataclass(frozen=True)
class DiscountTable:
    """The discounts; of what `load` gives, at most one is valid at any instant for a user and product."""

    flag: Flag

    def load(self, spark: SparkSession, path: str) -> DataFrame:
        """The discounts as `SCHEMA`, null for an open end of validity; the highest valid percent wins.

        Raises TableError naming file, line and column of the first fault.
        """
        try:
            content = read_bytes(spark, path)
        except OSError as error:
            raise TableError(f"{path}: cannot be read ({error}); --discounts takes the CSV's path") from None
        discounts = [_row(discount) for discount in flatten(parse(content, path))]
        return spark.createDataFrame(discounts, SCHEMA)


DISCOUNTS = DiscountTable(
    Flag(
        "--discounts",
        "data/user_product_discounts.csv",
        "CSV file of the users' product discounts; a change is picked up while the job runs",
        shapes_state=False,
    )
)


def parse(content: bytes, name: str) -> list[Discount]:
    """The rows of a CSV file; raises TableError naming `name`, line and column of the first fault."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableError(f"{name}, line {line}: not UTF-8; save the file as UTF-8") from None
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = _header(next(lines, []), name)
        return [_discount(cells, header, f"{name}, line {lines.line_num}") for cells in lines if cells]
    except csv.Error as error:
        raise TableError(f"{name}, line {lines.line_num}: {error}") from None


def flatten(discounts: Iterable[Discount]) -> Iterator[Discount]:
    """The same discounts as rows of which at most one is valid at any instant for a user and product."""
    groups: dict[tuple[str, str], list[Discount]] = defaultdict(list)
    for discount in discounts:
        groups[discount.user_id, discount.product_id].append(discount)
    for (user_id, product_id), group in groups.items():
        bounds = sorted({bound for row in group for bound in (row.valid_from, row.valid_until)})
        for start, end in pairwise(bounds):
            valid = [row.percent for row in group if row.valid_from <= start and end <= row.valid_until]
            if valid:
                yield Discount(user_id, product_id, max(valid), start, end)


def _header(cells: list[str], name: str) -> list[str]:
    header = [cell.strip() for cell in cells]
    known = (*REQUIRED, *VALIDITY)
    for column in REQUIRED:
        if column not in header:
            raise TableError(f"{name}, line 1: no column {column!r} in {header}; expected {','.join(known)}")
    for column in header:
        if column not in known or header.count(column) > 1:
            raise TableError(
                f"{name}, line 1: unknown or repeated column {column!r}; expected {','.join(known)}"
            )
    return header


def _discount(cells: list[str], header: list[str], place: str) -> Discount:
    if len(cells) != len(header):
        raise TableError(f"{place}: {len(cells)} cells, expected {len(header)}: {','.join(header)}")
    row = {column: cell.strip() for column, cell in zip(header, cells, strict=True)}
    for column in ("user_id", "product_id"):
        if not row[column]:
            raise TableError(f"{place}, column {column}: empty, expected an id")
    start = _time(row.get("valid_from", ""), BEGINNING, f"{place}, column valid_from")
    end = _time(row.get("valid_until", ""), END, f"{place}, column valid_until")
    if start >= end:
        raise TableError(f"{place}, column valid_until: {row['valid_until']} is not after valid_from")
    percent = _percent(row["discount_percent"], f"{place}, column discount_percent")
    return Discount(row["user_id"], row["product_id"], percent, start, end)


def _percent(text: str, place: str) -> Decimal:
    try:
        percent = Decimal(text)
        valid = 0 <= percent <= 100 and percent == round(percent, 2)
    except InvalidOperation:
        valid = False
    if not valid:
        raise TableError(f"{place}: {text!r}, expected a number from 0 to 100 with at most two places")
    return percent


def _time(text: str, default: datetime, place: str) -> datetime:
    if not text:
        return default
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise TableError(
            f"{place}: {text!r}, expected a time with a zone, like 2026-01-31T12:00:00Z, or nothing"
        )
    return time.astimezone(UTC)


def _row(discount: Discount) -> tuple[str, str, Decimal, datetime | None, datetime | None]:
    start = None if discount.valid_from == BEGINNING else discount.valid_from
    end = None if discount.valid_until == END else discount.valid_until
    return discount.user_id, discount.product_id, discount.percent, start, end
