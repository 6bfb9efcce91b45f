"""`.ci/environment`, with which README's first command begins, on several machines and without a network."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.engine.jar_files import CHECKOUT

TOOLS = ("awk", "bash", "cp", "dirname", "env", "grep", "mkdir", "rm", "tail")
# Says by what name and with what it was called; makes an environment and a uv as Python and pip do.
GOOD = """#!/bin/sh
echo "${{0##*/}} $*" >>"{asked}"
case "$*" in
  "-m venv "*) mkdir -p .cache/uv/bin && cp "$0" .cache/uv/bin/python ;;
  "-m pip install "*) cp "$0" .cache/uv/bin/uv ;;
esac
"""
BROKEN = """#!/bin/sh
echo "${{0##*/}} $*" >>"{called}"
exit 9
"""
QUIETLY = "--quiet --disable-pip-version-check"
SYNC = "uv pip sync --quiet --require-hashes --python .venv/bin/python requirements.lock"
EDITABLE = (
    "uv pip install --quiet --no-deps --no-build-isolation --offline --python .venv/bin/python --editable ."
)


class Machine:
    """A checkout with the script, and a PATH with nothing but the tools it may use and these programs."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.checkout = folder / "bin", folder / "checkout"
        self._asked, self._called = folder / "asked", folder / "called"
        self.bin.mkdir()
        (self.checkout / ".ci").mkdir(parents=True)
        for name in (".ci/environment", "requirements.lock"):
            shutil.copy(CHECKOUT / name, self.checkout / name)
        for name in TOOLS:
            (self.bin / name).symlink_to(shutil.which(name) or name)

    def has(self, name: str, script: str) -> None:
        """Put a program on PATH."""
        (self.bin / name).write_text(script.format(asked=self._asked, called=self._called))
        (self.bin / name).chmod(0o755)

    def make(self) -> subprocess.CompletedProcess[str]:
        """Run the script as `make demo` does."""
        return subprocess.run(
            [".ci/environment"],
            cwd=self.checkout,
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def asked(self) -> list[str]:
        """Return what the good programs were called with, in order."""
        return self._asked.read_text().splitlines() if self._asked.exists() else []

    @property
    def called(self) -> list[str]:
        """Return what the broken programs were called with, in order."""
        return self._called.read_text().splitlines() if self._called.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine whose `python3` is another project's, and broken."""
    made = Machine(tmp_path)
    made.has("python3", BROKEN)
    return made


def test_uv_makes_it_of_the_python_that_is_wanted_and_asks_no_other(machine: Machine) -> None:
    machine.has("uv", GOOD)
    (machine.bin / "python3.11").symlink_to(sys.executable)
    done = machine.make()
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.asked == [
        "uv --version",
        f"uv venv --quiet --python {machine.bin}/python3.11 .venv",
        SYNC,
        EDITABLE,
    ]
    assert machine.called == []


def test_without_that_python_uv_finds_or_fetches_one(machine: Machine) -> None:
    machine.has("uv", GOOD)
    assert machine.make().returncode == 0
    assert machine.asked == ["uv --version", "uv venv --quiet --python 3.11 .venv", SYNC, EDITABLE]
    assert machine.called == []


def test_without_a_uv_that_runs_it_is_installed_by_the_python_that_is_wanted(machine: Machine) -> None:
    """A version manager's shim of uv is there, but fails; `.venv` is another Python's."""
    machine.has("uv", BROKEN)
    machine.has("python3.11", GOOD)
    (machine.checkout / ".venv" / "bin").mkdir(parents=True)
    (machine.checkout / ".venv" / "bin" / "python").symlink_to(machine.bin / "python3")
    done = machine.make()
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.asked == [
        "python3.11 -c import ensurepip, venv",
        "python3.11 -m venv --clear .cache/uv",
        f"python -m pip install {QUIETLY} --no-deps --require-hashes -r .cache/uv.lock",
        "python3.11 -c ",
        f"uv venv --quiet --python {machine.bin}/python3.11 .venv",
        SYNC,
        EDITABLE,
    ]
    assert machine.called == [
        "uv --version",
        "python -c import sys; sys.exit(sys.version_info[:2] != (3, 11))",
    ]
    lock = (machine.checkout / ".cache" / "uv.lock").read_text()
    assert (lock.startswith("uv=="), lock.count("==")) == (True, 1)
    assert "--hash=sha256:" in lock
    assert not (machine.checkout / ".venv").exists()


def test_any_python_with_venv_will_do_to_install_uv(machine: Machine) -> None:
    machine.has("python3", GOOD)
    assert machine.make().returncode == 0
    assert machine.asked[:2] == ["python3 -c import ensurepip, venv", "python3 -m venv --clear .cache/uv"]
    assert machine.asked[-3:] == ["uv venv --quiet --python 3.11 .venv", SYNC, EDITABLE]


def test_without_any_of_them_it_says_what_to_install(machine: Machine) -> None:
    """Debian's python3 has no venv: it fails when asked for it."""
    done = machine.make()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "make: no python3.11 or python3 with venv, and no uv on PATH; expected one of them; "
        "remedy: install Python 3.11 (Debian: python3.11-venv too), or uv\n"
    )
    assert machine.called == ["python3 -c import ensurepip, venv"]


def test_a_step_that_fails_ends_it_with_the_remedy(machine: Machine) -> None:
    machine.has("python3.11", '#!/bin/sh\n[ "$1" = -c ] && exit 0\necho "$2 says why" >&2\nexit 7\n')
    done = machine.make()
    assert (done.returncode, done.stdout) == (1, "installing uv … failed\n")
    assert done.stderr == (
        "venv says why\nmake: installing uv failed; "
        "remedy: check the network or the proxy, then the same command again\n"
    )
