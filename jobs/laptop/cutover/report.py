"""A planned cut-over as text for people and as JSON for programs."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from jobs.laptop.cutover.cutover import Cutover
from jobs.laptop.cutover.lite_progress import LiteProgress
from jobs.laptop.cutover.mapping import FIELDS, LOSSES
from jobs.laptop.promotion.step import quoted
from jobs.sinks.console import table
from sources import instants


def show(plan: Cutover, form: str) -> None:
    """Print the plan: findings on standard error, the rest on standard output, or everything as JSON.

    As `flags`, the rest is one line that a shell can evaluate.
    """
    if form == "json":
        print(json.dumps(described(plan), indent=1))
        return
    for finding in plan.findings:
        print(finding, file=sys.stderr)
    if form == "flags":
        print(*map(quoted, plan.flags))
    elif plan.found:
        print("\n".join([*_standing(plan, plan.found), *_fields(), *_commands(plan)]))


def described(plan: Cutover) -> dict[str, object]:
    """Return everything known about the plan, with times as RFC 3339."""
    found = plan.found
    return {
        "job": plan.migration.job.name,
        "refused": plan.refused,
        "findings": [finding.fields() for finding in plan.findings],
        "batch": found.batches.last if found else None,
        "watermark": _text(found.batches.watermark if found else None),
        "partitions": [{**asdict(one), "unread": one.unread} for one in found.partitions] if found else [],
        "finished": _text(found.finished if found else None),
        "finished_by": found.by if found else None,
        "start": _text(plan.start),
        "sections": [asdict(section) for section in plan.sections],
        "fields": dict(FIELDS),
        "losses": list(LOSSES),
    }


def _standing(plan: Cutover, found: LiteProgress) -> Iterator[str]:
    yield f"# Where {plan.migration.job.name} on Pub/Sub Lite stands"
    header = ["stream", "partition", "processed", "committed cursor", "head", "not yet read"]
    yield from table(
        header,
        [
            (
                one.stream,
                *(_cell(v) for v in (one.partition, one.processed, one.committed, one.head, one.unread)),
            )
            for one in found.partitions
        ],
    )
    begun = ", one more begun" if found.batches.begun else ""
    watermark = _cell(_text(found.batches.watermark))
    yield f"last committed batch: {_cell(found.batches.last)}{begun}; its watermark: {watermark}"
    yield f"finished: windows up to {_cell(_text(found.finished))}, by {found.by}"
    if plan.start:
        emission, skew = (
            plan.migration.job.emission(plan.migration.old.own),
            plan.migration.old.options.max_future_skew,
        )
        less = f"less {emission.look_back} (windows, joins) less {skew} (--max-future-skew)"
        yield f"start on Kafka: {_text(plan.start)}, which is that {less}"
    else:
        yield "start on Kafka: the oldest event, because no window is finished"
    yield ""


def _fields() -> Iterator[str]:
    yield "# What Google's Kafka Connect source makes of a message"
    yield from table(["Pub/Sub Lite", "Kafka"], list(FIELDS))
    yield ""
    yield "# What is lost"
    for loss in LOSSES:
        yield from textwrap.wrap(loss, 100, initial_indent="- ", subsequent_indent="  ")
    yield ""


def _commands(plan: Cutover) -> Iterator[str]:
    for section in plan.sections:
        yield f"# {section.title}"
        for step in section.steps:
            yield from step.lines
        yield ""


def _text(time: datetime | None) -> str | None:
    return instants.text(time) if time else None


def _cell(value: object) -> str:
    return "none" if value is None else str(value)
