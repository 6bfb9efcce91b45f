"""What a source or a sink says of itself on Google Cloud: what a plan checks, creates and grants for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sources.catalog import Stream
from sources.fault import Fault


@dataclass(frozen=True)
class Cloud:
    """Where a job is promoted to; what is unknown is None.

    `root`: the folder of everything that belongs to twinstream in the bucket. `watermark`: the job's, a
    duration. `rehearsal`: the services are on this machine.
    """

    region: str
    subnet: str
    root: str
    watermark: str
    project: str | None = None
    project_number: str | None = None
    kafka_cluster: str | None = None
    rehearsal: bool = False


@dataclass(frozen=True)
class Service:
    """A Google service: its API, the roles that the job's account needs, and where and when that was read."""

    api: str
    roles: tuple[str, ...]
    source: str
    as_of: date


@dataclass(frozen=True)
class Creation:
    """Something to create once.

    `create` and `describe` are the words behind `gcloud`; `describe` fails if it does not exist.
    """

    purpose: str
    create: tuple[str, ...]
    describe: tuple[str, ...]


class Finding(Fault):
    """A reason not to go on (`refused`), or something to know before (`warning`).

    `what`: the value that is wrong. `why`: what was expected and the reason. `remedy`: what to type.
    """

    def __init__(self, kind: Literal["refused", "warning"], what: str, why: str, remedy: str) -> None:
        super().__init__(f"{kind}: {what}: {why}", remedy=remedy)
        self.kind, self.what, self.why = kind, what, why

    def fields(self) -> dict[str, str]:
        """Return the finding for programs: `kind`, `what`, `why` and `remedy`."""
        return {"kind": self.kind, "what": self.what, "why": self.why, "remedy": self.remedy}


def refused(what: str, why: str, remedy: str) -> Finding:
    """Return a finding that is a reason not to go on."""
    return Finding("refused", what, why, remedy)


def warning(what: str, why: str, remedy: str) -> Finding:
    """Return a finding that is only worth knowing."""
    return Finding("warning", what, why, remedy)


class OnGoogleCloud:
    """The needs of a source or sink on Google Cloud, given its own options; this one needs nothing."""

    def flags(self, options: Any, cloud: Cloud) -> Sequence[str]:
        """Return the job's flags that follow from where it goes; the user's own come after them and win."""
        return ()

    def findings(self, options: Any, cloud: Cloud) -> Iterable[Finding]:
        """Yield what keeps it from working there, and what to know before."""
        return ()

    def services(self, options: Any, cloud: Cloud) -> Sequence[Service]:
        """Return the Google services that it uses."""
        return ()

    def clusters(self, options: Any, cloud: Cloud) -> Iterable[Creation]:
        """Yield the clusters that it runs on, which cost money while they exist."""
        return ()

    def streams(self, streams: Sequence[Stream], options: Any, cloud: Cloud) -> Iterable[Creation]:
        """Yield what the job's streams, or its results, need there."""
        return ()
