"""A large file of discounts, read and laid out by Spark in parallel: the driver holds none of its rows.

Spark takes the lines that are certainly valid. All others except blank ones go in order to `discounts_csv`,
which accepts them or reports the error: validity, and each message, is defined only there.
"""

from __future__ import annotations

import operator
import re
import uuid
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.engine.files import read_bytes
from jobs.engine.job import TableError
from jobs.tables import discounts_csv
from jobs.tables.discount_rows import FIRST, LAST, PLAIN, literal, timed
from jobs.tables.discounts_csv import BLANKS, IDS, LONGEST_ID, PERCENT, VALIDITY, Discount
from jobs.tables.kept import kept
from jobs.tables.overlaps import without_overlaps

PARTITION = 8 * 2**20
"""Bytes of the file per partition of the frame, some 300,000 discounts: a task that takes seconds."""
LONGEST_HEADER = 2**16
LONGEST_LINE = 8192
"""Bytes; longer lines are left to Python, because Java's regular expressions recurse."""
CELL = r'(?:"[^"]*+(?:""[^"]*+)*+"|[^",][^,]*+|)'
TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-](0[0-9]|1[0-7]):[0-5][0-9])(?<!-00:00)"
)


def load(spark: SparkSession, path: str, size: int) -> DataFrame:
    """Return the discounts as `SCHEMA`, hash-partitioned and sorted by user and product.

    The frame is kept until it is unpersisted. Raise TableError for the file's first error, and OSError if the
    file cannot be read.
    """
    head = read_bytes(spark, path, LONGEST_HEADER).removeprefix(BOM_UTF8)
    first = (head.splitlines() or [b""])[0]
    columns = discounts_csv.header(first, path)
    # The unique option keeps Spark from using the rows that it keeps of the file's last version.
    text = spark.read.option("load", str(uuid.uuid4())).text(re.sub(r"([][{}*?\\])", r"\\\1", path))
    lines = _lines(text, columns)
    odd = literal(spark, _odd(lines, first, columns, path))
    rows = lines.filter("plain").select(*PLAIN).union(odd)
    flat = without_overlaps(rows.repartition(max(1, size // PARTITION), *IDS))
    return kept(timed(flat).sortWithinPartitions(*IDS))


def _lines(text: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Return the lines with their values as `PLAIN`, and whether each is `plain`, that is, certainly valid.

    No filter passes a generator (`inline`): below it, Spark would compute the values once for the filter and
    once for the rows.
    """
    named = _cells(text, columns)
    percent = F.when(F.col("discount_percent").rlike(rf"^{PERCENT}\z"), F.col("discount_percent"))
    values = F.struct(
        *IDS,
        percent.cast("decimal(5,2)").alias("percent"),
        _micros("valid_from", FIRST).alias("starts"),
        _micros("valid_until", LAST).alias("ends"),
    )
    read = named.select("value", "whole", F.inline(F.array(values)))
    starts, ends = F.col("starts"), F.col("ends")
    checks = [
        *(F.octet_length(name).between(1, LONGEST_ID) for name in IDS),
        *(F.col("percent").isNotNull(), starts >= FIRST, starts < ends, ends <= LAST),
    ]
    plain = F.coalesce(reduce(operator.and_, checks, F.col("whole")), F.lit(False))
    return read.select("value", *PLAIN, plain.alias("plain"))


def _cells(text: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Return the lines' cells by column, empty for an absent column, and whether the line is `whole`."""
    line, bare = F.col("value"), ~F.contains("value", F.lit('"'))
    whole_line = rf"^{CELL}(?:,{CELL}){{{len(columns) - 1}}}\z"
    quoted = (F.octet_length("value") <= LONGEST_LINE) & line.rlike(whole_line)
    found = F.regexp_extract_all(F.concat(F.lit(","), "value"), F.lit(f",({CELL})"), F.lit(1))
    cells = text.select("value", F.when(bare, F.split("value", ",")).when(quoted, found).alias("cells"))
    is_text = F.decode(line.cast("binary"), "UTF-8") == line
    whole = (F.size("cells") == len(columns)) & is_text
    names = (*discounts_csv.REQUIRED, *VALIDITY)
    return cells.select("value", whole.alias("whole"), *(_cell(name, columns).alias(name) for name in names))


def _cell(name: str, columns: Sequence[str]) -> Column:
    if name not in columns:
        return F.lit("")
    cell = F.col("cells")[columns.index(name)]
    inner = F.replace(F.substr(cell, F.lit(2), F.length(cell) - 2), F.lit('""'), F.lit('"'))
    text = F.when(F.startswith(cell, F.lit('"')), inner).otherwise(cell)
    return text if name in IDS else F.btrim(text, F.lit(BLANKS))


def _micros(name: str, when_open: int) -> Column:
    time = F.when(F.col(name).rlike(rf"^{TIME}\z"), F.expr(f"try_cast({name} as timestamp)"))
    return F.when(F.col(name) == "", F.lit(when_open)).otherwise(F.unix_micros(time))


def _odd(lines: DataFrame, first: bytes, columns: list[str], path: str) -> Iterator[Discount]:
    """Yield the discounts of the lines that are not plain; raise TableError for the first invalid line."""
    # Only here: Spark refuses a streaming query that is joined with a frame of numbered rows.
    block, number = F.expr("input_file_block_start()"), F.monotonically_increasing_id()
    lines = lines.select("value", "plain", block.alias("block"), number.alias("number"))
    odd = lines.filter("not plain and value != ''").select(F.col("value").cast("binary"), "block", "number")
    rows = odd.repartition(1).sortWithinPartitions("block", "number").toLocalIterator()
    header = next(rows, None)
    if header is None or bytes(header.value) != first:
        raise TableError(
            f"{path}: Spark reads another first line; the file has changed, or its name hides it"
        )
    for value, block, number in rows:
        try:
            yield discounts_csv.discount(bytes(value), columns, path)
        except TableError:
            before = lines.filter(
                (F.col("block") < block) | ((F.col("block") == block) & (F.col("number") < number))
            )
            discounts_csv.discount(bytes(value), columns, f"{path}, line {before.count() + 1}")
