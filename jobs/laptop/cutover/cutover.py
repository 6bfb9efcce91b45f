"""The plan of a cut-over: where the old run stands, where the new one starts, and reasons not to proceed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import SparkSession

from jobs.laptop.cutover import checks
from jobs.laptop.cutover.standing import Standing, standing
from jobs.laptop.cutover.switch import Switch
from jobs.laptop.promotion.finding import Finding
from jobs.laptop.promotion.step import Section, Step

TARGET = ("--cluster=CLUSTER", "--region=REGION", "--bucket=BUCKET", "--image-version=VERSION")


@dataclass(frozen=True)
class Cutover:
    """A planned cut-over.

    `found` is None if the runs alone rule the cut-over out. `start` None: at the oldest event.
    """

    switch: Switch
    findings: tuple[Finding, ...]
    found: Standing | None = None
    start: datetime | None = None

    @property
    def refused(self) -> bool:
        """Return whether there is a reason not to proceed."""
        return any(finding.kind == "refused" for finding in self.findings)

    @property
    def sections(self) -> tuple[Section, ...]:
        """Return the commands in order; none if the cut-over is refused."""
        if self.refused or self.found is None:
            return ()
        name, flags = self.switch.job.name, self.switch.flags(self.start, self.found.finished)
        prove = ("python", "-m", "jobs", "cutover", name, "--prove", *self.switch.given)
        return (
            Section(
                "The new run, on this machine; a restart takes the same flags",
                (
                    Step(
                        "Continues where the old one has finished",
                        ("python", "-m", "jobs", "run", name, *flags),
                    ),
                ),
            ),
            Section(
                "Or on Dataproc, with the flags that `python -m jobs plan` takes",
                (
                    Step(
                        "No driver may start the old job again",
                        ("gcloud", "dataproc", "jobs", "kill", "OLD_JOB", "--region=REGION"),
                    ),
                    Step(
                        "The same place; --source, --kafka-starting and --windows-after are new",
                        ("python", "-m", "jobs", "submit", name, *TARGET, *flags),
                    ),
                ),
            ),
            Section(
                "When it has passed the switch",
                (Step("Every event once: 0 lost, 0 twice", prove),),
                by_hand=True,
            ),
        )


def plan(spark: SparkSession, switch: Switch) -> Cutover:
    """Plan a cut-over.

    Raise SourceError if a broker does not answer, and SinkError if a batch is only partly in the sink.
    """
    early = tuple(checks.before(spark, switch))
    look_back = switch.job.emission(switch.old).look_back
    if look_back is None or any(finding.kind == "refused" for finding in early):
        return Cutover(switch, early)
    found = standing(spark, switch)
    start = found.start(look_back, switch.old.max_future_skew)
    return Cutover(switch, (*early, *checks.after(switch, found, start)), found, start)
