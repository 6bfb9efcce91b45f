"""A command run to its end, and its cost, including every process that it starts."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Measured:
    """`wall` and `cpu` seconds of the whole command, and its peak `memory` in bytes.

    `output`: the lines of both streams, with the time.
    """

    wall: float
    cpu: float
    memory: int
    output: list[tuple[float, str]]

    def batch_seconds(self) -> float:
        """Return the seconds spent in batches, by the `seconds=` of their lines."""
        return sum(
            float(number) for _, line in self.output for number in re.findall(r" seconds=([\d.]+)", line)
        )

    def first(self, pattern: str) -> float:
        """Return the seconds from the start to the first line that matches."""
        return next(at for at, line in self.output if re.search(pattern, line))


def measure(*command: str, checkout: Path = ROOT) -> Measured:
    """Run a command in a checkout, its memory sampled at each line; raise CalledProcessError if it fails."""
    begun = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    output, cpu, memory = [], 0.0, 0
    for line in process.stdout:
        output.append((time.monotonic() - begun, line))
        cpu, memory = max(cpu, group_cpu(process.pid)), max(memory, group_memory(process.pid))
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command, "".join(line for _, line in output))
    return Measured(time.monotonic() - begun, cpu, memory, output)


def group_cpu(group: int) -> float:
    """Return the CPU seconds so far of a process group's living processes, including their dead children."""
    return sum(sum(map(int, fields[11:15])) for fields in _stats(group)) / TICKS


def group_memory(group: int) -> int:
    """Return the resident bytes of a process group's living processes."""
    return sum(int(fields[21]) for fields in _stats(group)) * PAGE


def _stats(group: int) -> Iterator[list[str]]:
    """Yield the fields of /proc/PID/stat after the name, for every process of the group."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            yield fields


def line(name: str, values: Sequence[float], unit: str = "s") -> str:
    """Return the median, minimum and maximum of some runs as a line."""
    return f"{name:44} {statistics.median(values):8.2f} {unit} (min {min(values):.2f}, max {max(values):.2f})"


def ratios(name: str, others: Sequence[float], ours: Sequence[float]) -> str:
    """Return the ratio other / ours, run by run, as a line; above 1, ours is faster."""
    return line(name, [other / own for other, own in zip(others, ours, strict=True)], "x")
