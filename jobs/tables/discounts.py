"""The users' product discounts, in the format of `discounts_csv`, as a frame."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from jobs.engine.files import read_bytes, version
from jobs.engine.job import TableError
from jobs.tables import large_discounts
from jobs.tables.discount_rows import literal, timed
from jobs.tables.discounts_csv import flatten, parse
from sources.flags import Flag


@dataclass(frozen=True)
class DiscountTable:
    """The discounts; of those that `load` returns, at most one is valid at any instant per user and product.

    A file of more than `literal_bytes` is read by Spark in parallel, and Spark keeps its rows.
    """

    flag: Flag
    literal_bytes: int = 2**20

    def load(self, spark: SparkSession, path: str) -> DataFrame:
        """Return the discounts as `SCHEMA`, null for an open end of validity; the highest valid percent wins.

        Raise TableError for the first error; it names file, line and column.
        """
        _, size = version(spark, path) or (0, 0)
        try:
            if size > self.literal_bytes:
                return large_discounts.load(spark, path, size)
            content = read_bytes(spark, path)
        except OSError as error:
            raise TableError(f"{path}: cannot be read ({error}); --discounts takes the CSV's path") from None
        return timed(literal(spark, flatten(parse(content, path))))


DISCOUNTS = DiscountTable(
    Flag(
        "--discounts",
        "CSV file of discounts by user and product, reloaded when it changes",
        "data/user_product_discounts.csv",
    )
)
