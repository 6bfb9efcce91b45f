"""The lines of Spark's offset log that are the streams' positions, as JSON; `-` for a stream never read.

Spark has a line for each source of the query, in the order of its plan (`pipeline.reads`). In earlier
releases, a query also returned its dead letters: lines for the job's streams, in the job's order, came after.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import SparkSession

from jobs.engine import files

_HEADER = 2
"""The lines before: a version and the batch's metadata."""


def positions(content: str, reads: Sequence[str], streams: Sequence[str]) -> dict[str, str]:
    """Return where each stream stands according to a file of the log; none for one never read.

    `reads`: the streams of the query's sources; empty in a checkpoint that still has lines for dead letters.
    `streams`: the job's.
    """
    lines = content.splitlines()[_HEADER:]
    ends = zip(reads, lines, strict=False) if reads else zip(streams, lines[-len(streams) :], strict=True)
    return {stream: line for stream, line in ends if line != "-"}


def drop_dead_letters(spark: SparkSession, checkpoint: str, sources: int) -> None:
    """Drop the lines for dead letters from the files that Spark reads at a start: the last two batches'.

    `sources`: how many the query has.
    """
    batches = sorted(int(name) for name in files.names(spark, f"{checkpoint}/offsets") if name.isdecimal())
    for batch in batches[-2:]:
        file = f"{checkpoint}/offsets/{batch}"
        lines = files.read_bytes(spark, file).splitlines()
        if len(lines) > _HEADER + sources:
            files.write_bytes(spark, file, b"\n".join(lines[: _HEADER + sources]))
