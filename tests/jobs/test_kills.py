"""A job killed at each step of its life gives exactly the rows of an undisturbed run.

`python -m tests.benchmarks.kills` does the same at random moments, a thousand times.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import event_sets
from tests.support.kafka_broker import KafkaBroker
from tests.support.kill_steps import Step
from tests.support.killed_run import KilledRun, Target

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def kill_at_each(run: KilledRun, *steps: Step) -> None:
    """Kill one start at each step, then let the job end: no row is lost or duplicated."""
    for step in steps:
        run.kill_at(step)
    run.finish()
    assert_nothing_is_lost_or_twice(run)


def assert_nothing_is_lost_or_twice(run: KilledRun) -> None:
    assert run.expected() == run.rows() != []
    assert run.expected_dead_letters() == run.dead_letters() != []


def test_delta_append(tmp_path: Path) -> None:
    with KilledRun(tmp_path, event_sets.generate(101, 12), Target("delta", "append")) as run:
        kill_at_each(
            run,
            *(Step.LOCKED, Step.CONTRACT, Step.QUERY),
            *(Step.TABLE_HALF, Step.LOGGED, Step.DATA, Step.TIDY_HALF),
        )


def test_delta_update(tmp_path: Path) -> None:
    with KilledRun(tmp_path, event_sets.generate(102, 12), Target("delta", "update")) as run:
        kill_at_each(run, Step.TABLE_HALF, Step.DATA, Step.LOGGED, Step.TIDY_HALF, Step.COMMITTED)


def test_windows_due_after_the_last_batch_come_with_the_next_message(tmp_path: Path) -> None:
    """The kill falls between the last batch with data and the batch without data that would end the run."""
    with KilledRun(tmp_path, event_sets.generate(106, 1), Target("delta", "append")) as run:
        run.kill_at(Step.COMMITTED)
        run.run_to_the_end()
        assert run.windows_are_due()
        run.bring_what_is_due()
        assert not run.windows_are_due()
        assert_nothing_is_lost_or_twice(run)


def test_parquet(tmp_path: Path) -> None:
    with KilledRun(tmp_path, event_sets.generate(103, 8), Target("parquet", "append")) as run:
        kill_at_each(run, Step.STATE_HALF, Step.ROWS_HALF, Step.ROWS, Step.LETTERS_HALF, Step.LETTERS)


def test_kafka_append(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    with KilledRun(tmp_path, event_sets.generate(104, 8), Target("kafka", "append", kafka_broker)) as run:
        kill_at_each(run, Step.PLANNED, Step.STATE, Step.SENT)


def test_kafka_update(kafka_broker: KafkaBroker, tmp_path: Path) -> None:
    with KilledRun(tmp_path, event_sets.generate(105, 8), Target("kafka", "update", kafka_broker)) as run:
        kill_at_each(run, Step.SENT, Step.AGAIN)
