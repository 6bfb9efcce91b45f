"""When a failed driver is restarted: Dataproc's documented rules for restartable jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataproc_emulator.errors import ApiError

_HOUR = 3600.0
_THRASHING_FAILURES, _THRASHING_SECONDS = 4, 600.0
_MOST_PER_HOUR, _MOST_IN_TOTAL = 10, 240


@dataclass(frozen=True)
class Budget:
    """How often a driver may be restarted; 0 means no limit if the other is set, and never if neither is."""

    per_hour: int = 0
    total: int = 0

    @staticmethod
    def of(scheduling: Mapping[str, Any]) -> Budget:
        """Return the budget of a job's ``scheduling``; raise ApiError if it exceeds the service's limits."""
        budget = Budget(
            int(scheduling.get("maxFailuresPerHour", 0)), int(scheduling.get("maxFailuresTotal", 0))
        )
        for name, given, most in (
            ("max_failures_per_hour", budget.per_hour, _MOST_PER_HOUR),
            ("max_failures_total", budget.total, _MOST_IN_TOTAL),
        ):
            if not 0 <= given <= most:
                raise ApiError("INVALID_ARGUMENT", f"{name} must be from 0 to {most}, is {given}.")
        return budget

    def refuses(self, failures: Sequence[float]) -> str:
        """Return why the driver is not restarted after these failures, or '' if it is.

        ``failures`` are their times in seconds; the last one is now.
        """

        def within(seconds: float) -> int:
            return sum(failures[-1] - at <= seconds for at in failures)

        if not self.per_hour and not self.total:
            return "the job is not restartable"
        if within(_THRASHING_SECONDS) > _THRASHING_FAILURES:
            return f"the job is thrashing: {within(_THRASHING_SECONDS)} failures in 10 minutes"
        if self.per_hour and within(_HOUR) > self.per_hour:
            return f"more than {self.per_hour} failures per hour"
        if self.total and len(failures) > self.total:
            return f"more than {self.total} failures in total"
        return ""
