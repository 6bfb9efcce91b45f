"""Popular products to recommend: what people bought after they had looked at it, best first.

Reads browsing-stream and purchase-stream.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.job import Emission, Inputs, Job
from jobs.engine.run import run
from sources.catalog import BROWSING, PURCHASE
from sources.durations import duration
from sources.flags import flag, whole_number

MONEY = "decimal(18,2)"


def transform(
    views: DataFrame,
    purchases: DataFrame,
    window: str = "10 minutes",
    join_within: str = "30 minutes",
    top: int = 10,
) -> DataFrame:
    """Return the `top` products of each tumbling window of purchase time, counting purchases after a view.

    `views`: `event_time timestamp, user_id string, product_id string`; `purchases`: the same and
    `quantity int, unit_price decimal(18,2)`. A purchase counts, once, if the same user viewed the same
    product at the same time or earlier, by at most `join_within`.
    Rows: `window_start timestamp, window_end timestamp, product_id string, purchases bigint, buyers bigint,
    units bigint, revenue decimal(18,2), rank int`; `rank` starts at 1, by purchases and revenue, both
    descending, then by product_id.
    """
    per_product = (
        followed_a_view(purchases, views, join_within)
        .groupBy(F.window("event_time", window), "product_id")
        .agg(
            F.count("*").alias("purchases"),
            F.size(F.collect_set("user_id")).cast("bigint").alias("buyers"),
            F.sum("quantity").alias("units"),
            F.sum(F.col("unit_price") * F.col("quantity")).cast(MONEY).alias("revenue"),
        )
    )
    return ranked(per_product, top).select(
        F.col("window.start").alias("window_start"),
        F.col("window.end").alias("window_end"),
        "product.product_id",
        "product.purchases",
        "product.buyers",
        "product.units",
        "product.revenue",
        (F.col("position") + 1).alias("rank"),
    )


def followed_a_view(purchases: DataFrame, views: DataFrame, within: str) -> DataFrame:
    """Return the purchases that followed a view, each once, however many views preceded it.

    The last condition follows from the others. It makes Spark keep a purchase in state until the watermark is
    `within` past it; otherwise an out-of-order purchase would not be joined with the views of its own batch.
    """
    purchase, view = purchases.alias("purchase"), views.alias("view")
    same_interest = F.expr(
        "purchase.user_id = view.user_id and purchase.product_id = view.product_id"
        " and view.event_time <= purchase.event_time"
        f" and purchase.event_time <= view.event_time + interval {within}"
        f" and view.event_time <= purchase.event_time + interval {within}"
    )
    return purchase.join(view, same_interest, "left_semi")


def ranked(per_product: DataFrame, top: int) -> DataFrame:
    """Return the best products of each `window`: `window, position int` from 0, and `product` with the rest.

    Streaming queries do not support rank functions: an array of a window's products is sorted instead.
    """
    best_first = F.struct(
        (-F.col("purchases")).alias("fewest"),
        (-F.col("revenue")).alias("cheapest"),
        *(name for name in per_product.columns if name != "window"),
    )
    products = F.slice(F.sort_array(F.collect_list(best_first)), 1, top).alias("products")
    windows = per_product.groupBy("window").agg(products)
    return windows.select("window", F.posexplode("products").alias("position", "product"))


@dataclass(frozen=True)
class Options:
    """The job's own options."""

    window: str = flag("length of each window", default="10 minutes", parse=duration)
    join_within: str = flag("longest time from view to purchase", default="30 minutes", parse=duration)
    top: int = flag("number of products to recommend per window", default="10", parse=whole_number)


def _rows(inputs: Inputs[Options]) -> DataFrame:
    options, views, purchases = inputs.options, inputs.events(BROWSING), inputs.events(PURCHASE)
    return transform(views, purchases, options.window, options.join_within, options.top)


JOB = Job(
    name="popular_products_recommendation",
    options=Options,
    streams=lambda _: (BROWSING, PURCHASE),
    rows=_rows,
    key=("window_start", "product_id"),
    emission=lambda options: Emission(options.window, after=options.join_within),
    order=("window_start", "rank"),
    counted=lambda of: followed_a_view(of.events(PURCHASE), of.events(BROWSING), of.options.join_within),
    count="purchases",
    most=lambda options: options.top,
    append_only=lambda _: "two streams joined give final rows only",
)


def main(arguments: list[str] | None = None) -> int:
    """Run the job and return the exit code."""
    return run(JOB, arguments)


if __name__ == "__main__":
    sys.exit(main())
