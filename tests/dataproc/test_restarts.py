"""When a driver is restarted."""

from __future__ import annotations

import pytest

from dataproc_emulator.errors import ApiError
from dataproc_emulator.restarts import Budget

MINUTE = 60.0
LIMITS = (("maxFailuresPerHour", 10), ("maxFailuresTotal", 240))


@pytest.mark.parametrize(
    ("scheduling", "failures", "reason"),
    [
        ({}, [0], "the job is not restartable"),
        ({"maxFailuresPerHour": 1}, [0], ""),
        ({"maxFailuresPerHour": 1}, [0, 59 * MINUTE], "more than 1 failures per hour"),
        ({"maxFailuresPerHour": 1}, [0, 60 * MINUTE], "more than 1 failures per hour"),
        ({"maxFailuresPerHour": 1}, [0, 60 * MINUTE + 1], ""),
        ({"maxFailuresPerHour": 10}, [0, 1, 2, 3], ""),
        ({"maxFailuresPerHour": 10}, [0, 1, 2, 3, 4], "the job is thrashing: 5 failures in 10 minutes"),
        (
            {"maxFailuresPerHour": 10},
            [0, 1, 2, 3, 10 * MINUTE],
            "the job is thrashing: 5 failures in 10 minutes",
        ),
        ({"maxFailuresPerHour": 10}, [0, 1, 2, 3, 10 * MINUTE + 1], ""),
        ({"maxFailuresPerHour": 10}, [6 * MINUTE * n for n in range(10)], ""),
        ({"maxFailuresPerHour": 10}, [6 * MINUTE * n for n in range(11)], "more than 10 failures per hour"),
        ({"maxFailuresTotal": 240}, [11 * MINUTE * n for n in range(240)], ""),
        (
            {"maxFailuresTotal": 240},
            [11 * MINUTE * n for n in range(241)],
            "more than 240 failures in total",
        ),
        ({"maxFailuresTotal": 2}, [0, 11 * MINUTE], ""),
        ({"maxFailuresTotal": 2}, [0, 11 * MINUTE, 22 * MINUTE], "more than 2 failures in total"),
        (
            {"maxFailuresPerHour": 2, "maxFailuresTotal": 2},
            [0, 100 * MINUTE, 200 * MINUTE],
            "more than 2 failures in total",
        ),
    ],
)
def test_a_budget(scheduling: dict[str, int], failures: list[float], reason: str) -> None:
    assert Budget.of(scheduling).refuses(failures) == reason


@pytest.mark.parametrize("scheduling", [{name: n} for name, most in LIMITS for n in (-1, most + 1)])
def test_a_budget_beyond_the_services_is_refused(scheduling: dict[str, int]) -> None:
    with pytest.raises(ApiError, match=r"must be from 0 to (10|240), is (-1|11|241)"):
        Budget.of(scheduling)
