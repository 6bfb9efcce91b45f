"""The logical streams, defined once for compose, the emulator, the promotion plan and the jobs."""

from __future__ import annotations

from dataclasses import dataclass

PARTITIONS = 2
"""Partitions of a stream's topic, unless another number is requested."""

LITE_PARTITION_BYTES = 30 << 30
"""Retention of a Lite partition: the service's minimum (python-pubsublite, create_lite_topic_example.py)."""
LITE_PUBLISH_MIB, LITE_SUBSCRIBE_MIB = 4, 8
"""MiB per second of a Lite partition: the minimum to publish, and gcloud's default to subscribe."""

TOPIC_SUFFIX = "-topic"
SUBSCRIPTION_SUFFIX = "-subscription"

ORDER_FIELDS = ("quantity", "unit_price")


@dataclass(frozen=True)
class Stream:
    """One logical stream of events.

    Every event has `event_id`, `user_id`, `product_id` and `event_time`; `order_fields` names its further
    fields: `quantity` (integer >= 1) and `unit_price` (decimal >= 0 with at most two decimals), or none.
    """

    name: str
    order_fields: tuple[str, ...] = ()

    @property
    def topic(self) -> str:
        """Return the name of the Kafka topic, which is also the Pub/Sub Lite topic."""
        return self.name + TOPIC_SUFFIX

    @property
    def subscription(self) -> str:
        """Return the name of the Pub/Sub Lite subscription to `topic`."""
        return self.name + SUBSCRIPTION_SUFFIX


PRODUCT = Stream("product-stream", ORDER_FIELDS)
BROWSING = Stream("browsing-stream")
PURCHASE = Stream("purchase-stream", ORDER_FIELDS)
STREAMS = {stream.name: stream for stream in (PRODUCT, BROWSING, PURCHASE)}


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a keyed message: Kafka's default, positive murmur2(key) modulo `partitions`.

    Every publisher here passes it explicitly, so an event has the same partition in a replay file, on Kafka
    and on Pub/Sub Lite, which is also the one that any Java producer gives it.
    Source: `Utils.murmur2` of Apache Kafka's clients.
    """
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    mask, multiplier = 0xFFFFFFFF, 0x5BD1E995
    state = (0x9747B28C ^ len(data)) & mask
    whole = len(data) - len(data) % 4
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * multiplier & mask
        word = (word ^ (word >> 24)) * multiplier & mask
        state = (state * multiplier & mask) ^ word
    if tail := data[whole:]:
        state = (state ^ int.from_bytes(tail, "little")) * multiplier & mask
    state = (state ^ (state >> 13)) * multiplier & mask
    return state ^ (state >> 15)
