"""Results as readable tables on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from io import TextIOWrapper

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine.sink import Results, Write
from jobs.engine.terminal import printable
from sources.choice import OwnOptions
from sources.google_cloud import Cloud, Finding, OnGoogleCloud, warning

OPTIONS = OwnOptions


class SeenByNobody(OnGoogleCloud):
    """The output of a driver on a cluster."""

    def findings(self, options: OwnOptions, cloud: Cloud) -> Iterator[Finding]:
        """Warn about results that are not kept."""
        yield warning(
            "--sink console",
            "results are lines in the driver's output, and nothing else has them",
            f"--sink delta --sink-path {cloud.root}/results",
        )


GOOGLE_CLOUD: OnGoogleCloud = SeenByNobody()
SETTINGS: dict[str, str] = {}
UPSERTS = True
TAKES_EMPTY = False
SHOWN = 100
"""The most rows of a batch that are shown; a last line says how many more there are."""


def jars(options: OwnOptions) -> tuple[str, ...]:
    """Return no jar sets."""
    return ()


def open_sink(spark: SparkSession, options: OwnOptions, results: Results) -> Write:
    """Return a writer that prints each batch with rows as one table, in the results' order.

    Nothing that it prints contains a control sequence that a terminal obeys.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an id may have characters that the encoding lacks
    kind = "running totals" if results.upsert else "final rows"

    def write(rows: DataFrame, batch: int) -> None:
        text = rows.orderBy(*results.order).select(*(F.col(name).cast("string") for name in rows.columns))
        found = text.take(SHOWN + 1)
        shown = [tuple("" if cell is None else printable(cell) for cell in row) for row in found[:SHOWN]]
        more = [f"… and {rows.count() - SHOWN} more rows"] if len(found) > SHOWN else []
        print(
            "\n".join([f"\n{results.job}: batch {batch}, {kind}", *table(rows.columns, shown), *more]),
            flush=True,
        )

    return write


def written(spark: SparkSession, options: OwnOptions) -> None:
    """Return None, because printed rows cannot be read back."""


def table(header: list[str], rows: list[tuple[str, ...]]) -> list[str]:
    """Return the lines of a text table; numeric cells are right-aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = "-+-".join("-" * width for width in widths)
    return [_line(header, widths), rule, *(_line(row, widths) for row in rows)]


def _line(cells: list[str] | tuple[str, ...], widths: list[int]) -> str:
    padded = (
        cell.rjust(width) if cell.replace(".", "", 1).lstrip("-").isdigit() else cell.ljust(width)
        for cell, width in zip(cells, widths, strict=True)
    )
    return " | ".join(padded).rstrip()
