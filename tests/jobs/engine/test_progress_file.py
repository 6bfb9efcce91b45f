"""The progress file: a line of JSON per batch, bounded, and kept alive while the query runs."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest

from jobs.engine import progress_file
from jobs.engine.progress_file import ProgressFile
from jobs.engine.run import run
from jobs.product_activity_windows import JOB
from sources.catalog import BROWSING
from tests.jobs.engine.test_run import event, places, replay


def test_a_run_writes_every_batch_with_the_reason_for_silence(tmp_path: Path) -> None:
    first, second = [event("a", 0.5), b"nothing"], [event("b", 2.5), event("c", 0.1)]
    files = replay(tmp_path, BROWSING, first, second)
    progress = tmp_path / "progress"
    assert run(JOB, [files, *places(tmp_path), f"--progress-dir={progress}"]) == 0
    lines = [json.loads(line) for line in (progress / f"{JOB.name}.jsonl").read_text().splitlines()]
    figures = [[line[name] for name in ("batch", "in", "out", "late", "dead", "newest")] for line in lines]
    assert figures == [
        [0, 2, 0, 0, 1, "2026-01-01T12:00:30Z"],
        [1, 2, 0, 0, 0, "2026-01-01T12:02:30Z"],
        [2, 0, 1, 0, 0, None],
    ]
    assert [line["watermark"] for line in lines] == [None, "2026-01-01T12:00:20Z", "2026-01-01T12:02:20Z"]
    assert lines[0]["waiting"] == "there is no watermark before the second batch with events"
    assert lines[2]["waiting"] is None


def test_the_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_file, "LARGEST", 30)
    file = ProgressFile(str(tmp_path), "job")
    for number in range(6):
        file.add({"batch": number, "in": 1000})
    assert (tmp_path / "job.jsonl").read_text() == '{"batch": 4, "in": 1000}\n{"batch": 5, "in": 1000}\n'
    assert (tmp_path / "job.old.jsonl").read_text() == '{"batch": 2, "in": 1000}\n{"batch": 3, "in": 1000}\n'


def test_a_touch_shows_that_the_query_is_alive(tmp_path: Path) -> None:
    file = ProgressFile(str(tmp_path), "job")
    os.utime(tmp_path / "job.jsonl", (0, 0))
    file.touch()
    assert (tmp_path / "job.jsonl").stat().st_mtime > 0


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    files = replay(tmp_path, BROWSING, [event("a", 0)])
    assert run(JOB, [files, *places(tmp_path), f"--progress-dir={tmp_path / 'file' / 'x'}"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"{JOB.name}: --progress-dir {tmp_path / 'file' / 'x'}: cannot be written (")


def test_a_batch_for_which_there_is_no_room_leaves_no_half_line(tmp_path: Path) -> None:
    file = ProgressFile(str(tmp_path), "job")
    file.add({"batch": 0})
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            file.add({"batch": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    file.add({"batch": 2})
    assert (tmp_path / "job.jsonl").read_text() == '{"batch": 0}\n{"batch": 2}\n'
