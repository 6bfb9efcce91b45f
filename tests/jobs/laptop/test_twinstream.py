"""`twinstream`, the one command, and the older doors that keep working."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.laptop import twinstream

COMMANDS = [
    "list", "run", "demo", "reset", "jars", "package", "plan", "submit", "cutover", "dead-letters", "new",
    "doctor",
    "publish", "record", "create", "bundle", "lite", "dataproc",
]  # fmt: skip
JOBS = ["popular_products_recommendation", "product_activity_windows", "streaming_product_discounts"]


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder that knows nothing of the checkout."""
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        words, cwd=folder, env=plain, capture_output=True, text=True, check=False, timeout=60
    )


def test_it_is_installed_and_runs_anywhere(tmp_path: Path) -> None:
    program = str(Path(sys.executable).parent / "twinstream")
    for words in ([program, "list"], [sys.executable, "-m", "jobs", "list"]):
        done = run(*words, folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert [line.split()[0] for line in done.stdout.splitlines()] == JOBS
    for words in ([program, "lite", "env"], [sys.executable, "-m", "pubsublite_emulator", "env"]):
        done = run(*words, folder=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("pubsublite_emulator: no emulator has run over .pubsublite")


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_usage_names_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert twinstream.main(arguments) == (0 if arguments else 2)
    said = "".join(capsys.readouterr())
    assert [line.split()[0] for line in said.splitlines() if line.startswith("  ")] == COMMANDS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pubish"], "twinstream: pubish: no such command; did you mean publish? (see --help)\n"),
        (["--x"], "twinstream: --x: no such command (see --help)\n"),
        (
            ["publish", "--scenrio", "shop"],
            "twinstream publish: unrecognized arguments: --scenrio shop; did you mean --scenario? "
            "(see --help)\n",
        ),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        twinstream.main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err == said
