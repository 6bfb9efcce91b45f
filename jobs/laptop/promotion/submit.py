"""`twinstream submit`: runs the plan's commands through gcloud and stops at the first failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs.engine.job import Job
from jobs.laptop.promotion import plan, preflight
from jobs.laptop.promotion.plan import Plan
from jobs.laptop.promotion.preflight import Stopped
from jobs.laptop.promotion.step import JOB_ID, Section, Step
from jobs.laptop.promotion.target import parser
from sources.flags import switch


@dataclass(frozen=True)
class SubmitOptions(plan.StepOptions):
    """The options of `submit`."""

    dry_run: bool = switch("print the plan and change nothing")


def command(job: Job[Any], arguments: Sequence[str]) -> int:
    """Submit the job; return 0 if it runs, 1 if the plan is refused or gcloud fails.

    It may be run again after a failure: what is already there is left as it is. Exit with code 2 if the
    command line is wrong.
    """
    made, options = plan.read(job, parser("submit"), arguments, SubmitOptions)
    if made.refused or options.dry_run:
        plan.show(made, "text")
        return int(made.refused)
    for finding in made.findings:
        print(finding, file=sys.stderr)
    try:
        _go(made)
    except Stopped as reason:
        print(f"twinstream submit: {reason}", file=sys.stderr)
        return 1
    return 0


def _go(made: Plan) -> None:
    job_id = ""
    for section in (section for section in made.sections if made.runs(section)):
        print(f"# {section.title}", flush=True)
        if not section.switch:
            preflight.cluster_fits(made.promotion)
            preflight.checkpoint_continues(made.promotion)
            job_id = preflight.running_twin(made)
        for step in () if job_id else section.steps:
            job_id = run(step) or job_id
    _say_what_next(made.sections, job_id)


def run(step: Step) -> str:
    """Show a step, run it if it is needed, and return the job's id if it names one, otherwise ''.

    Raise Stopped if gcloud fails, after gcloud's own message on standard error.
    """
    print("\n".join(step.lines), flush=True)
    if step.unless and preflight.asked(step.unless).returncode == 0:
        print("# - there already", flush=True)
        return ""
    output = subprocess.PIPE if step.names_job else None
    try:
        done = subprocess.run(
            step.command, stdout=output, text=True, env=preflight.unattended(os.environ), check=False
        )
    except FileNotFoundError:
        raise preflight.no_gcloud() from None
    if done.returncode != 0:
        raise Stopped(
            f"stopped at: {step.purpose}; gcloud ended with code {done.returncode} and said why above",
            remedy="fix that, then run the same command again",
        )
    return done.stdout.strip() if step.names_job else ""


def _say_what_next(sections: Sequence[Section], job_id: str) -> None:
    print(f"{JOB_ID}={job_id}")
    for section in (section for section in sections if section.by_hand):
        print(f"# {section.title}")
        for step in section.steps:
            print("\n".join(step.lines))
