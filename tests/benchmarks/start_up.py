"""Time from the demo's command to its first result, against a bare PySpark session that counts to one.

python -m tests.benchmarks.start_up [--rounds 5]
"""

from __future__ import annotations

import argparse
import sys

from tests.benchmarks.measured import line, measure, ratios

BARE = "from pyspark.sql import SparkSession; print(SparkSession.builder.getOrCreate().range(1).count())"


def main() -> None:
    """Print the medians and the ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    bare: list[float] = []
    demo: list[float] = []
    for _ in range(parser.parse_args().rounds):
        bare.append(measure(sys.executable, "-c", BARE).first(r"^1$"))
        demo.append(measure(sys.executable, "-m", "jobs", "demo").first("batch 1, final rows"))
    print(line("bare session, first count", bare))
    print(line("demo, first result", demo))
    print(ratios("demo / bare session", demo, bare))


if __name__ == "__main__":
    main()
