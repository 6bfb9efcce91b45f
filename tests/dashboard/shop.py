"""The bundled events run through the real jobs for the dashboard, and what Spark reads of their results."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import popular_products_recommendation as popular
from jobs import streaming_product_discounts as discounts
from jobs.engine.run import run

EVENTS = Path(__file__).parents[2] / "data" / "replay"


class Shop:
    """A folder that the jobs write, as docker-compose.yml has them do."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self.folder, self._spark = folder, spark

    def run(self, *parts: int) -> None:
        """Let these files of each stream arrive, and let both jobs process them."""
        for stream in EVENTS.iterdir():
            for part in parts:
                file = self.folder / "replay" / stream.name / f"{part:04}.jsonl"
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(stream / file.name, file)
        assert run(discounts.JOB, [*self._flags(discounts.JOB.name), "--output-mode=update"]) == 0
        assert run(popular.JOB, self._flags(popular.JOB.name)) == 0

    def _flags(self, job: str) -> list[str]:
        return [
            *(f"--replay-dir={self.folder / 'replay'}", f"--checkpoint-root={self.folder / 'checkpoints'}"),
            *("--sink=delta", f"--sink-path={self.folder / 'results' / job}"),
            f"--progress-dir={self.folder / 'progress'}",
            f"--dead-letter-dir={self.folder / 'dead-letters'}",
        ]

    def figures(self, where: str = "true", span: str = "1 hour") -> dict[str, str]:
        """Return the sums over the discounts' rows, as the page must show them."""
        columns = ("orders", "gross_revenue", "discount_amount", "net_revenue")
        sums = [F.sum(name) for name in columns]
        orders, *amounts = self._discounts(span).where(where).agg(*sums).collect()[0]
        labels = ("Gross revenue", "Discount given", "Net revenue")
        texts = {label: f"{amount:,.2f}" for label, amount in zip(labels, amounts, strict=True)}
        return {"Orders": f"{orders:,}", **texts}

    def bars(self, series: str, amount: str) -> set[str]:
        """Return the texts of a chart's bars: an amount by window and the SQL expression `series`."""
        dash = "\N{EN DASH}"
        rows = self._discounts().groupBy("start", "end", "state", F.expr(series).alias("series"))
        return {
            f"1 Jan {row.start} {dash} {row.end}, {row.series}: {row.amount:,.2f}, {row.state}"
            for row in rows.agg(F.expr(f"sum({amount})").alias("amount")).collect()
        }

    def newest(self, count: int) -> list[list[str]]:
        """Return the first rows of the table of newest windows, with numbers as JavaScript writes them."""
        rows = self._discounts().orderBy(F.desc("window_start"), F.desc("net_revenue")).limit(count)
        return [
            [
                f"{row.start} \N{EN DASH} {row.end}",
                row.product_id,
                *(str(number) for number in (row.orders, row.discounted_orders, row.units)),
                *(f"{float(amount):.12g}" for amount in row[6:9]),
                row.state,
            ]
            for row in rows.collect()
        ]

    def ranking(self) -> list[str]:
        """Return the texts of the bars of the newest window's ranking."""
        rows = self._rows(popular.JOB.name)
        newest = rows.where(F.col("window_start") == rows.agg(F.max("window_start")).collect()[0][0])
        return [
            f"{row.rank}. {row.product_id}: {row.purchases:,} purchases by {row.buyers:,} buyers,"
            f" {row.units:,} units, revenue {row.revenue:,.2f}"
            for row in newest.orderBy("rank").collect()
        ]

    def _discounts(self, span: str = "1 hour") -> DataFrame:
        """Return the rows of the newest windows over the time span that the page shows."""
        rows = self._rows(discounts.JOB.name)
        newest = F.lit(rows.agg(F.max("window_end")).collect()[0][0])
        watermark = F.lit(self.batches(discounts.JOB.name)[-1]["watermark"]).cast("timestamp")
        final = F.when(F.col("window_end") <= watermark, "final").otherwise("still filling")
        return rows.where(F.col("window_end") > newest - F.expr(f"interval {span}")).select(
            "*",
            F.date_format("window_start", "HH:mm").alias("start"),
            F.date_format("window_end", "HH:mm").alias("end"),
            final.alias("state"),
        )

    def _rows(self, job: str) -> DataFrame:
        return self._spark.read.format("delta").load(str(self.folder / "results" / job))

    def batches(self, job: str) -> list[dict[str, Any]]:
        """Return the job's progress file."""
        lines = (self.folder / "progress" / f"{job}.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def dead_letters(self) -> Counter[str]:
        """Return the number of dead letters by kind of reason."""
        files = (self.folder / "dead-letters").rglob("*.txt")
        reasons = (json.loads(line)["reason"] for file in files for line in file.read_text().splitlines())
        return Counter(reason.partition(": ")[0] for reason in reasons)
