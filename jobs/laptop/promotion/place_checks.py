"""Checks that everything the job reads and writes can be reached from a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from jobs.engine.sink import PathOptions
from jobs.laptop.promotion.promotion import Promotion
from sources.flags import flags
from sources.google_cloud import Finding, refused, warning


def source_and_sink(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Yield what the source and the sink say of themselves, each thing once."""
    found = [
        finding for place, options in promotion.places for finding in place.findings(options, promotion.cloud)
    ]
    yield from {str(finding): finding for finding in found}.values()


def folders_in_the_bucket(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse folders that do not outlive the cluster or that not all of its machines see."""
    for flag, path in _folders(promotion).items():
        if path and not path.startswith("gs://"):
            yield refused(
                f"{flag} {path}",
                "a folder of one machine or of a cluster, gone with it; expected gs://",
                f"{flag} gs://{promotion.target.bucket}/{path.rpartition('://')[2].strip('./') or 'folder'}",
            )


def sink_is_told(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse a sink that is not told where to write."""
    sink = promotion.invocation.sink
    for flag in flags(sink.it.OPTIONS):
        if flag.example and not getattr(sink.options, flag.dest):
            place = flag.example.format(root=promotion.target.root, job=promotion.job.name)
            yield refused(flag.name, f"not given; --sink {sink.name} needs it", f"{flag.name} {place}")


def roles_are_granted(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Warn about roles that no account is granted, because the project or the account is unknown."""
    roles = [role for service in promotion.services for role in service.roles]
    target = promotion.target
    if not roles or (target.project and promotion.account):
        return
    missing = "--project-number" if target.project else "--project"
    remedies = {
        "--project": "--project ID (gcloud config get project)",
        "--project-number": f"--project-number $(gcloud projects describe {target.project} "
        "--format='value(projectNumber)'), or --service-account EMAIL",
    }
    yield warning(
        missing,
        f"not given, so --setup grants the machines' account nothing; the job needs {', '.join(roles)}",
        remedies[missing],
    )


def tables_there(promotion: Promotion, today: date) -> Iterator[Finding]:
    """Refuse static tables that cannot be staged from here."""
    for table in promotion.tables:
        if not table.file.is_file():
            yield refused(
                f"{table.flag} {table.file}",
                "no such file on this machine to stage; expected one, or a place in a bucket",
                f"{table.flag} FILE, or {table.flag} gs://{promotion.target.bucket}/…",
            )


def _folders(promotion: Promotion) -> dict[str, str | None]:
    """Return the folders that the job writes to, by flag."""
    options, sink = promotion.invocation.options, promotion.invocation.sink.options
    found = {"--checkpoint-root": options.checkpoint_root, "--dead-letter-dir": options.dead_letter_dir}
    return found | ({"--sink-path": sink.sink_path} if isinstance(sink, PathOptions) else {})


CHECKS = (
    source_and_sink,
    folders_in_the_bucket,
    sink_is_told,
    roles_are_granted,
    tables_there,
)
