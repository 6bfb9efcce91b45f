"""A checkpoint on a disk is one run's at a time, and free again however that run ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from jobs.runtime.checkpoint import CheckpointError
from jobs.runtime.checkpoint_lock import held, is_held
from jobs.runtime.connectors import CHECKOUT

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
def test_where_there_is_no_lock_nothing_is_held(path: str) -> None:
    assert not is_held(path)
