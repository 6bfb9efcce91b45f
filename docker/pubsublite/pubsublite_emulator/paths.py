"""Resource names. One emulator holds one project, whatever a client calls it.

The service accepts both the id and the number of a project, and clients mix them (gcloud replaces one with
the other), so the project part of a name identifies nothing here: it is kept for the answer and ignored in
look-ups.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pubsublite_emulator.errors import invalid

_NAME = re.compile(r"projects/([^/]+)/locations/([^/]+)/(topics|subscriptions|reservations)/([^/]+)")
_PARENT = re.compile(r"projects/([^/]+)/locations/([^/]+)")
# Cloud Pub/Sub's rule for ids (cloud.google.com/pubsub/docs/pubsub-basics#resource_names), because Lite
# documents none.
_ID = re.compile(r"(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}")
# region (us-central1) or zone (us-central1-a): java-pubsublite CloudRegionOrZone
_LOCATION = re.compile(r"[a-z0-9]+-[a-z0-9]+(-[a-z])?")


@dataclass(frozen=True, slots=True)
class Path:
    """``projects/{project}/locations/{location}/{kind}/{id}``; ``key`` leaves out the project."""

    project: str
    location: str
    kind: str
    id: str

    @property
    def key(self) -> str:
        """Return the part that identifies the resource: ``location/kind/id``."""
        return f"{self.location}/{self.kind}/{self.id}"

    def __str__(self) -> str:
        return f"projects/{self.project}/locations/{self.location}/{self.kind}/{self.id}"


@dataclass(frozen=True, slots=True)
class Parent:
    """``projects/{project}/locations/{location}``."""

    project: str
    location: str

    def child(self, kind: str, name: str) -> Path:
        """Return the path of resource ``name`` of ``kind``; raise INVALID_ARGUMENT as the service would."""
        if not _ID.fullmatch(name):
            raise invalid(
                f"{kind[:-1]} id {name!r}: expected a letter and 2 to 254 more of letters, digits and "
                "-_.~+%, not beginning with goog"
            )
        return Path(self.project, self.location, kind, name)


def parse(name: str, kind: str) -> Path:
    """Return the parts of ``name``; raise INVALID_ARGUMENT unless it is a full resource name of ``kind``."""
    match = _NAME.fullmatch(name)
    if match is None or match[3] != kind:
        raise invalid(f"{name!r}: expected projects/PROJECT/locations/LOCATION/{kind}/ID")
    return Path(*match.groups())


def parent(name: str) -> Parent:
    """Return the parts of ``name``.

    Raise INVALID_ARGUMENT unless it is ``projects/PROJECT/locations/LOCATION``, a region or a zone.
    """
    match = _PARENT.fullmatch(name)
    if match is None or not _LOCATION.fullmatch(match[2]):
        raise invalid(f"{name!r}: expected projects/PROJECT/locations/LOCATION, a region or a zone")
    return Parent(match[1], match[2])


def in_project(name: str, project: str) -> str:
    """Return ``name`` as a client that calls the project ``project`` writes it."""
    return re.sub(r"^projects/[^/]+/", f"projects/{project}/", name)
