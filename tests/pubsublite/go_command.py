"""The `go` command, which fetches what it compiles and checks it by hash."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

BUILD_SECONDS = 900
"""A first build compiles gRPC and Google's clients."""


def go(*words: str, folder: Path) -> str:
    """Run `go WORDS` in a folder, and return what it prints; fail with all of that if it fails."""
    done = subprocess.run(
        ["go", *words],
        cwd=folder,
        env={**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false"},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
