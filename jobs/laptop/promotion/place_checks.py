"""Checks that everything the job reads and writes can be reached from a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from jobs.engine import sink
from jobs.laptop.promotion.promotion import Promotion
from sources.google_cloud import Finding, refused


def source_and_sink(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Yield what the source and the sink say of themselves, each thing once."""
    found = [
        finding
        for place in promotion.places
        for finding in place.findings(promotion.options, promotion.cloud)
    ]
    yield from {str(finding): finding for finding in found}.values()


def folders_in_the_bucket(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse folders that do not outlive the cluster or that not all of its machines see."""
    for flag in _folders(promotion):
        path = getattr(promotion.options, flag.removeprefix("--").replace("-", "_"))
        if path and not path.startswith("gs://"):
            yield refused(
                f"{flag} {path}",
                "a folder of one machine or of a cluster, gone with it; expected gs://",
                f"{flag} gs://{promotion.target.bucket}/{path.rpartition('://')[2].strip('./') or 'folder'}",
            )


def sink_is_told(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse a sink that is not told where to write."""
    name = promotion.options.sink
    for flag in sink.load(name).FLAGS:
        if flag.example and not getattr(promotion.options, flag.dest):
            place = flag.example.format(root=promotion.target.root, job=promotion.job.name)
            yield refused(flag.name, f"not given; --sink {name} needs it", f"{flag.name} {place}")


def tables_there(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse static tables that cannot be staged from here."""
    for table in promotion.tables:
        if not table.file.is_file():
            yield refused(
                f"{table.flag} {table.file}",
                "no such file on this machine to stage; expected one, or a place in a bucket",
                f"{table.flag} FILE, or {table.flag} gs://{promotion.target.bucket}/…",
            )


def _folders(promotion: Promotion) -> Iterator[str]:
    yield from ("--checkpoint-root", "--dead-letter-dir")
    if sink.PATH in sink.load(promotion.options.sink).FLAGS:
        yield sink.PATH.name


CHECKS = (
    source_and_sink,
    folders_in_the_bucket,
    sink_is_told,
    tables_there,
)
