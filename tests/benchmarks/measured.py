"""A command run to its end, with what it cost: every process that it starts counts."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Measured:
    """`wall` and `cpu` seconds of the whole command; `output`: the lines of both streams, with the time."""

    wall: float
    cpu: float
    output: list[tuple[float, str]]

    def batch_seconds(self) -> float:
        """Seconds in batches, as the `seconds=` of its lines say."""
        return sum(
            float(number) for _, line in self.output for number in re.findall(r" seconds=([\d.]+)", line)
        )

    def first(self, pattern: str) -> float:
        """Seconds from the start to the first line that matches."""
        return next(at for at, line in self.output if re.search(pattern, line))


def measure(*command: str) -> Measured:
    """Run `python COMMAND` in the checkout; raises CalledProcessError where it fails."""
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    output, cpu = [], 0.0
    for line in process.stdout:
        output.append((time.monotonic() - begun, line))
        cpu = max(cpu, group_cpu(process.pid))
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command, "".join(line for _, line in output))
    return Measured(time.monotonic() - begun, cpu, output)


def group_cpu(group: int) -> float:
    """CPU seconds so far of the living processes of a process group, their dead children included."""
    return sum(sum(map(int, fields[11:15])) for fields in _stats(group)) / TICKS


def group_memory(group: int) -> int:
    """Resident bytes of the living processes of a process group."""
    return sum(int(fields[21]) for fields in _stats(group)) * PAGE


def _stats(group: int) -> Iterator[list[str]]:
    """The fields of /proc/PID/stat behind the name, of every process of the group."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            yield fields


def line(name: str, values: Sequence[float], unit: str = "s") -> str:
    """Median, least and greatest of some runs."""
    return f"{name:44} {statistics.median(values):8.2f} {unit} (min {min(values):.2f}, max {max(values):.2f})"


def ratios(name: str, others: Sequence[float], ours: Sequence[float]) -> str:
    """The ratio other / ours, run by run: above 1, ours is faster."""
    return line(name, [other / own for other, own in zip(others, ours, strict=True)], "x")
