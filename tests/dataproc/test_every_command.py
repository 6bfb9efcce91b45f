"""Every gcloud command that any plan prints is answered on this machine, and none of them leaves it."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dataproc_emulator import DataprocEmulator
from jobs.engine import sink as sinks
from jobs.laptop.promotion.plan import Plan
from jobs.laptop.promotion.step import JOB_ID, Step
from pubsublite_emulator import Emulator
from tests.jobs.laptop.promotion.plans import IMAGE, planned, refusals
from tests.support.border import Border, border

pytestmark = [pytest.mark.needs("gcloud"), pytest.mark.slow, pytest.mark.timeout(900)]

PLACE = ("--cluster=every", "--region=us-central1", "--bucket=every-command", "--project=my-project")
SOURCES = {
    "kafka": ("--source=kafka", "--kafka-cluster=events"),
    "pubsublite": ("--source=pubsublite", "--pubsublite-location=us-central1-a"),
}
SINKS = {
    "bigquery": ("--sink=bigquery", "--sink-table=insights.discounts"),
    "console": ("--sink=console",),
    "delta": ("--sink=delta", "--sink-path=gs://every-command/delta"),
    "kafka": ("--sink=kafka", "--sink-topic=insights", "--kafka-bootstrap-servers=kafka:9092"),
    "parquet": ("--sink=parquet", "--sink-path=gs://every-command/parquet"),
}
BY_HAND = ("kill", "describe", "list", "wait", "ls", "rm")
"""The order in which the commands that are run by hand end a job: to wait for it first would take forever."""


@dataclass
class Machine:
    """A gcloud whose every command is watched; `done` are the commands that it has run already."""

    environment: dict[str, str]
    watched: Border
    done: set[tuple[str, ...]] = field(default_factory=set)

    def run(self, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        before = len(self.watched.crossed)
        done = subprocess.run(
            command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert self.watched.crossed[before:] == [], shlex.join(command)
        return done

    def set_up(self, step: Step) -> None:
        """Run a step as `submit` does, each command once, and see that its result is there."""
        if step.command in self.done:
            return
        self.done.add(step.command)
        if step.unless:
            assert self.run(step.unless).returncode != 0, f"{shlex.join(step.unless)}: there too early"
        made = self.run(step.command)
        assert made.returncode == 0, f"{step.shell}\n{made.stderr}"
        if step.unless:
            assert self.run(step.unless).returncode == 0, shlex.join(step.unless)

    def submit(self, step: Step) -> str:
        """Submit a job and return its id."""
        made = self.run(step.command)
        assert made.returncode == 0, f"{step.shell}\n{made.stderr}"
        return made.stdout.strip()

    def by_hand(self, step: Step, job: str) -> None:
        """Run a step that is about a job, once for all jobs, but let none go on."""
        if step.command in self.done and "kill" not in step.command:
            return
        self.done.add(step.command)
        command = tuple(job if word == f"${JOB_ID}" else word for word in step.command)
        answer = self.run(command)
        # gcloud waits for a job that was cancelled, and fails; a checkpoint may not have begun.
        reasons = (f"Job [{job}] entered state [CANCELLED]", "matched no objects")
        assert answer.returncode == 0 or any(reason in answer.stderr for reason in reasons), answer.stderr


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Emulator() as lite, border(lite.env["LITE_PROXY"].removeprefix("http://")) as watched:
        outside = {**os.environ, **lite.env, **watched.environment}
        with DataprocEmulator(environment=outside, grace=3) as dataproc:
            yield Machine({**outside, **dataproc.env, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}, watched)


def plans(output: Path, source: str, sink: str) -> Plan:
    flags = (*SOURCES[source], *SINKS[sink], "--project-number=123456", f"--output={output}")
    return planned(output, *PLACE, IMAGE, *flags)


def test_every_sink_has_a_plan_here() -> None:
    assert sorted(SINKS) == sorted(sinks.names())


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("source", SOURCES)
def test_a_plans_commands_are_answered_on_this_machine(
    machine: Machine, source: str, sink: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in machine.environment.items():
        if name.startswith("CLOUDSDK_"):
            monkeypatch.setenv(name, value)
    made = plans(tmp_path, source, sink)
    assert refusals(made) == []
    for step in (step for section in made.sections if not section.by_hand for step in section.steps):
        if step.names_job:
            job = machine.submit(step)
        else:
            machine.set_up(step)
    by_hand = [step for section in made.sections if section.by_hand for step in section.steps]
    for step in sorted(by_hand, key=_order):
        machine.by_hand(step, job)


def test_the_border_sees_a_command_that_leaves(machine: Machine) -> None:
    machine.environment.pop("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM")
    with pytest.raises(AssertionError, match=r"CONNECT iam\.googleapis\.com:443"):
        machine.run(("gcloud", "iam", "service-accounts", "list", "--project=my-project"))


def _order(step: Step) -> int:
    (word,) = [word for word in BY_HAND if word in step.command]
    return BY_HAND.index(word)
