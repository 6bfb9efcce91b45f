"""The plan of a cut-over: where the old run stands, where the new one starts, and reasons not to proceed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import SparkSession

from jobs.laptop.cutover import checks
from jobs.laptop.cutover.lite_progress import LiteProgress, lite_progress
from jobs.laptop.cutover.migration import Migration
from jobs.laptop.promotion.step import Section, Step
from sources.google_cloud import Finding

TARGET = ("--cluster=CLUSTER", "--region=REGION", "--bucket=BUCKET", "--image-version=VERSION")


@dataclass(frozen=True)
class Cutover:
    """A planned cut-over.

    `found` is None if the runs alone rule the cut-over out. `start` None: at the oldest event.
    """

    migration: Migration
    findings: tuple[Finding, ...]
    found: LiteProgress | None = None
    start: datetime | None = None

    @property
    def refused(self) -> bool:
        """Return whether there is a reason not to proceed."""
        return any(finding.kind == "refused" for finding in self.findings)

    @property
    def flags(self) -> tuple[str, ...]:
        """Return the flags of the new run; none if the cut-over is refused."""
        if self.refused or self.found is None:
            return ()
        return tuple(self.migration.flags(self.start, self.found.finished))

    @property
    def sections(self) -> tuple[Section, ...]:
        """Return the commands in order; none if the cut-over is refused."""
        name, flags = self.migration.job.name, self.flags
        if not flags:
            return ()
        prove = ("twinstream", "cutover", name, "--prove", *self.migration.given)
        return (
            Section(
                "The new run, on this machine; a restart takes the same flags",
                (
                    Step(
                        "Continues where the old one has finished",
                        ("twinstream", "run", name, *flags),
                    ),
                ),
            ),
            Section(
                "Or on Dataproc, with the flags that `twinstream plan` takes",
                (
                    Step(
                        "No driver may start the old job again",
                        ("gcloud", "dataproc", "jobs", "kill", "OLD_JOB", "--region=REGION"),
                    ),
                    Step(
                        "The same place; --source, --kafka-starting and --windows-after are new",
                        ("twinstream", "submit", name, *TARGET, *flags),
                    ),
                ),
            ),
            Section(
                "When it has passed the switch",
                (Step("Every event once: 0 lost, 0 twice", prove),),
                by_hand=True,
            ),
        )


def plan(spark: SparkSession, migration: Migration) -> Cutover:
    """Plan a cut-over.

    Raise SourceError if a broker does not answer, and SinkError if a batch is only partly in the sink.
    """
    early = tuple(checks.before(spark, migration))
    look_back = migration.job.emission(migration.old.own).look_back
    if look_back is None or any(finding.kind == "refused" for finding in early):
        return Cutover(migration, early)
    found = lite_progress(spark, migration)
    start = found.start(look_back, migration.old.options.max_future_skew)
    return Cutover(migration, (*early, *checks.after(migration, found, start)), found, start)
