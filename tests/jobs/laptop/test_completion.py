"""The shell's completion, asked of a real bash with argcomplete's own function."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
eval "$(register-python-argcomplete twinstream)"
COMP_LINE="$1" COMP_POINT=${#1} COMP_TYPE=9
_python_argcomplete twinstream
printf '%s\\n' "${COMPREPLY[@]}"
"""
DISCOUNTS = "streaming_product_discounts"


@pytest.mark.parametrize(
    ("line", "continued"),
    [
        ("twinstream ru", ["run"]),
        ("twinstream run str", [DISCOUNTS]),
        (f"twinstream run {DISCOUNTS} --kafka-au", ["--kafka-auth"]),
        (f"twinstream run {DISCOUNTS} --kafka-auth ", ["managed", "none", "plain"]),
        (f"twinstream plan {DISCOUNTS} --clu", ["--cluster"]),
        ("twinstream publish --source ", ["kafka", "pubsublite", "replay"]),
        ("twinstream dead-letters ", ["export", "list", "resend", "show"]),
        ("twinstream lite s", ["serve"]),
        ("twinstream run nothing --", [""]),
    ],
)
def test_a_line_is_continued(line: str, continued: list[str], tmp_path: Path) -> None:
    programs = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    asked = subprocess.run(
        ["bash", "-c", ASK, "bash", line],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert sorted(word.strip() for word in asked.stdout.splitlines()) == continued
