"""A large table of discounts: its rows, the memory it takes, and what its reload costs a running job.

    python -m tests.benchmarks.large_table [--rows 10000000] [--rate 1000] [--seconds 60]

The discounts job reads orders from a broker of its own. Some are there at the start. Then the file is
replaced while orders of users whose discount stays the same come at a steady rate; orders of users whose
discount has changed follow. The rows are compared with a sum in plain Python. Printed are the seconds to the
first batch, the peak memory of the job's processes, and the seconds between two batches around the reload.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random

from confluent_kafka import Producer

from sources.catalog import PRODUCT
from tests.benchmarks.latency import JOB
from tests.benchmarks.measured import group_memory
from tests.benchmarks.orders import rows
from tests.support.background import Background
from tests.support.kafka_broker import KafkaBroker
from tests.support.process import JobProcess

PRODUCTS = 1000
AT_ONCE = 20_000
"""The orders before the reload, and as many after it."""
Discounted = Counter[str]
"""Cents of discount by product."""


class Table:
    """A file of discounts: one row for each user, for the product `user % PRODUCTS`; prices are 1.00."""

    def __init__(self, file: Path, rows: int) -> None:
        self._file, self.rows, self._version = file, rows, 0
        self.replace()

    def replace(self) -> None:
        """Write the next version, in which every user with an odd number has another discount."""
        self._version += 1
        new = self._file.with_suffix(".new")
        with new.open("w") as lines:
            lines.write("user_id,product_id,discount_percent\n")
            for user in range(self.rows):
                lines.write(f"user-{user},product-{user % PRODUCTS},{self.cents(user)}\n")
        new.replace(self._file)

    def cents(self, user: int) -> int:
        """Return the user's discount in percent, which is that of a price of 1.00 in cents."""
        return (user + user % 2 * self._version) % 100 + 1


