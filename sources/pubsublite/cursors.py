"""The end offsets of a Pub/Sub Lite topic, and the committed cursors of a subscription to it."""

from __future__ import annotations

from sources.catalog import Stream
from sources.pubsublite.client_library import pubsublite_v1
from sources.pubsublite.options import LiteOptions
from sources.pubsublite.paths import ANSWER_SECONDS, missing, subscription_path, topic_path
from sources.pubsublite.resources import admin_client, asked, endpoint, partition_count


def heads(stream: Stream, options: LiteOptions) -> dict[int, int]:
    """Return the end offset of each partition; raise SourceError if the service does not answer."""
    with admin_client(options) as admin:
        count = partition_count(admin, stream, options)
    path = topic_path(stream, options)
    client = pubsublite_v1().TopicStatsServiceClient
    with asked(options, lambda: client(client_options=endpoint(options))) as stats:
        requests = ({"topic": path, "partition": partition} for partition in range(count))
        answers = asked(
            options, lambda: [stats.compute_head_cursor(one, timeout=ANSWER_SECONDS) for one in requests]
        )
    return {partition: int(answer.head_cursor.offset) for partition, answer in enumerate(answers)}


def committed(stream: Stream, options: LiteOptions) -> dict[int, int]:
    """Return the next offset of each partition for which the subscription has a cursor.

    Raise SourceError if the service does not answer or has no such subscription.
    """
    from google.api_core.exceptions import NotFound

    path, client = subscription_path(stream, options), pubsublite_v1().CursorServiceClient
    with asked(options, lambda: client(client_options=endpoint(options))) as cursors:
        try:
            answer = asked(
                options,
                lambda: list(cursors.list_partition_cursors(parent=path, timeout=ANSWER_SECONDS)),
            )
        except NotFound:
            raise missing(f"subscription {path}", stream, options) from None
    return {int(one.partition): int(one.cursor.offset) for one in answer}
