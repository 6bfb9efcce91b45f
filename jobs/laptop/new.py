"""`twinstream new job NAME`: write a job, its test and its row in the README, as a start to be changed.

The job counts the units that each user buys in an hour; jobs/README.md explains it.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.engine.jar_files import CHECKOUT
from sources.flags import Parser, argument, flags

JOB = '''"""Units that each user bought, hour by hour. Reads purchase-stream."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.engine.job import Emission, Inputs, Job
from jobs.engine.run import run
from sources.catalog import PURCHASE
from sources.durations import duration
from sources.flags import flag


def transform(purchases: DataFrame, window: str = "1 hour") -> DataFrame:
    """Return `window_start timestamp, window_end timestamp, user_id string, units bigint`."""
    per_user = purchases.groupBy(F.window("event_time", window), "user_id").agg(
        F.sum("quantity").alias("units")
    )
    bounds = (F.col("window.start").alias("window_start"), F.col("window.end").alias("window_end"))
    return per_user.select(*bounds, "user_id", "units")


@dataclass(frozen=True)
class Options:
    """The job's own options."""

    window: str = flag("length of each window", default="1 hour", parse=duration)


def _rows(inputs: Inputs[Options]) -> DataFrame:
    return transform(inputs.events(PURCHASE), inputs.options.window)


JOB = Job(
    name="NAME",
    options=Options,
    streams=lambda _: (PURCHASE,),
    rows=_rows,
    key=("window_start", "user_id"),
    emission=lambda options: Emission(options.window),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the job and return the exit code."""
    return run(JOB, arguments)


if __name__ == "__main__":
    sys.exit(main())
'''
TEST = '''"""NAME, by hand: which rows a few literal events give."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from pyspark.sql import SparkSession

from jobs.NAME import transform
from tests.support import frames

EVENTS = "event_time timestamp, user_id string, product_id string, quantity int, unit_price decimal(18,2)"


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 1, 1, hour, minute, tzinfo=UTC)


def test_units_are_summed_by_user_and_hour(spark: SparkSession) -> None:
    purchases = [
        (at(12), "ann", "mug", 1, Decimal("9.90")),
        (at(12, 59), "ann", "pot", 2, Decimal("54.90")),
        (at(13), "ann", "mug", 4, Decimal("9.90")),
        (at(12, 30), "bob", "mug", 8, Decimal("9.90")),
    ]
    found = transform(spark.createDataFrame(purchases, EVENTS))
    assert found.columns == ["window_start", "window_end", "user_id", "units"]
    assert frames.rows(found) == [
        (at(12), at(13), "ann", 3),
        (at(12), at(13), "bob", 8),
        (at(13), at(14), "ann", 4),
    ]
'''
ROW = "| `NAME` | purchase-stream | units that each user bought in an hour |\n"
TABLE = re.compile(r"(^\| job \|.*\n\|[-|]+\|\n(?:\|.*\n)+)", re.MULTILINE)


@dataclass(frozen=True)
class NewOptions:
    """What to write."""

    kind: str = argument("what to write", choices=("job",))
    name: str = argument("name of its file and of its checkpoints, such as units_per_user")


def command(arguments: Sequence[str]) -> int:
    """Run `twinstream new job NAME`; return 0 once the files are written.

    Exit with code 2 and one line if there can be no job of that name.
    """
    parser = Parser(prog="twinstream new", description=(__doc__ or "").splitlines()[0])
    parser.accept(flags(NewOptions))
    name = parser.parse(arguments).of(NewOptions).name
    if fault := _fault(name):
        parser.error(f"{name}: {fault}")
    for path in write(name):
        print(path)
    return 0


def write(name: str, checkout: Path = CHECKOUT) -> list[Path]:
    """Write the job called `name`, its test and its row in the README, and return the files."""
    job, readme = _job(name, checkout), checkout / "README.md"
    test = checkout / "tests" / "jobs" / f"test_{name}.py"
    job.write_text(JOB.replace("NAME", name))
    test.write_text(TEST.replace("NAME", name))
    row = ROW.replace("NAME", name)
    readme.write_text(TABLE.sub(lambda table: table[1] + row, readme.read_text(), count=1))
    return [job, test, readme]


def _fault(name: str, checkout: Path = CHECKOUT) -> str:
    """Return why there can be no job of that name; "" if there can."""
    if not re.fullmatch("[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        return "not a name for a module; expected lower-case letters, digits and _, such as units_per_user"
    if name in sys.stdlib_module_names:
        return "a module of the standard library, which the entry file would hide; expected another name"
    if _job(name, checkout).exists() or (checkout / "jobs" / name).exists():
        return f"{_job(name, checkout)} is already there; expected a new name"
    return ""


def _job(name: str, checkout: Path) -> Path:
    return checkout / "jobs" / f"{name}.py"
