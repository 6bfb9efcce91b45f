"""How Google's Kafka Connect source maps a message, and what the migration to Kafka does not keep.

Source: github.com/googleapis/java-pubsub-group-kafka-connector, README "Schema support and data model" and
`source/PollerImpl.java`; for the client-side route, `cloudpubsub/internal/Kafka*.java` of java-pubsublite
1.17.0.
"""

from __future__ import annotations

FIELDS = (
    ("key", "key; an empty one is null"),
    ("data", "value"),
    ("attributes", "headers, one a value"),
    ("event_time", "timestamp"),
    ("publish_time", "timestamp, where there is no event_time"),
    ("partition", "chosen by Kafka's hash of the key, not by Pub/Sub Lite's"),
    ("offset", "-"),
)
"""A message's fields on Pub/Sub Lite and their counterparts on Kafka."""

LOSSES = (
    "Partitions and offsets are not carried over: the Kafka topic has its own.",
    "Of event_time and publish_time one is carried: on Kafka published_at and event_at are the same, so an "
    "event that was stamped --max-future-skew before its own time becomes a dead letter.",
    "Times are cut to milliseconds; an event time that Google's Java client writes with its MANAGED_KAFKA "
    "backend is cut to whole seconds.",
    "Order is kept for each key only, and not where a publisher moves to Kafka while the connector copies.",
    "The connector repeats messages after a failure; an event is known again within --watermark.",
    "The checkpoint is not carried over: the new run rebuilds open windows from the overlap.",
    "Lateness depends on what came before an event, so one near the switch may be judged otherwise: dropped "
    "by the old run it may count in a window of the new one. Where a Kafka partition lags behind another by "
    "more than --watermark, its events are late: let the connector catch up before the new run starts.",
)
"""Things to know before the cut-over; none of them counts an event twice."""
