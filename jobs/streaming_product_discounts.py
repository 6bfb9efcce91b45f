"""Discount insights: how much of each product's orders was discounted, and what that cost, minute by minute.

Reads product-stream and the static discounts.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.engine.job import Emission, Inputs, Job
from jobs.engine.run import run
from jobs.tables.discounts import DISCOUNTS
from sources.catalog import PRODUCT
from sources.durations import duration
from sources.flags import flag

MONEY = "decimal(18,2)"


def transform(orders: DataFrame, discounts: DataFrame, window: str = "1 minute") -> DataFrame:
    """Compute discount insights per product and tumbling window of event time.

    `orders`: `event_time timestamp, user_id string, product_id string, quantity int,
    unit_price decimal(18,2)`.
    `discounts`: `user_id string, product_id string, discount_percent decimal(5,2), valid_from timestamp,
    valid_until timestamp`, at most one valid at any instant per user and product.
    Rows: `window_start timestamp, window_end timestamp, product_id string, orders bigint,
    discounted_orders bigint, units bigint, gross_revenue, discount_amount, net_revenue decimal(18,2)`.
    """
    priced = with_discount(orders, discounts).select(
        "event_time",
        "product_id",
        "quantity",
        "discount_percent",
        (F.col("unit_price") * F.col("quantity")).cast(MONEY).alias("gross"),
    )
    insights = (
        priced.withColumn("discount", F.coalesce(_percentage("gross", "discount_percent"), F.lit(0)))
        .groupBy(F.window("event_time", window), "product_id")
        .agg(
            F.count("*").alias("orders"),
            F.count(F.when(F.col("discount_percent") > 0, 1)).alias("discounted_orders"),
            F.sum("quantity").alias("units"),
            F.sum("gross").cast(MONEY).alias("gross_revenue"),
            F.sum("discount").cast(MONEY).alias("discount_amount"),
        )
    )
    return insights.select(
        F.col("window.start").alias("window_start"),
        F.col("window.end").alias("window_end"),
        "product_id",
        "orders",
        "discounted_orders",
        "units",
        "gross_revenue",
        "discount_amount",
        (F.col("gross_revenue") - F.col("discount_amount")).cast(MONEY).alias("net_revenue"),
    )


def with_discount(orders: DataFrame, discounts: DataFrame) -> DataFrame:
    """Return `orders` with the `discount_percent` valid at the order's event time, null if none is.

    The join has no hint: Spark broadcasts discounts known to be small and must not broadcast large ones.
    """
    order, offer = orders.alias("order"), discounts.alias("offer")
    valid = (
        (F.col("order.user_id") == F.col("offer.user_id"))
        & (F.col("order.product_id") == F.col("offer.product_id"))
        & _not_before("order.event_time", "offer.valid_from")
        & _before("order.event_time", "offer.valid_until")
    )
    return order.join(offer, valid, "left").select("order.*", "offer.discount_percent")


def _percentage(amount: str, percent: str) -> Column:
    """Return `percent` of `amount`, rounded half-up to cents."""
    return F.round(F.col(amount) * F.col(percent) * F.lit("0.01").cast("decimal(2,2)"), 2).cast(MONEY)


def _not_before(time: str, start: str) -> Column:
    return F.col(start).isNull() | (F.col(time) >= F.col(start))


def _before(time: str, end: str) -> Column:
    return F.col(end).isNull() | (F.col(time) < F.col(end))


@dataclass(frozen=True)
class Options:
    """The job's own options."""

    window: str = flag("length of each window", default="1 minute", parse=duration)


def _rows(inputs: Inputs[Options]) -> DataFrame:
    return transform(inputs.events(PRODUCT), inputs.table(DISCOUNTS), inputs.options.window)


JOB = Job(
    name="streaming_product_discounts",
    options=Options,
    streams=lambda _: (PRODUCT,),
    rows=_rows,
    key=("window_start", "product_id"),
    emission=lambda options: Emission(options.window),
    tables=(DISCOUNTS,),
    counted=lambda inputs: inputs.events(PRODUCT),
    count="orders",
)


def main(arguments: list[str] | None = None) -> int:
    """Run the job and return the exit code."""
    return run(JOB, arguments)


if __name__ == "__main__":
    sys.exit(main())
