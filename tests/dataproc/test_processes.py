"""What a local Dataproc starts ends with it, at whatever moment it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.dataproc.gcloud import eventually

STARTS_ONE_AND_IS_KILLED = """
import os, signal, subprocess, sys
from pathlib import Path
from dataproc_emulator.processes import Processes

class Killing(subprocess.Popen):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        Path(sys.argv[1], "group").write_text(str(self.pid))
        os.kill(os.getpid(), signal.SIGKILL)

processes = Processes()
subprocess.Popen = Killing
processes.start(["sleep", "60"], os.environ, Path(sys.argv[1]), 1)
"""


def test_a_kill_while_a_process_is_started_ends_it_too(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS_ONE_AND_IS_KILLED, str(tmp_path)]
    killed = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    assert killed.returncode == -signal.SIGKILL
    started = Path("/proc", (tmp_path / "group").read_text())
    eventually(lambda: not runs(started), 30)


def runs(process: Path) -> bool:
    """Return whether a process runs; one that has ended and is still listed has no command line."""
    try:
        return bool((process / "cmdline").read_bytes())
    except OSError:
        return False
