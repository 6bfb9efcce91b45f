"""Stopping a running job because a stream has been replaced by another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from jobs.engine.checkpoint import Checkpoint, CheckpointError, Contract
from jobs.engine.stream_guard import StreamGuard
from sources.base import SourceError

CONTRACT = Contract("job", "kafka", {"a": "1", "b": "2"}, {}, [])
CHECKPOINT = Checkpoint("/c/job/kafka", "application", False, "RESET")


def fail_under_guard(identities: Callable[[], Mapping[str, str]], stopped: list[str]) -> None:
    """Poll twice at once under the guard, with one look due, then fail."""
    with StreamGuard(identities, CHECKPOINT, CONTRACT, lambda: stopped.append("stop")) as guard:
        assert guard.before(lambda: True)()
        assert not guard.before(lambda: False)()
        raise RuntimeError("what Spark says")


def test_another_stream_stops_the_job_and_is_the_reason_whatever_spark_says() -> None:
    stopped: list[str] = []
    answers: list[Mapping[str, str]] = [{"a": "1"}, {"a": "9"}]
    said = r"^/c/job/kafka: .*: a was recreated \(id was 1, now 9\); .*: RESET$"
    with pytest.raises(CheckpointError, match=said):
        fail_under_guard(lambda: answers.pop(0), stopped)
    assert (stopped, answers) == (["stop"], [])


def test_the_same_streams_and_a_broker_that_does_not_answer_stop_nothing() -> None:
    def no_answer() -> Mapping[str, str]:
        raise SourceError("no answer")

    stopped: list[str] = []
    for identities in (no_answer, dict[str, str], lambda: CONTRACT.streams):
        with pytest.raises(RuntimeError, match="what Spark says"):
            fail_under_guard(identities, stopped)
    assert stopped == []
