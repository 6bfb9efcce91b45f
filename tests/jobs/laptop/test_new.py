"""`twinstream new job`: what it writes passes lint and tests, and is what the README shows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.engine.jar_files import CHECKOUT
from jobs.laptop import new
from tests.support import reader


def test_what_it_writes_is_what_the_readme_shows() -> None:
    assert [new.JOB.replace("NAME", "units_per_user")] == reader.blocks("job", "python")


@pytest.mark.slow
def test_what_it_writes_passes_lint_and_tests(tmp_path: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in listed:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    (tmp_path / ".jars").symlink_to(CHECKOUT / ".jars")
    job, test, readme = new.write("units_per_user", tmp_path)
    assert "| `units_per_user` | purchase-stream |" in readme.read_text()
    paths = [str(tmp_path / "docker" / name) for name in ("pubsublite", "dataproc", "dashboard")]
    environment = {**os.environ, "PYTHONPATH": ":".join([str(tmp_path), *paths])}
    for command in (
        ["ruff", "check", str(job), str(test)],
        ["ruff", "format", "--check", str(job), str(test)],
        ["mypy", str(job), str(test)],
        ["pytest", "-q", "-p", "no:cacheprovider", str(test)],
        ["jobs", "list"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert "units_per_user" in done.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Units", "Units: not a name for a module; expected lower-case letters, digits and _, such as"),
        ("class", "class: not a name for a module; expected"),
        ("json", "json: a module of the standard library, which the entry file would hide; expected another"),
        (
            "streaming_product_discounts",
            "streaming_product_discounts.py is already there; expected a new name",
        ),
        ("tables", "tables.py is already there; expected a new name"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        new.command(["job", name])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
