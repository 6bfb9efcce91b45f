"""Runs that fail for real, each with one line: a torn file in the checkpoint, and no Java."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from jobs.engine.run import run
from jobs.product_activity_windows import JOB as ACTIVITY
from sources.catalog import BROWSING
from tests.jobs.engine.test_run import event, places, replay
from tests.support.process import JobProcess

REMEDY = (
    "; expected a whole file in the checkpoint: a power cut or a full disk tears them; "
    "remedy: start over with an empty sink: twinstream reset product_activity_windows --source replay "
)


def newest(folder: Path, kind: str = "") -> Path:
    """Return the file of the highest number, like `3` or `3.delta`."""
    return max(folder.glob(f"[0-9]*{kind}"), key=lambda file: int(file.name.removesuffix(kind)))


def empty(*files: Path) -> None:
    for file in files:
        file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:10])


TORN: dict[str, Callable[[Path], None]] = {
    "every offset empty": lambda checkpoint: empty(*(checkpoint / "offsets").glob("[0-9]*")),
    "the last offset cut": lambda checkpoint: cut(newest(checkpoint / "offsets")),
    "the last commit empty": lambda checkpoint: empty(newest(checkpoint / "commits")),
    "the metadata empty": lambda checkpoint: empty(checkpoint / "metadata"),
    "the metadata cut": lambda checkpoint: cut(checkpoint / "metadata"),
    "the source's first entry empty": lambda checkpoint: empty(checkpoint / "sources" / "0" / "0"),
    "a state cut": lambda checkpoint: cut(newest(checkpoint / "state" / "0" / "0", ".delta")),
    "a state empty": lambda checkpoint: empty(newest(checkpoint / "state" / "0" / "0", ".delta")),
    "a state gone": lambda checkpoint: newest(checkpoint / "state" / "0" / "0", ".delta").unlink(),
}


@pytest.fixture(scope="module")
def ended(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return the folder of a run that ended well, and the flags with which it continues: there is more."""
    folder, batches = tmp_path_factory.mktemp("ended"), [[event("a", 0)], [event("b", 2)]]
    command = [replay(folder, BROWSING, *batches), *places(folder)]
    assert run(ACTIVITY, command) == 0
    replay(folder, BROWSING, *batches, [event("c", 4)])
    return folder, command


@pytest.mark.parametrize(
    "what", [pytest.param(one, marks=[pytest.mark.slow] if n else []) for n, one in enumerate(TORN)]
)
def test_a_torn_file_in_the_checkpoint_is_one_line_with_the_remedy(
    ended: tuple[Path, list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    folder, command = ended
    shutil.copytree(folder / "checkpoints", tmp_path / "checkpoints")
    checkpoint = tmp_path / "checkpoints" / "product_activity_windows" / "replay"
    TORN[what](checkpoint)
    for checksum in checkpoint.rglob(".*.crc"):
        checksum.unlink()
    assert run(ACTIVITY, [*command, f"--checkpoint-root={tmp_path / 'checkpoints'}"]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("product_activity_windows: the query failed: ")
    cause, _, trace = said.removeprefix("product_activity_windows: the query failed: ").partition(
        f"{REMEDY}--checkpoint-root {tmp_path / 'checkpoints'}; the whole trace: "
    )
    assert re.fullmatch(r"(\w+(Exception|Error): )+\S.*|EOFException", cause)
    assert Path(trace).stat().st_size > len(said)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_java_that_is_killed_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    """Kill it while it works through files, of which each is a batch."""
    files = replay(tmp_path, BROWSING, *([event(f"e-{number}", number)] for number in range(12)))
    with JobProcess(ACTIVITY.name, files, *places(tmp_path)) as job:
        job.wait_for(r" batch=1 ", 400)
        os.kill(java_of(job.pid), signal.SIGKILL)
        assert job.wait() == 1
    said = [line for line in job.lines if " batch=" not in line]
    assert len(said) == 1, job.said
    assert said[0].startswith("product_activity_windows: the query failed: ")
    assert (
        "; expected Spark's Java process to run: it was killed, or ran out of memory; "
        "remedy: run the same command: it continues; if that ends the same way, a smaller "
    ) in said[0]
    with JobProcess(ACTIVITY.name, files, *places(tmp_path)) as job:
        assert job.wait() == 0, job.said


def java_of(driver: int) -> int:
    """Return the process id of a driver's Java."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in Path(f"/proc/{driver}/task/{driver}/children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text() == "java\n":
                return int(child)
    raise AssertionError(f"process {driver} has no Java")
