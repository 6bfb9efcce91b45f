"""A checkpoint on a disk belongs to one run at a time, and is free again however that run ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.engine.checkpoint import CheckpointError, held, is_held, path_of
from jobs.engine.jar_files import CHECKOUT
from jobs.engine.run import run
from jobs.laptop.commands import main
from jobs.product_activity_windows import JOB as ACTIVITY

HOLDER = (
    "import sys, time\nfrom jobs.engine.checkpoint import held\n"
    "with held(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(60)\n"
)


def test_it_is_held_for_the_block(tmp_path: Path) -> None:
    checkpoint = f"{tmp_path}/checkpoint"
    with held(checkpoint):
        assert is_held(checkpoint)
        assert is_held(f"file://{checkpoint}")
        said = rf"a running job works on it \(process {os.getpid()}\); .*; remedy: stop that one \(kill \d+\)"
        with pytest.raises(CheckpointError, match=said), held(checkpoint):
            pass
    assert not is_held(checkpoint)


def test_a_killed_process_lets_it_go(tmp_path: Path) -> None:
    checkpoint = f"{tmp_path}/checkpoint"
    command = [sys.executable, "-c", HOLDER, checkpoint]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert is_held(checkpoint)
        holder.kill()
    assert not is_held(checkpoint)


@pytest.mark.parametrize("path", ["gs://bucket/checkpoints", "nowhere/at-all"])
def test_a_folder_that_is_not_this_machines_has_no_lock_and_stops_no_run(path: str) -> None:
    assert not is_held(path)
    with held(path):
        assert not is_held(path)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.lock").mkdir()
    said = r"checkpoint\.lock: cannot be written \(Is a directory\); expected a writable folder"
    with pytest.raises(CheckpointError, match=said), held(f"{tmp_path}/checkpoint"):
        pass


def test_a_first_start_writes_nothing_into_a_checkpoint_that_another_holds(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two first starts at once, the loser must not write its contract."""
    checkpoint = Path(path_of(str(tmp_path), ACTIVITY.name, "replay"))
    checkpoint.parent.mkdir()
    with held(str(checkpoint)):
        assert run(ACTIVITY, [f"--checkpoint-root={tmp_path}", "--sink=console"]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert f"a running job works on it (process {os.getpid()}); expected one at a time" in said
    assert not checkpoint.exists()


def test_a_reset_leaves_a_running_job_its_checkpoint(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Path(path_of(str(tmp_path), ACTIVITY.name, "replay"))
    (checkpoint / "offsets").mkdir(parents=True)
    command = ["reset", ACTIVITY.name, f"--checkpoint-root={tmp_path}"]
    with held(str(checkpoint)):
        assert main(command) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert f"remedy: stop that one (kill {os.getpid()})" in said
    assert checkpoint.exists()
    assert main(command) == 0
    assert not checkpoint.exists()
    with held(str(checkpoint)):
        assert is_held(str(checkpoint))
