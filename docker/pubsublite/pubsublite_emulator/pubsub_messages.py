"""A Lite message as a Pub/Sub message: what each field becomes, and what Pub/Sub does not take.

The key becomes the ordering key. The event time becomes the attribute in which Google's Java and Go clients
of Lite carry it (java-pubsublite MessageTransforms, google-cloud-go pscompat). Pub/Sub's rules are those of
PubsubMessage in pubsub/v1/pubsub.proto and of cloud.google.com/pubsub/quotas.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass

from pubsublite_emulator.schema import Message

EVENT_TIME = "x-goog-pubsublite-event-time-timestamp-proto"
_MESSAGE_BYTES = 10_000_000
_ATTRIBUTES = 100
_NAME_BYTES = 256
_VALUE_BYTES = _KEY_BYTES = 1024


class NotForPubsub(ValueError):
    """A message that Pub/Sub cannot hold; the text says what it does not take, and what it does."""


@dataclass(frozen=True, slots=True)
class PubsubMessage:
    """The fields that a publisher sets."""

    data: bytes
    attributes: dict[str, str]
    ordering_key: str


def converted(message: Message) -> PubsubMessage:
    """Return the Pub/Sub message for a Lite ``PubSubMessage``; raise NotForPubsub if there is none."""
    key = _text("the key", message.key, _KEY_BYTES)
    attributes = {name: _only(name, item.values) for name, item in message.attributes.items()}
    if EVENT_TIME in attributes:
        raise NotForPubsub(
            f"it has an attribute {EVENT_TIME}: expected none, because the event time takes it"
        )
    if message.HasField("event_time"):
        attributes[EVENT_TIME] = base64.b64encode(message.event_time.SerializeToString()).decode()
    if not message.data and not attributes:
        raise NotForPubsub("it is empty: expected data or an attribute")
    if len(attributes) > _ATTRIBUTES:
        raise NotForPubsub(f"it has {len(attributes)} attributes: expected at most {_ATTRIBUTES}")
    size = len(message.data) + len(message.key)
    size += sum(len(name.encode()) + len(value.encode()) for name, value in attributes.items())
    if size > _MESSAGE_BYTES:
        raise NotForPubsub(f"it has {size} bytes: expected at most {_MESSAGE_BYTES}")
    return PubsubMessage(message.data, attributes, key)


def _only(name: str, values: list[bytes]) -> str:
    if not 0 < len(name.encode()) <= _NAME_BYTES or name.startswith("goog"):
        expected = f"1 to {_NAME_BYTES} bytes, not beginning with goog"
        raise NotForPubsub(f"it has an attribute {name[:40]!r}: expected a name of {expected}")
    if len(values) != 1:
        raise NotForPubsub(f"attribute {name!r} has {len(values)} values: expected one")
    return _text(f"attribute {name!r}", values[0], _VALUE_BYTES)


def _text(what: str, value: bytes, most: int) -> str:
    if len(value) > most:
        raise NotForPubsub(f"{what} has {len(value)} bytes: expected at most {most}")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise NotForPubsub(f"{what} is not UTF-8: {value[:40]!r}") from None
