"""`env --for`: what leads programs here that read no variable of their own, as CLIENTS.md shows."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pubsublite_emulator import Emulator
from pubsublite_emulator.__main__ import main
from tests.pubsublite.test_http2_clients import GO, SHOWN

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docker" / "pubsublite" / "CLIENTS.md"
PROJECT = "https://cloudresourcemanager.googleapis.com/v1/projects/4711"


@pytest.mark.slow
@pytest.mark.needs("go")
def test_a_go_program_is_led_here_as_the_page_shows(tmp_path: Path) -> None:
    (block,) = re.findall(r"```bash go\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "go.mod").write_text("module asking\n")
    (tmp_path / "main.go").write_text(GO.replace("os.Args[1]", 'os.Getenv("ASKED")'))
    directory = tmp_path / "directory"
    script = block.replace(".pubsublite", str(directory)).replace(
        ".venv/bin/", f"{shlex.quote(str(Path(sys.executable).parent))}/"
    )
    variables = {**os.environ, "ASKED": PROJECT}
    with Emulator(directory=directory):
        done = subprocess.run(
            ["bash", "-ec", script],
            env=variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == SHOWN


def test_only_go_is_given_a_proxy_that_others_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Emulator(directory=tmp_path) as lite:
        added = (f"export HTTPS_PROXY=http://{lite.address}", f"export SSL_CERT_FILE={lite.files.bundle}")
        main(["env", "--directory", str(tmp_path)])
        plain = capsys.readouterr().out.splitlines()
        main(["env", "--directory", str(tmp_path), "--for", "go"])
        assert capsys.readouterr().out.splitlines() == [*plain, *added]


def test_an_unknown_client_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["env", "--for", "cobol"])
    assert ended.value.code == 2
    assert "argument --for: invalid choice: 'cobol'" in capsys.readouterr().err
