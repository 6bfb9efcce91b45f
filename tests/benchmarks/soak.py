"""A job with a week behind it, beside one on a fresh table: as quick, as small, and no hungrier at the end.

    python -m tests.benchmarks.soak [--real-minutes 60]
    python -m tests.benchmarks.soak --compose [--real-minutes 60]

The traces of `--batches` batches (a week's worth at one every five seconds) are created quickly. Then both
jobs run on one broker with compose's settings, fed through the emulator, with the page open on the old one.
`--compose` looks at the product's own containers instead (`soak_compose`). The exit code is 1 if a limit is
exceeded.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.benchmarks import soak_compose, week
from tests.benchmarks.measured import ROOT, group_memory
from tests.dashboard.served import chromium, opened, serving
from tests.support.kafka_broker import KafkaBroker
from tests.support.process import JobProcess

JOB = "streaming_product_discounts"
CHECKPOINT = Path("checkpoints", JOB, "kafka")
RATIO, FLAT, FILES, BYTES = 1.2, 1.1, 5_000, 100_000_000
"""Limits: batch time over a fresh table's, memory over that before; files and bytes without dead letters."""
LETTER_FILES = 4
"""Files that the dead letters of one batch take."""
JAVA = {
    "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=128m",
    "_JAVA_OPTIONS": "-Xmx704m",  # half of what compose gives the container
}


def main() -> int:
    """Print the figures; return 1 if one is beyond its limit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--real-minutes", type=float, default=60)
    parser.add_argument("--batches", type=int, default=week.WEEK)
    parser.add_argument("--compose", action="store_true")
    options = parser.parse_args()
    if options.compose:
        return soak_compose.run(options.real_minutes)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(KafkaBroker())
        emulator = stack.enter_context(fed(broker, folder))
        aged, fresh = folder / "aged", folder / "fresh"
        begin(broker, aged)
        begun = time.monotonic()
        letters = age(aged, options.batches)
        print(
            f"{options.batches:,} batches made in {time.monotonic() - begun:.0f} s: {told(aged)}", flush=True
        )
        old = stack.enter_context(job(broker, aged, "5 seconds"))
        new = stack.enter_context(job(broker, fresh, "5 seconds"))
        for one in (old, new):
            one.wait_for(r" batch=\d+ in=[1-9]", 300)
        address, page = stack.enter_context(serving(aged))
        opened(stack.enter_context(chromium()), address)
        groups = {"job": old.group, "emulator": emulator, "page": page}
        memory = watched(groups, timedelta(minutes=options.real_minutes))
        medians = [median(place, options.real_minutes) for place in (aged, fresh)]
        return report(aged, letters, medians, memory)


@contextmanager
def fed(broker: KafkaBroker, folder: Path) -> Iterator[int]:
    """Publish the shop's traffic through an emulator over the broker; yield the emulator's process group."""
    directory = str(folder / "lite")
    storage = f"--storage=kafka://{broker.bootstrap}"
    lite = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **{"TWINSTREAM_SOURCE": "pubsublite", "LITE_DIRECTORY": directory},
        **{"TWINSTREAM_PUBSUBLITE_PROJECT": "1", "TWINSTREAM_PUBSUBLITE_LOCATION": "us-central1-a"},
    }
    serve = ["-m", "pubsublite_emulator", "serve", storage, "--directory", directory, "--log-level=ERROR"]
    emulator = subprocess.Popen([sys.executable, *serve], stdout=subprocess.PIPE, start_new_session=True)
    assert emulator.stdout
    publish = ["publish", "--scenario=shop", "--rate=real-time", "--count=unlimited", "--history-minutes=20"]
    try:
        emulator.stdout.readline()  # the emulator is ready
        sources = ["sh", "docker/with-lite", "python", "-m", "sources"]
        environment = {**os.environ, **lite}
        subprocess.run([*sources, "create"], cwd=ROOT, env=environment, check=True)
        publisher = subprocess.Popen(
            [*sources, *publish], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        )
        try:
            yield emulator.pid
        finally:
            publisher.terminate()
            publisher.wait(60)
    finally:
        emulator.terminate()
        emulator.wait(60)
        emulator.stdout.close()


def job(broker: KafkaBroker, place: Path, trigger: str) -> JobProcess:
    """Start the job as compose does, with everything it writes below `place`."""
    return JobProcess(
        JOB,
        *("--source=kafka", f"--kafka-bootstrap-servers={broker.bootstrap}", f"--trigger={trigger}"),
        *("--output-mode=update", "--sink=delta", f"--sink-path={place / 'results' / JOB}"),
        *(f"--checkpoint-root={place / 'checkpoints'}", f"--dead-letter-dir={place / 'dead-letters'}"),
        *(f"--progress-dir={place / 'progress'}", "--watermark=10 seconds"),
        environment=JAVA,
    )


def begin(broker: KafkaBroker, place: Path) -> None:
    """Run the job until its state has snapshots, then stop it."""
    with job(broker, place, "continuous-batches") as started:
        deadline = time.monotonic() + 600
        while not week.has_snapshots(place / CHECKPOINT):
            assert not started.ends_within(1), started.said
            assert time.monotonic() < deadline, "no snapshot of the state"
        started.terminate()
        assert started.wait() == 0, started.said


def age(place: Path, batches: int) -> int:
    """Create the traces of that many batches; return how many of them have dead letters."""
    contract = json.loads((place / CHECKPOINT / "twinstream.json").read_text())
    first = max(
        int(file.name) for file in (place / CHECKPOINT / "offsets").iterdir() if file.name.isdecimal()
    )
    week.age_table(place / "results" / JOB, batches)
    week.age_checkpoint(place / CHECKPOINT, batches)
    letters = place / "dead-letters" / JOB / "kafka" / contract["application"]
    week.age_dead_letters(letters, first + 1, batches)
    week.age_progress(place / "progress", JOB, first + 1, batches)
    return batches


def watched(groups: dict[str, int], span: timedelta) -> dict[str, list[int]]:
    """Return the memory of process groups, sampled every ten seconds; fail if one is gone."""
    seen: dict[str, list[int]] = {name: [] for name in groups}
    ends = time.monotonic() + span.total_seconds()
    while time.monotonic() < ends:
        time.sleep(10)
        for name, group in groups.items():
            seen[name].append(group_memory(group))
            assert seen[name][-1], f"{name} has ended"
    return seen


def median(place: Path, minutes: float) -> float:
    """Return the median seconds of the last quarter's batches that had input."""
    since = datetime.now(UTC) - timedelta(minutes=minutes / 4)
    lines = map(json.loads, (place / "progress" / f"{JOB}.jsonl").read_text().splitlines())
    recent = [one for one in lines if one["in"] and datetime.fromisoformat(one["time"]) >= since]
    print(f"{place.name}: {len(recent)} batches, the last is {recent[-1]['batch']:,}")
    return float(statistics.median(one["seconds"] for one in recent))


