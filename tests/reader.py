"""A reader of the README who types what it shows, block by block, into one shell."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from jobs.runtime.connectors import CHECKOUT
from tests.dataproc.gcloud import eventually

README = (CHECKOUT / "README.md").read_text()


def blocks(kind: str) -> list[str]:
    """Return the README's blocks of shell commands of this kind, in order."""
    return re.findall(rf"```bash {kind}\n(.*?)```", README, re.DOTALL)


class Shell:
    """A shell in the checkout, with its `.pubsublite` and `.dataproc` in `folder`.

    Leaving the block ends everything that its commands started.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._output = folder / "shell.log"

    def __enter__(self) -> Self:
        with self._output.open("wb") as output:
            self._shell = subprocess.Popen(
                ["bash", "-e"], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=output, stderr=output, text=True
            )
        self.type("trap 'jobs -p | xargs --no-run-if-empty kill; wait' EXIT")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shell.communicate(timeout=120)

    def type(self, commands: str, seconds: float = 240) -> str:
        """Return what the commands print; fail with that output at the first one that fails."""
        assert self._shell.stdin
        start = self._output.stat().st_size
        here = re.sub(r"(?<!\w)\.(pubsublite|dataproc)\b", rf"{self._folder}/\1", commands)
        here = here.replace(".venv/bin/", f"{shlex.quote(str(Path(sys.executable).parent))}/")
        end = f"-- end of what began at {start} --\n"
        self._shell.stdin.write(f"{{\n{here}\n}} </dev/null\nprintf '%s\\n' '{end.strip()}'\n")
        self._shell.stdin.flush()
        eventually(lambda: end in self._printed(start) or self._shell.poll() is not None, seconds)
        assert self._shell.poll() is None, self._printed(start)
        return self._printed(start).partition(end)[0]

    def _printed(self, start: int) -> str:
        return self._output.read_bytes()[start:].decode()
