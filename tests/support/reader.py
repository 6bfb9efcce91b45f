"""A reader of the product's documents who types what they show, block by block, into one shell."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from jobs.engine.jar_files import CHECKOUT
from tests.dataproc.gcloud import eventually

DOCUMENTS = (
    "README.md",
    "jobs/README.md",
    "jobs/laptop/cutover/README.md",
    "jobs/laptop/promotion/README.md",
    "sources/README.md",
    "docker/dataproc/README.md",
    "docker/pubsublite/README.md",
    "docker/pubsublite/CLIENTS.md",
    "notebooks/README.md",
    "data/README.md",
)
TEXT = "\n".join((CHECKOUT / name).read_text() for name in DOCUMENTS)


def blocks(kind: str, language: str = "bash") -> list[str]:
    """Return the documents' blocks of this kind, in order."""
    return re.findall(rf"^```{language} {kind}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def table(header: str) -> dict[str, list[str]]:
    """Return a table of the documents, mapping the name in the first cell to the other cells."""
    (rows,) = re.findall(rf"^\| `?{header}`? \|.*\n.*\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    cells = [[cell.strip().strip("`") for cell in row[1:-1].split("|")] for row in rows.splitlines()]
    return {first: rest for first, *rest in cells}


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
