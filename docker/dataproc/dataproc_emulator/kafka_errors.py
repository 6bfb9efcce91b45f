"""A broker's refusals as the interface's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from dataproc_emulator.errors import ApiError

_STATUS = {
    KafkaError.TOPIC_ALREADY_EXISTS: "ALREADY_EXISTS",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "NOT_FOUND",
    KafkaError.GROUP_ID_NOT_FOUND: "NOT_FOUND",
    KafkaError.NON_EMPTY_GROUP: "FAILED_PRECONDITION",
    KafkaError.UNKNOWN_MEMBER_ID: "FAILED_PRECONDITION",
    KafkaError.INVALID_PARTITIONS: "INVALID_ARGUMENT",
    KafkaError.INVALID_REPLICATION_FACTOR: "INVALID_ARGUMENT",
    KafkaError.INVALID_CONFIG: "INVALID_ARGUMENT",
    KafkaError.TOPIC_EXCEPTION: "INVALID_ARGUMENT",
}


@contextmanager
def answered() -> Iterator[None]:
    """Raise a broker's refusal within the block as ApiError."""
    try:
        yield
    except KafkaException as error:
        reason = error.args[0]
        raise ApiError(_STATUS.get(reason.code(), "INTERNAL"), reason.str()) from None
