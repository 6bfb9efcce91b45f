"""SIGKILLs at random moments of a job's life, over all sinks: rows lost and rows counted twice.

    python -m tests.benchmarks.kills [--kills 1000] [--seed 1] [--workers 1] [--minutes 120]

A round has its own small input, checkpoint and sink table or topic. The job is started, killed at a random
moment and started again by the same command until it ends by itself; then its rows and dead letters are
compared with the reference's. One kill in ten comes before the job holds its lock, when it has written
nothing; the others are spread evenly over the rest of a measured life.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from threading import Lock

from tests.support import event_sets
from tests.support.kafka_broker import KafkaBroker
from tests.support.kill_steps import Step
from tests.support.killed_run import KilledRun, Target
from tests.support.process import JobProcess

BATCHES = 8
ROUND = 12
"""Kills after which a round may end: a round that gets nowhere must not use them all up."""
SETS = 500
"""Event sets that all lie in the past: a job takes an event from the future for a dead letter."""
BEFORE_THE_LOCK = 0.1
QUICK = {"SPARK_SUBMIT_OPTS": "-XX:TieredStopAtLevel=1"}
"""The environment that makes a start quick."""


@dataclass(frozen=True)
class Life:
    """Seconds of an undisturbed run to its lock, and from there to its end."""

    start: float
    rest: float


@dataclass
class Tally:
    """The totals over all rounds."""

    left: int
    ends: float
    """When to stop killing though some are left, by the monotonic clock."""
    steps: Counter[tuple[str, Step]] = field(default_factory=Counter)
    rounds: int = 0
    lost: int = 0
    twice: int = 0
    lock: Lock = field(default_factory=Lock)

    def take(self) -> bool:
        """Take one of the kills that are left; return False if none is left, or the time is over."""
        with self.lock:
            if time.monotonic() > self.ends:
                self.left = 0
            self.left -= 1
            return self.left >= 0

    def fell(self, target: str, step: Step | None) -> None:
        """Record the step a kill hit; None: it hit nothing and is left for another start."""
        with self.lock:
            if step is None:
                self.left += 1
            else:
                self.steps[target, step] += 1

    def ended(self, lost: int, twice: int) -> None:
        """Record a round and its lost and duplicate rows."""
        with self.lock:
            self.rounds += 1
            self.lost += lost
            self.twice += twice


def main() -> int:
    """Print where the kills hit and what they cost; return 1 if a row was lost or counted twice."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=math.inf)
    options = parser.parse_args()
    tally = Tally(options.kills, time.monotonic() + options.minutes * 60)
    with KafkaBroker() as broker, tempfile.TemporaryDirectory() as folder:
        targets = [Target("delta", "append"), Target("delta", "update"), Target("parquet", "append")]
        targets += [Target("kafka", "append", broker), Target("kafka", "update", broker)]
        lives = {sink: measured(Path(folder, sink), target) for sink, target in by_sink(targets).items()}
        numbers = count(options.seed * 1000)
        begun = time.monotonic()

        def work(_: int) -> None:
            while tally.left > 0:
                with tally.lock:
                    number = next(numbers)
                target = targets[number % len(targets)]
                play(number, target, lives[target.sink], tally)

        try:
            with ThreadPoolExecutor(options.workers) as pool:
                list(pool.map(work, range(options.workers)))
        finally:
            report(tally, [str(target) for target in targets], time.monotonic() - begun)
    return int(tally.lost + tally.twice > 0)


def by_sink(targets: list[Target]) -> dict[str, Target]:
    """Return one target of each sink."""
    return {target.sink: target for target in targets}


def measured(folder: Path, target: Target) -> Life:
    """Run a job with that sink once without a kill."""
    folder.mkdir()
    begun = time.monotonic()
    with (
        KilledRun(folder, event_sets.generate(1, BATCHES), target) as run,
        run.start(QUICK) as job,
    ):
        wait_for(lambda: run.traces.locked_by(job.pid), job)
        locked = time.monotonic()
        assert job.ends_within(600), job.said
        ended = time.monotonic()
        assert job.wait() == 0, job.said
        assert run.lost_and_twice() == (0, 0)
    return Life(locked - begun, ended - locked)


def play(number: int, target: Target, life: Life, tally: Tally) -> None:
    """Play a round; keep the folder of one that fails for inspection."""
    random, folder = Random(number), Path(tempfile.mkdtemp(prefix=f"kills-{number}-"))
    with KilledRun(folder, event_sets.generate(1 + number % SETS, BATCHES), target) as run:
        if killed_until_it_ended(run, target, life, random, tally):
            run.bring_what_is_due(QUICK)
        else:
            run.finish(QUICK)
        lost, twice = run.lost_and_twice()
    tally.ended(lost, twice)
    outcome = f"round {number}, {target}: {lost} lost, {twice} twice"
    if lost or twice:
        outcome += f"; see {folder}"
    else:
        shutil.rmtree(folder)
    print(outcome, file=sys.stderr)


def killed_until_it_ended(run: KilledRun, target: Target, life: Life, random: Random, tally: Tally) -> bool:
    """Kill the job and restart it; return whether it ended by itself (if not, it still has to finish)."""
    for _ in range(ROUND):
        if not tally.take():
            return False
        step = killed_at(run, life, random)
        tally.fell(str(target), step)
        if step is None:
            return True
    return False


def killed_at(run: KilledRun, life: Life, random: Random) -> Step | None:
    """Start the job and kill it at a random moment; return the step it reached, or None if it had ended."""
    early = random.random() < BEFORE_THE_LOCK
    with run.start(QUICK) as job:
        if not early:
            wait_for(lambda: run.traces.locked_by(job.pid), job)
        if job.ends_within(random.uniform(0, life.start if early else life.rest)):
            assert job.wait() == 0, job.said
            return None
        job.kill()
    return run.traces.step(job.pid)


def wait_for(reached: Callable[[], bool], job: JobProcess) -> None:
    """Wait until the job has reached something; fail if it ends first."""
    while not reached():
        assert not job.ends_within(0.005), f"ended too early\n{job.said}"


def report(tally: Tally, targets: list[str], seconds: float) -> None:
    """Print the kills by step and target, and their outcome."""
    kills = tally.steps.total()
    print(f"{'killed at':40}" + "".join(f"{target:>16}" for target in targets))
    for step in Step:
        print(f"{step:40}" + "".join(f"{tally.steps[target, step] or '':>16}" for target in targets))
    print(f"{kills} kills, {tally.rounds} rounds, {tally.lost} rows lost, {tally.twice} counted twice")
    if kills:
        print(f"{seconds:.0f} s, {seconds / kills:.1f} s a kill")


if __name__ == "__main__":
    sys.exit(main())
