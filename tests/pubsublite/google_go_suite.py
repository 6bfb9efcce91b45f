"""Google's own integration tests of its Go client, fetched by Go, checked by hash, run as they are."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pubsublite_emulator import Emulator
from pubsublite_emulator.exports import also_for
from tests.pubsublite.go_command import go

MODULE = "cloud.google.com/go/pubsublite@v1.10.0"
# Of the module's files, as in a go.sum.
SUM = "h1:kqNk9e0gt0/Eu6lChjDlgu4B8k/399FZFpAU4LNq4Co="
RUN_SECONDS = 300


@dataclass(frozen=True)
class GoSuite:
    """A package's tests, compiled: `program` runs in `folder`, the package's own."""

    program: Path
    folder: Path

    def run(self, lite: Emulator, project: str, **more: str) -> tuple[dict[str, str], str]:
        """Run the integration tests over the emulator.

        Return the verdict of each test and subtest, PASS, FAIL or SKIP, and all that was printed.
        """
        key = {
            "GCLOUD_TESTS_GOLANG_PROJECT_ID": project,
            "GCLOUD_TESTS_GOLANG_KEY": str(lite.files.credentials),
        }
        done = subprocess.run(
            [self.program, "-test.v", "-test.run=^TestIntegration", f"-test.timeout={RUN_SECONDS}s"],
            cwd=self.folder,
            env={**os.environ, **lite.env, **also_for("go", lite.files, lite.address), **key, **more},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS + 30,
            check=False,
        )
        verdicts = re.findall(r"^ *--- (PASS|FAIL|SKIP): (\S+)", done.stdout, re.MULTILINE)
        return {name: verdict for verdict, name in verdicts}, done.stdout + done.stderr


def build(package: str, folder: Path) -> GoSuite:
    """Fetch the module and compile the tests of one of its packages, "." for the root, into `folder`."""
    module = json.loads(go("mod", "download", "-json", MODULE, folder=folder))
    assert module["Sum"] == SUM
    program = folder / "suite.test"
    go("test", "-c", "-o", str(program), package, folder=Path(module["Dir"]))
    return GoSuite(program, Path(module["Dir"], package))
