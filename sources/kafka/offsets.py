"""Offsets of a Kafka checkpoint, and those of them that retention has deleted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

Offsets = Mapping[str, Mapping[int, int]]
"""Offsets by topic and partition."""


def next_offsets(positions: Iterable[str]) -> dict[str, dict[int, int]]:
    """Return where a checkpoint continues: the smallest offset of each partition in Spark's own JSON."""
    found: dict[str, dict[int, int]] = {}
    for position in positions:
        for topic, partitions in json.loads(position).items():
            known = found.setdefault(topic, {})
            for partition, offset in partitions.items():
                known[int(partition)] = min(offset, known.get(int(partition), offset))
    return found


def gone(going_on: Offsets, oldest: Offsets) -> str:
    """Return which offsets that a checkpoint has not read yet are no longer retained; "" if all are."""
    lost = [
        f"{oldest[topic][partition] - offset} events of {topic}'s partition {partition} "
        f"(offsets {offset} to {oldest[topic][partition] - 1})"
        for topic, partitions in sorted(going_on.items())
        for partition, offset in sorted(partitions.items())
        if offset < oldest.get(topic, {}).get(partition, 0)
    ]
    return ", ".join(lost)
