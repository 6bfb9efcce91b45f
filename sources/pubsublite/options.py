"""The `--pubsublite-…` flags, and what a user of Google's connector has to know."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from typing import ClassVar

from sources.choice import OwnOptions
from sources.flags import flag

EMULATOR = "PUBSUBLITE_EMULATOR_HOST"
"""The variable that leads Google's clients to an emulator."""
_LOCATION = re.compile(r"[a-z0-9]+-[a-z0-9]+(-[a-z])?")
_SUFFIX = re.compile(r"[A-Za-z0-9._~%+-]{1,200}")


def _project(text: str) -> str:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected the project's number, because Google's connector takes no id; "
            f"remedy: gcloud projects describe {text} --format='value(projectNumber)'"
        )
    return text


def _location(text: str) -> str:
    if not _LOCATION.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected a zone like us-central1-a or a region like us-central1"
        )
    return text


def _suffix(text: str) -> str:
    if not _SUFFIX.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected letters, digits and -._~%+, like notebook")
    return text


@dataclass(frozen=True)
class LiteOptions(OwnOptions):
    """The options of Pub/Sub Lite."""

    ABOUT: ClassVar[str] = (
        "A new checkpoint starts at the subscription's committed cursor, or at the oldest message if there "
        "is none (--kafka-starting is for Kafka). A later run starts where its checkpoint ends, whatever is "
        "committed. A running query sees new messages once a minute, because the connector caches the end "
        "of each partition for that long; with --trigger available-now, a run reads everything there is at "
        "its start. A batch is committed when the next one begins, so the last batch of a stopped run stays "
        "uncommitted. The size of a batch is not limited, because after a restart the connector's "
        "maxmessagesperbatch can skip or repeat messages; its other flow control options are not set "
        "either. A subscription serves one query and no other subscriber: two disconnect each other, so "
        "give a second query --pubsublite-subscription-suffix. There is no --sink pubsublite, because the "
        "connector cannot write on Spark 3.5 (AbstractMethodError: useCommitCoordinator)."
    )

    pubsublite_project: str | None = flag(
        f"project number (not the id); optional if {EMULATOR} is set", parse=_project
    )
    pubsublite_location: str = flag(
        "zone or region of the topics and subscriptions", default="us-central1-a", parse=_location
    )
    pubsublite_subscription_suffix: str | None = flag(
        "read from the subscription STREAM-subscription-SUFFIX; `create` with this flag creates it",
        parse=_suffix,
    )
