"""`twinstream plan`: every reason not to deploy, or every command of the deployment."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, TypeVar

from jobs.engine.job import Job
from jobs.laptop.promotion import (
    package,
    place_checks,
    release_steps,
    runtime_checks,
    setup_steps,
    submission_checks,
)
from jobs.laptop.promotion.finding import Check
from jobs.laptop.promotion.package import Package
from jobs.laptop.promotion.promotion import Promotion, promotion
from jobs.laptop.promotion.setup_steps import CREATE_CLUSTER, SETUP
from jobs.laptop.promotion.step import Section
from jobs.laptop.promotion.target import parse, parser
from sources.flags import Parser, flag, flags, switch
from sources.google_cloud import Finding

CHECKS: tuple[Check, ...] = (*runtime_checks.CHECKS, *place_checks.CHECKS, *submission_checks.CHECKS)


@dataclass(frozen=True)
class Plan:
    """The findings and, if nothing is refused, the package and the commands in order.

    `switches`: the flags that make `submit` run sections that it otherwise leaves out.
    """

    promotion: Promotion
    findings: tuple[Finding, ...]
    package: Package | None
    sections: tuple[Section, ...]
    switches: frozenset[str]

    @property
    def shipped(self) -> Package:
        """Return the package; raise ValueError for a refused plan, which has none."""
        if self.package is None:
            raise ValueError("a refused plan ships nothing")
        return self.package

    @property
    def refused(self) -> bool:
        """Return whether there is a reason not to proceed."""
        return any(finding.kind == "refused" for finding in self.findings)

    def runs(self, section: Section) -> bool:
        """Return whether `submit` with the same flags runs the section."""
        return not section.by_hand and (not section.switch or section.switch in self.switches)


@dataclass(frozen=True)
class StepOptions:
    """The sections that `submit` runs only if it is told to."""

    setup: bool = switch("submit: first enable APIs, grant roles, create the bucket and the streams")
    create_cluster: bool = switch("submit: first create the clusters that are missing")


Own = TypeVar("Own", bound=StepOptions)


@dataclass(frozen=True)
class PlanOptions(StepOptions):
    """The options of `plan`."""

    format: str = flag("output format", default="text", choices=("text", "json"))


def command(job: Job[Any], arguments: Sequence[str]) -> int:
    """Print the plan and return 0, or 1 if it is refused; exit with code 2 if the command line is wrong."""
    made, options = read(job, parser("plan"), arguments, PlanOptions)
    show(made, options.format)
    return int(made.refused)


def read(job: Job[Any], known: Parser, arguments: Sequence[str], declared: type[Own]) -> tuple[Plan, Own]:
    """Return today's plan for a command line, and the command's own options, a subclass of StepOptions."""
    known.accept(flags(declared))
    where, of_the_job, parsed = parse(known, arguments)
    options = parsed.of(declared)
    given = {SETUP: options.setup, CREATE_CLUSTER: options.create_cluster}
    switches = frozenset(name for name, on in given.items() if on)
    return make(promotion(job, where, of_the_job), date.today(), switches), options


def make(promotion: Promotion, today: date, switches: frozenset[str] = frozenset()) -> Plan:
    """Run every check; if nothing is refused, build or load the package and lay out the commands."""
    findings = tuple(finding for check in CHECKS for finding in check(promotion, today))
    found = Plan(promotion, findings, None, (), switches)
    if found.refused:
        return found
    older, output = promotion.target.package, promotion.target.output
    shipped = package.load(older) if older else package.build(promotion.shipped_sets, output)
    sections = (*setup_steps.sections(promotion), *release_steps.sections(promotion, shipped))
    return Plan(promotion, findings, shipped, sections, switches)


def show(plan: Plan, form: str) -> None:
    """Print the plan: findings on standard error, commands on standard output, or everything as JSON."""
    if form == "json":
        print(json.dumps(_described(plan), indent=1))
        return
    for finding in plan.findings:
        print(finding, file=sys.stderr)
    for section in plan.sections:
        print("\n".join(_lines(plan, section)))


def _lines(plan: Plan, section: Section) -> Iterator[str]:
    left_out = section.switch and not plan.runs(section)
    yield f"# {section.title}" + (f" (submit leaves this out without {section.switch})" if left_out else "")
    for step in section.steps:
        yield from step.lines
    yield ""


def _described(plan: Plan) -> dict[str, object]:
    return {
        "job": plan.promotion.job.name,
        "runtime": plan.promotion.runtime.name if plan.promotion.runtime else None,
        "refused": plan.refused,
        "findings": [finding.fields() for finding in plan.findings],
        "package": plan.package.version if plan.package else None,
        "sections": [{**asdict(section), "runs": plan.runs(section)} for section in plan.sections],
    }
