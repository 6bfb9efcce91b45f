"""A test that is not run says so: the last lines of every run name it, why, and the command that runs it.

`slow` tests run with --slow or with CI=true. A test marked `needs("docker")` is skipped if docker is missing,
and fails if it is missing with CI=true: what a machine was meant to show is never left out silently.
"""

import functools
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Generator, Iterable
from typing import Any

import pytest

INSTALL = {
    "chromium": "apt-get install chromium",
    "docker": "install a Docker engine with Compose v2, and start it",
    "python3.12": "apt-get install python3.12, or uv python install 3.12, or pyenv install 3.12",
    "curl": "apt-get install curl",
    "go": "apt-get install golang-go",
    "java": "apt-get install default-jdk-headless",
    "javac": "apt-get install default-jdk-headless",
    "gcloud": "install the Google Cloud CLI (package google-cloud-cli)",
}
# Being on PATH is not enough: these commands must succeed.
PROBES = {
    "docker": (["docker", "compose", "version"], ["docker", "info"]),
    "python3.12": (["env", "PYENV_VERSION=3.12", "python3.12", "--version"],),  # pyenv's shim needs a version
}

_slow = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too, as CI=true does")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_slow] = []
    config.addinivalue_line("markers", "slow: runs with --slow or CI=true only")
    config.addinivalue_line(
        "markers", "needs(program): skipped where it is missing, failed there with CI=true"
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow") or _in_ci() or "slow" in config.getoption("markexpr"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.stash[_slow] = [item.nodeid for item in slow]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if not item.get_closest_marker("slow")]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that distributes the tests, if there is one, because it collects none itself."""
    if (told := getattr(session.config, "workeroutput", None)) is not None:
        told["slow"] = session.config.stash[_slow]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    node.config.stash[_slow] = getattr(node, "workeroutput", {}).get("slow", [])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        (program,) = marker.args
        if not runs_here(program):
            verdict = pytest.fail if _in_ci() else pytest.skip
            verdict(f"needs {program}: {INSTALL.get(program, f'apt-get install {program}')}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    yield
    terminalreporter.section("not run", sep="-")
    slow = terminalreporter.config.stash[_slow]
    if slow:
        terminalreporter.line(f"{len(slow)} slow: pytest --slow {_files(slow)}")
    skipped = terminalreporter.stats.get("skipped", [])
    for reason, tests in sorted(_by_reason(skipped).items()):
        terminalreporter.line(f"{len(tests)} skipped, {reason}; then pytest {_files(tests)}")
    if not slow and not skipped:
        terminalreporter.line("nothing: every test that was asked for ran")


@functools.cache
def runs_here(program: str) -> bool:
    """Return whether the program is on PATH and, if that is not enough, answers."""
    if shutil.which(program) is None:
        return False
    return all(
        subprocess.run(probe, capture_output=True, stdin=subprocess.DEVNULL, check=False).returncode == 0
        for probe in PROBES.get(program, ())
    )


def _in_ci() -> bool:
    return os.environ.get("CI") == "true"


def _by_reason(skipped: Iterable[pytest.TestReport]) -> dict[str, list[str]]:
    reasons = defaultdict(list)
    for report in skipped:
        assert isinstance(report.longrepr, tuple)
        reasons[report.longrepr[2].removeprefix("Skipped: ")].append(report.nodeid)
    return reasons


def _files(tests: Iterable[str]) -> str:
    return " ".join(sorted({test.partition("::")[0] for test in tests}))
