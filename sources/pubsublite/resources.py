"""Topics and subscriptions of Pub/Sub Lite, by Google's AdminServiceClient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sources.catalog import (
    LITE_PARTITION_BYTES,
    LITE_PUBLISH_MIB,
    LITE_SUBSCRIBE_MIB,
    PARTITIONS,
    Stream,
)
from sources.pubsublite.client_library import pubsublite_v1
from sources.pubsublite.options import LiteOptions
from sources.pubsublite.paths import (
    ANSWER_SECONDS,
    missing,
    region,
    subscription_path,
    topic_path,
    unreachable,
)

if TYPE_CHECKING:
    from google.cloud.pubsublite_v1 import AdminServiceClient

_Answer = TypeVar("_Answer")


def endpoint(options: LiteOptions) -> dict[str, str]:
    """Return client options for the region's own endpoint, the one that serves its topics."""
    return {"api_endpoint": f"dns:///{region(options)}-pubsublite.googleapis.com"}


def admin_client(options: LiteOptions) -> AdminServiceClient:
    """Return a client of the location's region; raise SourceError without credentials."""
    client: type[AdminServiceClient] = pubsublite_v1().AdminServiceClient
    return asked(options, lambda: client(client_options=endpoint(options)))


def asked(options: LiteOptions, ask: Callable[[], _Answer]) -> _Answer:
    """Return what `ask` returns; raise SourceError for its errors except NotFound and AlreadyExists."""
    from google.api_core.exceptions import AlreadyExists, GoogleAPICallError, NotFound, RetryError
    from google.auth.exceptions import GoogleAuthError

    try:
        return ask()
    except (NotFound, AlreadyExists):
        raise
    except (GoogleAPICallError, GoogleAuthError, RetryError) as failure:
        raise unreachable(options, getattr(failure, "message", failure)) from None


def create(streams: Sequence[Stream], options: LiteOptions) -> list[str]:
    """Create the topics and subscriptions that do not exist yet, and return their names.

    A subscription starts at the oldest message. Raise SourceError if the service refuses.
    """
    from google.api_core.exceptions import AlreadyExists

    made = []
    with admin_client(options) as admin:
        for stream in streams:
            with suppress(AlreadyExists):
                made.append(asked(options, partial(_create_topic, admin, stream, options)))
            with suppress(AlreadyExists):
                made.append(create_subscription(admin, stream, subscription_path(stream, options), options))
    return made


def create_subscription(
    admin: AdminServiceClient, stream: Stream, path: str, options: LiteOptions, *, skip_backlog: bool = False
) -> str:
    """Create a subscription to the stream's topic, and return its name.

    It starts at the oldest message or, with `skip_backlog`, from now on. Raise AlreadyExists if it exists,
    SourceError if the service refuses otherwise.
    """
    from google.api_core.exceptions import NotFound

    lite = pubsublite_v1()
    immediately = lite.Subscription.DeliveryConfig.DeliveryRequirement.DELIVER_IMMEDIATELY
    subscription = lite.Subscription(
        topic=topic_path(stream, options), delivery_config={"delivery_requirement": immediately}
    )
    parent, _, name = path.partition("/subscriptions/")
    request = lite.CreateSubscriptionRequest(
        parent=parent, subscription=subscription, subscription_id=name, skip_backlog=skip_backlog
    )
    try:
        asked(options, lambda: admin.create_subscription(request, timeout=ANSWER_SECONDS))
    except NotFound:
        raise missing(f"topic {topic_path(stream, options)}", stream, options) from None
    return name


def renew_subscription(stream: Stream, options: LiteOptions) -> None:
    """Recreate the stream's subscription, from now on; raise SourceError if the service refuses."""
    from google.api_core.exceptions import NotFound

    path = subscription_path(stream, options)
    with admin_client(options) as admin:
        with suppress(NotFound):
            asked(options, lambda: admin.delete_subscription(name=path, timeout=ANSWER_SECONDS))
        create_subscription(admin, stream, path, options, skip_backlog=True)


def partition_count(admin: AdminServiceClient, stream: Stream, options: LiteOptions) -> int:
    """Return the number of partitions of the stream's topic; raise SourceError if it does not exist."""
    from google.api_core.exceptions import NotFound

    path = topic_path(stream, options)
    try:
        answer = asked(options, lambda: admin.get_topic_partitions(name=path, timeout=ANSWER_SECONDS))
    except NotFound:
        raise missing(f"topic {path}", stream, options) from None
    return int(answer.partition_count)


def _create_topic(admin: AdminServiceClient, stream: Stream, options: LiteOptions) -> str:
    lite = pubsublite_v1()
    capacity = {"publish_mib_per_sec": LITE_PUBLISH_MIB, "subscribe_mib_per_sec": LITE_SUBSCRIBE_MIB}
    topic = lite.Topic(
        partition_config={"count": PARTITIONS, "capacity": capacity},
        retention_config={"per_partition_bytes": LITE_PARTITION_BYTES},
    )
    parent, _, name = topic_path(stream, options).partition("/topics/")
    request = lite.CreateTopicRequest(parent=parent, topic=topic, topic_id=name)
    admin.create_topic(request, timeout=ANSWER_SECONDS)
    return name
