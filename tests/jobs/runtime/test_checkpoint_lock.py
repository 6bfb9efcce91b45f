"""A checkpoint on a disk is one run's at a time, and free again however that run ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.product_activity_windows import JOB as ACTIVITY
from jobs.runtime.checkpoint import CheckpointError, path_of
from jobs.runtime.checkpoint_lock import held, is_held
from jobs.runtime.connectors import CHECKOUT
from jobs.runtime.run import run

HOLDER = (
    "import sys, time\nfrom jobs.runtime.checkpoint_lock import held\n"
    "with held(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(60)\n"
)


def test_it_is_held_for_the_block(tmp_path: Path) -> None:
    with held(str(tmp_path)):
        assert is_held(str(tmp_path))
        assert is_held(f"file://{tmp_path}")
        refused = pytest.raises(
            CheckpointError, match=r"a running job works on it; .*; remedy: stop that one"
        )
        with refused, held(str(tmp_path)):
            pass
    assert not is_held(str(tmp_path))


def test_a_killed_process_lets_it_go(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert is_held(str(tmp_path))
        holder.kill()
    assert not is_held(str(tmp_path))


@pytest.mark.parametrize("path", ["gs://bucket/checkpoints", "nowhere"])
def test_a_folder_that_is_not_this_machines_has_no_lock_and_stops_no_run(path: str) -> None:
    assert not is_held(path)
    with held(path):
        assert not is_held(path)


def test_a_run_holds_its_checkpoint(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [f"--checkpoint-root={tmp_path}", "--sink=console"]
    assert run(ACTIVITY, flags) == 0
    with held(path_of(str(tmp_path), ACTIVITY.name, "replay")):
        capsys.readouterr()
        assert run(ACTIVITY, flags) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert "a running job works on it; expected one run at a time" in said
