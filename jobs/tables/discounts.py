"""The users' product discounts, which `discounts_csv` reads, as a frame."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.runtime.files import read_bytes
from jobs.runtime.flag import Flag
from jobs.runtime.job import TableError
from jobs.tables.discounts_csv import BEGINNING, END, Discount, flatten, parse
from jobs.tables.local_rows import local_rows
from sources.instants import EPOCH

SCHEMA = (
    "user_id string, product_id string, discount_percent decimal(5,2),"
    " valid_from timestamp, valid_until timestamp"
)
PLAIN = "user_id string, product_id string, percent string, from_micros bigint, until_micros bigint"
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class DiscountTable:
    """The discounts; of what `load` gives, at most one is valid at any instant for a user and product."""

    flag: Flag

    def load(self, spark: SparkSession, path: str) -> DataFrame:
        """Return the discounts as `SCHEMA`, null for an open end of validity; the highest valid percent wins.

        Raises TableError naming file, line and column of the first fault.
        """
        try:
            content = read_bytes(spark, path)
        except OSError as error:
            raise TableError(f"{path}: cannot be read ({error}); --discounts takes the CSV's path") from None
        plain = local_rows(spark, map(_plain, flatten(parse(content, path))), PLAIN)
        return plain.select(
            "user_id",
            "product_id",
            F.col("percent").cast("decimal(5,2)").alias("discount_percent"),
            F.timestamp_micros("from_micros").alias("valid_from"),
            F.timestamp_micros("until_micros").alias("valid_until"),
        )


DISCOUNTS = DiscountTable(
    Flag(
        "--discounts",
        "data/user_product_discounts.csv",
        "CSV file of the users' product discounts; a change is picked up while the job runs",
        shapes_state=False,
    )
)


def _plain(discount: Discount) -> tuple[str, str, str, int | None, int | None]:
    return (
        discount.user_id,
        discount.product_id,
        f"{discount.percent:f}",
        _micros(discount.valid_from),
        _micros(discount.valid_until),
    )


def _micros(bound: datetime) -> int | None:
    return None if bound in (BEGINNING, END) else (bound - EPOCH) // MICROSECOND