def report(place: Path, letters: int, medians: list[float], memory: dict[str, list[int]]) -> int:
    """Print each figure and its limit; return 1 if a limit is exceeded."""
    aged, fresh = medians
    missed = [not within("batch, aged / fresh", aged / fresh, RATIO, f"{aged:.2f} s / {fresh:.2f} s")]
    for name, seen in memory.items():
        quarter = max(len(seen) // 4, 1)
        before, after = (
            statistics.median(part) / 2**20 for part in (seen[quarter : 2 * quarter], seen[-quarter:])
        )
        text = f"{before:.0f} MiB, then {after:.0f} MiB"
        missed.append(not within(f"memory of the {name}, last / second quarter", after / before, FLAT, text))
    kept = [folder for folder in folders(place) if folder.name != "dead-letters"]
    files, size = (sum(of(folder) for folder in kept) for of in (count, weight))
    missed.append(not within("files", files, FILES, told(place)))
    missed.append(not within("bytes", size, BYTES, ""))
    dead = count(place / "dead-letters") / max(letters, 1)
    missed.append(not within("files of a batch's dead letters", dead, LETTER_FILES * 1.1, ""))
    return int(any(missed))


def within(name: str, figure: float, limit: float, text: str) -> bool:
    """Print a figure with its limit; return whether the limit is kept."""
    print(f"{name:48} {figure:14,.2f}  (limit {limit:,}) {text}", flush=True)
    return figure <= limit


def told(place: Path) -> str:
    """Return the number of files and bytes of everything below `place`, by folder."""
    return ", ".join(
        f"{folder.name} {count(folder):,} files {weight(folder) / 1e6:.1f} MB" for folder in folders(place)
    )


def folders(place: Path) -> list[Path]:
    """Return the folders that the job writes; the page's log lies beside them."""
    return sorted(folder for folder in place.iterdir() if folder.is_dir())


def count(folder: Path) -> int:
    """Return the number of files below a folder."""
    return _sum(folder, lambda _: 1)


def weight(folder: Path) -> int:
    """Return the number of bytes below a folder."""
    return _sum(folder, lambda entry: entry.stat().st_size)


def _sum(folder: Path, of: Callable[[os.DirEntry[str]], int]) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                total += _sum(Path(entry.path), of) if entry.is_dir() else of(entry)
            except FileNotFoundError:
                continue  # the job is deleting old files
    return total


if __name__ == "__main__":
    sys.exit(main())
