"""A look at everything that the jobs have written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dashboard import insights, ranking
from dashboard.dead_letters import DeadLetterFolder, Reason
from dashboard.job_progress import JobProgress, ProgressFolder
from dashboard.places import DISCOUNTS, POPULAR, Places
from dashboard.result_table import NEWEST_WINDOW, ResultTable, Rows, Unreadable


@dataclass(frozen=True)
class Results:
    """A job's rows; `fault` says why there are none although the table exists."""

    folder: Path
    rows: Rows | None
    fault: str = ""


@dataclass(frozen=True)
class Observation:
    """Everything that the jobs had written at `now`."""

    now: datetime
    places: Places
    jobs: dict[str, JobProgress]
    discounts: Results
    popular: Results
    reasons: list[Reason]

    def watermark(self, job: str) -> datetime | None:
        """Return the job's watermark; None if it is unknown."""
        return self.jobs[job].watermark if job in self.jobs else None


class Observer:
    """A repeated look that reads only what has changed; thread-safe."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._progress = ProgressFolder(places.progress)
        self._dead_letters = DeadLetterFolder(places.dead_letters)
        self._discounts = ResultTable(places.results / DISCOUNTS, insights.COLUMNS)
        self._popular = ResultTable(places.results / POPULAR, ranking.COLUMNS)

    def look(self, span: timedelta) -> Observation:
        """Return the windows of the newest `span`, the newest ranking, and how the jobs are.

        Progress is read first: a batch's rows are in the table before its watermark is in the file, so a
        window is not called final before its last rows can be seen.
        """
        jobs = self._progress.jobs()
        return Observation(
            datetime.now(UTC),
            self._places,
            jobs,
            _results(self._discounts, span),
            _results(self._popular, NEWEST_WINDOW),
            self._dead_letters.reasons(),
        )


def _results(table: ResultTable, span: timedelta) -> Results:
    try:
        return Results(table.folder, table.newest(span))
    except Unreadable as fault:
        return Results(table.folder, None, str(fault))
