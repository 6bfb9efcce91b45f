"""Progress files as they are while jobs write them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dashboard import job_progress
from dashboard.job_progress import ProgressFolder
from tests.dashboard.written import line, minute


def numbers(folder: ProgressFolder, job: str = "job") -> list[int]:
    return [batch.number for batch in folder.jobs()[job].batches]


def test_a_folder_that_is_not_there_has_no_jobs(tmp_path: Path) -> None:
    assert ProgressFolder(tmp_path / "nothing").jobs() == {}


def test_a_line_is_a_batch(tmp_path: Path) -> None:
    figures = {"in": 7, "out": 2, "late": 1, "dead": 3, "state_rows": 40, "seconds": 1.25}
    times = {"watermark": "2026-01-01T12:03:00.500Z", "newest": "2026-01-01T12:04:00Z"}
    (tmp_path / "job.jsonl").write_text(line(4, **figures, **times, waiting="for noon"))
    os.utime(tmp_path / "job.jsonl", (1_000_000_000, 1_000_000_000))
    job = ProgressFolder(tmp_path).jobs()["job"]
    (batch,) = job.batches
    assert (batch.time, batch.number) == (minute(60), 4)
    assert (batch.rows_in, batch.rows_out, batch.late, batch.dead) == (7, 2, 1, 3)
    assert (batch.state_rows, batch.seconds, batch.waiting) == (40, 1.25, "for noon")
    assert job.watermark == datetime(2026, 1, 1, 12, 3, 0, 500_000, UTC)
    assert job.newest_event == datetime(2026, 1, 1, 12, 4, tzinfo=UTC)
    assert job.last_sign == datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)


def test_every_file_is_a_job_and_an_old_one_is_none(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "a.old.jsonl"):
        (tmp_path / name).write_text(line(0))
    assert list(ProgressFolder(tmp_path).jobs()) == ["a", "b"]


def test_a_job_that_has_said_nothing_yet_has_no_batches(tmp_path: Path) -> None:
    (tmp_path / "job.jsonl").touch()
    job = ProgressFolder(tmp_path).jobs()["job"]
    assert (job.batches, job.watermark, job.newest_event) == ((), None, None)


def test_new_lines_are_followed_and_a_half_written_one_is_none_yet(tmp_path: Path) -> None:
    file, folder = tmp_path / "job.jsonl", ProgressFolder(tmp_path)
    third = line(2)
    file.write_text(line(0) + line(1) + third[:40])
    assert numbers(folder) == [0, 1]
    file.write_text(line(0) + line(1) + third)
    assert numbers(folder) == [0, 1, 2]


@pytest.mark.parametrize("nonsense", ["{", "[]", "null", '{"batch": 1}', "\xff\x00", ""])
def test_what_is_no_batch_is_passed_over(tmp_path: Path, nonsense: str) -> None:
    text = (line(0) + nonsense + "\n" + line(1)).encode("latin-1")
    (tmp_path / "job.jsonl").write_bytes(text)
    assert numbers(ProgressFolder(tmp_path)) == [0, 1]


def test_the_file_before_is_read_where_the_present_one_is_short(tmp_path: Path) -> None:
    (tmp_path / "job.old.jsonl").write_text(line(0) + line(1))
    (tmp_path / "job.jsonl").write_text(line(2))
    assert numbers(ProgressFolder(tmp_path)) == [0, 1, 2]


def test_a_long_history_is_read_from_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_progress, "TAIL", 3 * len(line(0)) + 10)
    (tmp_path / "job.old.jsonl").write_text(line(0) + line(1) + line(2))
    (tmp_path / "job.jsonl").write_text(line(3) + line(4))
    assert numbers(ProgressFolder(tmp_path)) == [2, 3, 4]
    (tmp_path / "job.jsonl").write_text("".join(line(number) for number in range(3, 9)))
    assert numbers(ProgressFolder(tmp_path)) == [6, 7, 8]


def test_a_fresh_checkpoint_begins_anew(tmp_path: Path) -> None:
    folder = ProgressFolder(tmp_path)
    (tmp_path / "job.jsonl").write_text("".join(line(number) for number in (7, 8, 0, 1, 0, 1, 2)))
    assert numbers(folder) == [0, 1, 2]
    (tmp_path / "job.jsonl").write_text("".join(line(number) for number in (0, 0)))
    assert numbers(folder) == [0]
