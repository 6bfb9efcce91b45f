"""How a subscription's partitions are shared among its subscribers, told call by call."""

from typing import Any

import grpc
import pytest

from tests.pubsublite.raw import AssignRequest, Channel, joining

ACKNOWLEDGED = AssignRequest(ack={})
ANN, BOB = b"a" * 16, b"b" * 16
Code = grpc.StatusCode


def test_assignments_wait_for_their_acknowledgement(channel: Channel, make: Any) -> None:
    subscription = make.subscription(make.topic(partitions=2))
    first = joining(channel, subscription, ANN)
    assert list(first.receive().partitions) == [0, 1]
    second = joining(channel, subscription, BOB)
    assert list(second.receive().partitions) == []  # the first has not let go
    second.send(ACKNOWLEDGED)
    first.send(ACKNOWLEDGED)
    assert list(first.receive().partitions) == [0]
    first.send(ACKNOWLEDGED)
    assert list(second.receive().partitions) == [1]
    second.send(ACKNOWLEDGED)
    first.close()
    assert list(second.receive().partitions) == [0, 1]
    assert second.send(ACKNOWLEDGED).send(ACKNOWLEDGED).refused() is Code.INVALID_ARGUMENT
    assert joining(channel, subscription, b"short").refused() is Code.INVALID_ARGUMENT


def test_a_subscriber_that_connects_again_keeps_its_place(channel: Channel, make: Any) -> None:
    subscription = make.subscription(make.topic(partitions=2))
    first = joining(channel, subscription, ANN)
    assert list(first.receive().partitions) == [0, 1]
    again = joining(channel, subscription, ANN)
    assert first.refused() is Code.ABORTED
    assert list(again.receive().partitions) == [0, 1]
    again.send(ACKNOWLEDGED)
    other = joining(channel, subscription, BOB)
    assert list(other.receive().partitions) == []
    assert list(again.receive().partitions) == [0]
    again.close()
    other.close()


def test_an_overdue_acknowledgement_counts_as_given(
    channel: Channel, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pubsublite_emulator.assignment._ACKNOWLEDGE_SECONDS", 0.2)
    subscription = make.subscription(make.topic(partitions=2))
    silent = joining(channel, subscription, ANN)
    assert list(silent.receive().partitions) == [0, 1]
    other = joining(channel, subscription, BOB)
    assert list(other.receive().partitions) == []
    assert list(silent.receive().partitions) == [0]
    assert list(other.receive().partitions) == [1]
    silent.close()
    other.close()


def test_a_topic_that_grows_is_assigned_anew(channel: Channel, make: Any) -> None:
    topic = make.topic()
    stream = joining(channel, make.subscription(topic), ANN)
    assert list(stream.receive().partitions) == [0]
    stream.send(ACKNOWLEDGED)
    make.grow(topic, 2)
    assert list(stream.receive().partitions) == [0, 1]
    stream.close()
