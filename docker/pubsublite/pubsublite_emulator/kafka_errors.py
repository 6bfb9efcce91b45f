"""Kafka's errors in the terms of Pub/Sub Lite: a permanent error is never reported as worth a retry."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from pubsublite_emulator.errors import Code, LiteError

T = TypeVar("T")

_CODES = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: Code.NOT_FOUND,
    KafkaError._UNKNOWN_TOPIC: Code.NOT_FOUND,
    KafkaError._UNKNOWN_PARTITION: Code.NOT_FOUND,
    KafkaError.TOPIC_ALREADY_EXISTS: Code.ALREADY_EXISTS,
    KafkaError.MSG_SIZE_TOO_LARGE: Code.INVALID_ARGUMENT,
    KafkaError.INVALID_MSG: Code.INVALID_ARGUMENT,
    KafkaError.INVALID_RECORD: Code.INVALID_ARGUMENT,
    KafkaError.INVALID_TIMESTAMP: Code.INVALID_ARGUMENT,
    KafkaError.TOPIC_EXCEPTION: Code.INVALID_ARGUMENT,
    KafkaError.INVALID_PARTITIONS: Code.INVALID_ARGUMENT,
    KafkaError.INVALID_CONFIG: Code.INVALID_ARGUMENT,
    KafkaError.INVALID_REPLICATION_FACTOR: Code.FAILED_PRECONDITION,
    KafkaError.POLICY_VIOLATION: Code.FAILED_PRECONDITION,
    KafkaError.UNKNOWN_MEMBER_ID: Code.FAILED_PRECONDITION,
    KafkaError.NON_EMPTY_GROUP: Code.FAILED_PRECONDITION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: Code.PERMISSION_DENIED,
    KafkaError.GROUP_AUTHORIZATION_FAILED: Code.PERMISSION_DENIED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: Code.PERMISSION_DENIED,
}


def refusal(error: KafkaError) -> LiteError:
    """Return ``error`` as an answer to a client: UNAVAILABLE for everything that may pass."""
    return LiteError(_CODES.get(error.code(), Code.UNAVAILABLE), f"Kafka: {error.str()} ({error.name()})")


_PASSING = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)
_PATIENCE_SECONDS = 30
_PAUSE_SECONDS = 0.1


async def coordinated(ask: Callable[[], Future[T]]) -> T:
    """Return the result of a request to a group's coordinator, retrying while a new broker elects one.

    A coordinator that is still loading reports this for each partition, not for the request.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            answer = await asyncio.wrap_future(ask())
            for place in getattr(answer, "topic_partitions", ()):
                if place.error is not None:
                    raise KafkaException(place.error)
            return answer
        except KafkaException as error:
            if error.args[0].code() not in _PASSING or time.monotonic() > deadline:
                raise refusal(error.args[0]) from None
        await asyncio.sleep(_PAUSE_SECONDS)


async def answered(future: Future[T]) -> T:
    """Return the result of an admin request; raise its error as :func:`refusal`."""
    try:
        return await asyncio.wrap_future(future)
    except KafkaException as error:
        raise refusal(error.args[0]) from None
