"""Export subscriptions: checked and kept. :mod:`pubsublite_emulator.exporter` delivers them.

The rules are those of ExportConfig in pubsublite/v1/common.proto.
"""

from __future__ import annotations

import re

from pubsublite_emulator.catalog import Resource
from pubsublite_emulator.errors import Code, LiteError, invalid
from pubsublite_emulator.paths import Path, parse
from pubsublite_emulator.schema import Message

ACTIVE, PAUSED, PERMISSION_DENIED, NOT_FOUND = 1, 2, 3, 4
_DESTINATION = re.compile(r"projects/[^/]+/topics/[^/]+")


def settle(path: Path, body: Message) -> None:
    """Set the current state of the export subscription ``body`` to the one desired.

    Raise INVALID_ARGUMENT for a state, a destination or a topic of dead letters that cannot be.
    """
    config = body.export_config
    if config.desired_state not in (ACTIVE, PAUSED):
        raise invalid(f"export_config.desired_state is {config.desired_state}: expected ACTIVE or PAUSED")
    destination = config.pubsub_config.topic
    if not _DESTINATION.fullmatch(destination):
        raise invalid(
            f"export_config.pubsub_config.topic {destination!r}: expected projects/PROJECT/topics/TOPIC"
        )
    if config.dead_letter_topic:
        letters = parse(config.dead_letter_topic, "topics")
        if letters.location != path.location:
            raise invalid(f"export_config.dead_letter_topic {letters}: expected a topic in {path.location}")
    config.current_state = config.desired_state


def refuse_readers(subscription: Resource) -> None:
    """Raise FAILED_PRECONDITION if a client wants to read an export subscription."""
    if subscription.body.HasField("export_config"):
        raise LiteError(
            Code.FAILED_PRECONDITION,
            f"{subscription.path} is an export subscription: read its destination, or another subscription",
        )
