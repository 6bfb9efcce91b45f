"""Throughput and catch-up of the discounts job against hand-written Spark, side by side on one broker.

    python -m tests.benchmarks.throughput [--events 2000000] [--rounds 3] [--only ours tuned] [--beside DIR]

Every job reads the same topic, the tests' bad input first, and writes to Kafka; those with strict checks
must write the same rows of the orders. `batches` is the time spent inside batches, `cpu` that of the whole
process, including Spark's start. A ratio above 1 means that ours is faster.
`--beside` adds the job of another checkout, run by the same Python, with jars in its own `.jars`. Its rows
may differ, as another commit may refuse other input.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import orders
from tests.benchmarks.measured import ROOT, Measured, line, measure, ratios
from tests.support.kafka_broker import KafkaBroker

BATCH = 1_000_000
"""The maximum number of events in a batch, ours and theirs: the jobs' default."""
BY_HAND = {
    "tuned": ("tuned", "strict", "tuned"),
    "usual": ("usual", "strict", "tuned"),
    "usual-defaults": ("usual", "strict", "default"),
    "tuned-lax": ("tuned", "lax", "tuned"),
    "usual-lax": ("usual", "lax", "tuned"),
}
"""How each one parses, what it refuses and whose settings it uses; the jobs' settings are the tuned ones."""


def main() -> None:
    """Print the medians and ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=["ours", *BY_HAND], default=["ours", *BY_HAND])
    parser.add_argument("--beside", type=Path, help="a checkout of another commit")
    options = parser.parse_args()
    if options.beside:
        options.only.append("beside")
    results: dict[str, list[Measured]] = {name: [] for name in options.only}
    with KafkaBroker(heap="1g") as broker, tempfile.TemporaryDirectory() as folder:
        orders.publish(broker, options.events)
        table = orders.discounts(Path(folder, "discounts.csv"))
        runners = contestants(broker, str(table), Path(folder), options.beside or ROOT)
        for number in range(options.rounds):
            for name in options.only:
                broker.create_topic(f"{name}-{number}", partitions=1)
                results[name].append(runners[name](f"{name}-{number}"))
            strict = [name for name in options.only if "lax" not in name and name != "beside"]
            rows = [of_orders(orders.insights(broker, f"{name}-{number}")) for name in strict]
            assert all(one and one == rows[0] for one in rows), f"{', '.join(strict)}: their rows differ"
    report(results)


def of_orders(insights: orders.Insights) -> orders.Insights:
    """Return the rows of the orders, without the windows of the tests' unusual input.

    Only the job refuses all of that: a number as an id, a lone surrogate, an id of more than 1,024 bytes.
    """
    return {key: row for key, row in insights.items() if key[0] >= orders.START}


def contestants(
    broker: KafkaBroker, table: str, folder: Path, beside: Path
) -> dict[str, Callable[[str], Measured]]:
    """Return every job by name; each is called with the name of its own result topic."""

    def ours(topic: str, checkout: Path = ROOT) -> Measured:
        return measure(
            *(sys.executable, "-m", "jobs", "run", "streaming_product_discounts", "--source=kafka"),
            *("--trigger=available-now", "--sink=kafka", f"--sink-topic={topic}"),
            *(f"--kafka-bootstrap-servers={broker.bootstrap}", f"--kafka-max-events-per-batch={BATCH}"),
            *(f"--discounts={table}", f"--checkpoint-root={folder / topic}"),
            checkout=checkout,
        )

    def by_hand(style: str, checks: str, settings: str) -> Callable[[str], Measured]:
        return lambda topic: measure(
            *(sys.executable, "-m", "tests.benchmarks.raw_discounts"),
            *(f"--style={style}", f"--checks={checks}"),
            *(f"--settings={settings}", f"--topic={topic}", f"--bootstrap={broker.bootstrap}"),
            *(f"--discounts={table}", f"--batch={BATCH}"),
        )

    others = {"beside": lambda topic: ours(topic, beside)}
    return {"ours": ours, **others, **{name: by_hand(*how) for name, how in BY_HAND.items()}}


def report(results: dict[str, list[Measured]]) -> None:
    """Print the measurements."""
    batches = {name: [run.batch_seconds() for run in runs] for name, runs in results.items()}
    cpu = {name: [run.cpu for run in runs] for name, runs in results.items()}
    for name in results:
        print(line(f"{name}: batches", batches[name]))
        print(line(f"{name}: cpu", cpu[name], "s cpu"))
    first, *others = results
    for name in others:
        print(ratios(f"{name} / {first}: batches", batches[name], batches[first]))
        print(ratios(f"{name} / {first}: cpu", cpu[name], cpu[first]))


if __name__ == "__main__":
    main()
