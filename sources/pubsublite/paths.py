"""The paths of a stream in Pub/Sub Lite, and the errors for one that is missing or unreachable."""

from __future__ import annotations

import os

from sources.base import SourceError
from sources.catalog import Stream
from sources.pubsublite.options import EMULATOR, LiteOptions

ANSWER_SECONDS = 20
"""Seconds without an answer after which the service counts as unreachable."""
ENVIRONMENT = 'eval "$(python -m pubsublite_emulator env)"'


def parent(options: LiteOptions) -> str:
    """Return the path that contains topics and subscriptions; raise SourceError without a project."""
    project = options.pubsublite_project or ("1" if os.environ.get(EMULATOR) else None)
    if project is None:
        raise SourceError(
            "--pubsublite-project is missing",
            expected="the project's number",
            remedy="gcloud projects describe ID --format='value(projectNumber)'",
        )
    return f"projects/{project}/locations/{options.pubsublite_location}"


def topic_path(stream: Stream, options: LiteOptions) -> str:
    """Return the path of the stream's topic."""
    return f"{parent(options)}/topics/{stream.topic}"


def subscription_path(stream: Stream, options: LiteOptions) -> str:
    """Return the path of the stream's subscription."""
    return f"{parent(options)}/subscriptions/{subscription(stream, options)}"


def subscription(stream: Stream, options: LiteOptions) -> str:
    """Return the name of the stream's subscription: the catalog's, or the reader's separate one."""
    suffix = options.pubsublite_subscription_suffix
    return f"{stream.subscription}-{suffix}" if suffix else stream.subscription


def region(options: LiteOptions) -> str:
    """Return the region whose endpoint serves the location."""
    return "-".join(str(options.pubsublite_location).split("-")[:2])


def missing(what: str, stream: Stream, options: LiteOptions) -> SourceError:
    """Return the error for a subscription or topic that does not exist."""
    place = f"--location={options.pubsublite_location}"
    flags = f"--pubsublite-project {parent(options).split('/')[1]} --pubsublite-location {place[11:]}"
    if suffix := options.pubsublite_subscription_suffix:
        flags += f" --pubsublite-subscription-suffix {suffix}"
    return SourceError(
        f"no {what}",
        expected="it to exist",
        remedy=(
            f"twinstream create --source pubsublite {flags}, or gcloud pubsub "
            f"lite-subscriptions create {subscription(stream, options)} --topic={stream.topic} "
            f"{place} --starting-offset=beginning"
        ),
    )


def unreachable(options: LiteOptions, reason: object) -> SourceError:
    """Return the error for a service that does not answer as it should."""
    if emulator := os.environ.get(EMULATOR):
        expected = f"the emulator at {emulator}"
        remedy = f"python -m pubsublite_emulator serve, then {ENVIRONMENT}"
    else:
        expected = f"Pub/Sub Lite in {region(options)} to accept the application default credentials"
        remedy = f"gcloud auth application-default login, or for an emulator {ENVIRONMENT}"
    return SourceError(
        f"{parent(options)}: {' '.join(str(reason).split())}",
        expected=expected,
        remedy=remedy,
    )
