"""Two processes share the suite: each takes whole files, the longest first, and starts its own Spark."""

from __future__ import annotations

from typing import Any

import pytest

APART = (
    "tests/jobs/laptop/cutover/test_cutover.py",
    "tests/jobs/test_kills.py",
    "tests/jobs/test_pubsublite_kills.py",
)
"""Files of long tests that share nothing: each test may go to another process."""
TOGETHER = "tests/containers/"
"""A folder whose files must not run at once: the images' builds and the containers need the whole machine."""
LONGEST = (
    TOGETHER,
    *APART,
    "tests/test_spark_4_1.py",
    "tests/dataproc/",
    "tests/test_laptop_to_dataproc.py",
    "tests/test_leaving_pubsublite.py",
    "tests/dashboard/test_page.py",
    "tests/notebooks/",
    "tests/pubsublite/",
    "tests/jobs/laptop/",
    "tests/jobs/",
)


def scope(nodeid: str) -> str:
    """Return the name of the group of tests that stay in one process with this one."""
    file = nodeid.partition("::")[0]
    if file.startswith(TOGETHER):
        return TOGETHER
    return nodeid if file in APART else file


def rank(nodeid: str) -> int:
    """Return the position of the test's turn: one that takes minutes must not start last."""
    return next((at for at, start in enumerate(LONGEST) if nodeid.startswith(start)), len(LONGEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling  # the environment of Spark 4.1 has none

    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = scope
    return scheduler


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(item.nodeid))
