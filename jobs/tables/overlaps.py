"""Overlapping validities, resolved by Spark: at any instant, the highest percent of a user and product."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from jobs.tables.discounts_csv import IDS

# From each bound of the offers to the next: the highest percent of the offers that are valid there.
BOUNDS = "sort_array(array_distinct(concat(offers.starts, offers.ends)))"
PIECES = """
filter(
    transform(
        slice(bounds, 1, size(bounds) - 1),
        (start, at) -> named_struct(
            'percent', array_max(transform(
                filter(offers, offer -> offer.starts <= start and bounds[at + 1] <= offer.ends),
                offer -> offer.percent
            )),
            'starts', start,
            'ends', bounds[at + 1]
        )
    ),
    piece -> piece.percent is not null
)
"""


def without_overlaps(rows: DataFrame) -> DataFrame:
    """Return `PLAIN` rows of which at most one is valid at any instant, in the partitions of `rows`.

    `rows` are partitioned by user and product. Most rows do not overlap with any other and are passed on as
    they are; the first of a user and product's other rows stands for all of them.
    """
    all_of_key = Window.partitionBy(*IDS)
    by_start = all_of_key.orderBy("starts")
    so_far = by_start.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    before = by_start.rowsBetween(Window.unboundedPreceding, -1)
    overlaps = (F.max("ends").over(before) > F.col("starts")) | (
        F.lead("starts").over(by_start) < F.max("ends").over(so_far)
    )
    marked = rows.withColumn("overlaps", F.coalesce(overlaps, F.lit(False)))
    offer = F.struct("percent", "starts", "ends")
    placed = marked.select(
        "*",
        F.count(F.when(F.col("overlaps"), 1)).over(so_far).alias("nth"),
        F.collect_list(F.when(F.col("overlaps"), offer)).over(all_of_key).alias("offers"),
    )
    stands_for_all = F.col("overlaps") & (F.col("nth") == 1)
    bounded = placed.withColumn("bounds", F.when(stands_for_all, F.expr(BOUNDS)))
    pieces = F.when(~F.col("overlaps"), F.array(offer)).when(stands_for_all, F.expr(PIECES))
    return bounded.select(*IDS, F.inline(pieces))