class Orders:
    """Orders on the topic, and the discount that each must get."""

    def __init__(self, broker: KafkaBroker, table: Table) -> None:
        self._producer = Producer({"bootstrap.servers": broker.bootstrap, "linger.ms": 5})
        self._table, self._random, self.sent = table, Random(1), 0
        self.expected: Discounted = Counter()

    def send(self, *, changed: bool) -> None:
        """Send an order, of a user whose discount changes or not; every second one is discounted."""
        user = self._random.randrange(self._table.rows // 2) * 2 + changed
        other = self.sent % 2
        product = f"product-{(user + other) % PRODUCTS}"
        self.expected[product] += 0 if other else self._table.cents(user)
        order = {
            "event_id": str(self.sent),
            "user_id": f"user-{user}",
            "product_id": product,
            "event_time": datetime.now(UTC).isoformat(),
            "quantity": 1,
            "unit_price": 1,
        }
        self._producer.produce(PRODUCT.topic, json.dumps(order), partition=self.sent % 2)
        self._producer.poll(0)
        self.sent += 1

    def send_at_once(self) -> None:
        """Send AT_ONCE orders of users whose discount changes."""
        for _ in range(AT_ONCE):
            self.send(changed=True)
        self.flush()

    def flush(self) -> None:
        """Wait until the broker has all that was sent."""
        self._producer.flush()


class Steady(Background):
    """Orders of users whose discount stays, `rate` a second."""

    def __init__(self, orders: Orders, rate: int) -> None:
        super().__init__()
        self._orders, self._rate = orders, rate

    def work(self) -> None:
        """Send until `stopping` is set."""
        begun, number = time.monotonic(), 0
        while not self.stopping.wait(max(0.0, begun + number / self._rate - time.monotonic())):
            self._orders.send(changed=False)
            number += 1
        self._orders.flush()


def main() -> None:
    """Print what is measured; fail if a row is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60, help="of steady orders before the reload")
    options = parser.parse_args()
    with KafkaBroker() as broker, tempfile.TemporaryDirectory() as name:
        broker.create_topic(PRODUCT.topic, partitions=2)
        broker.create_topic("results", partitions=1)
        table = Table(Path(name, "discounts.csv"), options.rows)
        orders = Orders(broker, table)
        run(broker, Path(name), table, orders, options)
        found = Counter({product: cents for product, cents in discounted(broker).items() if cents})
        assert found == +orders.expected, "the rows are wrong"
        print(f"{orders.sent:,} orders, rows right")


def run(broker: KafkaBroker, folder: Path, table: Table, orders: Orders, options: argparse.Namespace) -> None:
    """Run the job over all orders."""
    flags = [
        *("--source=kafka", "--output-mode=update", "--sink=kafka", "--sink-topic=results"),
        *(f"--kafka-bootstrap-servers={broker.bootstrap}", f"--discounts={folder / 'discounts.csv'}"),
        f"--checkpoint-root={folder / 'checkpoints'}",
    ]
    orders.send_at_once()
    begun = time.monotonic()
    with JobProcess(JOB, *flags) as job, Watched(job) as watched:
        watched.read(orders.sent)
        print(f"first batch after {time.monotonic() - begun:.1f} s, peak {watched.peak} MiB")
        with Steady(orders, options.rate):
            time.sleep(options.seconds)
            steady = watched.gaps(options.seconds / 2)
            print(f"batches end {statistics.median(steady):.2f} s apart, at most {max(steady):.2f} s")
            reload(table, watched)
        orders.send_at_once()
        watched.read(orders.sent)
        job.terminate()
        assert job.wait() == 0
    print(f"peak {watched.peak} MiB")


def reload(table: Table, watched: Watched) -> None:
    """Replace the file, and print when the job uses it and how far apart its batches end until then."""
    begun = time.monotonic()
    table.replace()
    written = time.monotonic() - begun
    watched.wait_for("table=changed", 600)
    taken = time.monotonic() - begun - written
    time.sleep(15)
    print(f"the new table is taken up {taken:.1f} s after it is there (written in {written:.1f} s)")
    print(f"batches end at most {max(watched.gaps(time.monotonic() - begun)):.2f} s apart meanwhile")


class Watched(Background):
    """A running job: when its batches ended, what they read, and the peak of its memory in MiB."""

    def __init__(self, job: JobProcess) -> None:
        super().__init__()
        self._job, self.peak = job, 0
        self._ends: list[tuple[float, int]] = []

    def work(self) -> None:
        """Follow the job's lines until `stopping` is set."""
        seen = 0
        while not self.stopping.wait(0.05):
            self.peak = max(self.peak, group_memory(self._job.group) >> 20)
            lines = self._job.lines[seen:]
            seen += len(lines)
            for line in lines:
                if match := re.search(r" batch=\d+ in=(\d+)", line):
                    self._ends.append((time.monotonic(), int(match[1])))

    def read(self, events: int) -> None:
        """Wait until the batches have read that many events."""
        self._until(lambda: sum(count for _, count in self._ends) >= events, 900)

    def wait_for(self, pattern: str, seconds: float) -> None:
        """Wait until the job says a line that matches."""
        self._until(lambda: re.search(pattern, self._job.said), seconds)

    def _until(self, done: Callable[[], object], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, self._job.said
            assert not self._job.has_ended, self._job.said
            time.sleep(0.1)

    def gaps(self, seconds: float) -> list[float]:
        """Return the seconds between the ends of batches in the last `seconds`."""
        ends = [end for end, _ in self._ends if end >= time.monotonic() - seconds]
        return [after - before for before, after in pairwise(ends)]


def discounted(broker: KafkaBroker) -> Discounted:
    """Return the cents of discount in the last row of each window, by product."""
    last = {(row["window_start"], row["product_id"]): row for row in rows(broker, "results")}
    found: Discounted = Counter()
    for row in last.values():
        found[row["product_id"]] += int(row["discount_amount"] * 100)
    return found


if __name__ == "__main__":
    main()
