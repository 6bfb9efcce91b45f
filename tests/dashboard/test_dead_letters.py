"""Dead letters by reason."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard import dead_letters
from dashboard.dead_letters import DeadLetterFolder
from tests.dashboard.written import letter, letters


def counted(folder: DeadLetterFolder) -> list[tuple[str, int, int]]:
    return [(one.reason, one.count, one.example.offset) for one in folder.reasons()]


def test_no_folder_is_no_letters(tmp_path: Path) -> None:
    assert DeadLetterFolder(tmp_path / "nothing").reasons() == []


def test_reasons_are_counted_over_jobs_and_batches_with_the_newest_as_example(tmp_path: Path) -> None:
    letters(tmp_path, 0, letter("no price", 1), letter("no user", 2), letter("no price", 3))
    letters(tmp_path, 9, letter("no price", 4))
    letters(tmp_path, 10, letter("no price", 5, value="last"), job="other")
    folder = DeadLetterFolder(tmp_path)
    assert counted(folder) == [("no price", 4, 5), ("no user", 1, 2)]
    example = folder.reasons()[0].example
    assert (example.job, example.stream, example.partition) == ("other", "product-stream", 1)
    assert (example.value, example.published_at) == ("last", "2026-01-01T12:00:00.000000Z")


def test_a_value_that_is_no_text_or_not_there_is_shown_as_it_is_kept(tmp_path: Path) -> None:
    bytes_only = {**letter("not UTF-8"), "value_base64": "/wA="}
    del bytes_only["value"]
    tombstone = {
        key: value for key, value in letter("a tombstone").items() if key not in ("value", "published_at")
    }
    letters(tmp_path, 0, bytes_only, tombstone)
    values = {one.reason: one.example.value for one in DeadLetterFolder(tmp_path).reasons()}
    assert values == {"not UTF-8": "/wA=", "a tombstone": ""}


def test_letters_of_one_kind_are_counted_together_whatever_their_values(tmp_path: Path) -> None:
    letters(tmp_path, 0, letter("user_id is not a string: 7", 1), letter("user_id is not a string: [1]", 2))
    assert counted(DeadLetterFolder(tmp_path)) == [("user_id is not a string", 2, 2)]


def test_a_batch_counts_when_it_is_whole_and_once_when_it_comes_again(tmp_path: Path) -> None:
    folder = DeadLetterFolder(tmp_path)
    written = letters(tmp_path, 0, letter("no price", 1), done=False)
    assert counted(folder) == []
    (written / "_SUCCESS").touch()
    assert counted(folder) == [("no price", 1, 1)]
    shutil.rmtree(written)
    letters(tmp_path, 0, letter("no price", 7), letter("no price", 8))
    assert counted(folder) == [("no price", 2, 8)]


def test_lines_that_are_no_dead_letter_are_passed_over(tmp_path: Path) -> None:
    written = letters(tmp_path, 0, letter("no price", 1))
    (written / "part-00000.txt").write_bytes(
        b'{"reason":\n[]\n\xff\n{"reason": "x"}\n' + json.dumps(letter("a")).encode()
    )
    assert counted(DeadLetterFolder(tmp_path)) == [("a", 1, 0)]


def test_only_the_newest_batches_and_so_many_lines_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "BATCHES", 2)
    monkeypatch.setattr(dead_letters, "LINES", 3)
    for number in (9, 10, 11):
        letters(tmp_path, number, *(letter(f"in batch {number}", offset) for offset in range(5)))
    assert counted(DeadLetterFolder(tmp_path)) == [("in batch 10", 3, 2), ("in batch 11", 3, 2)]


def test_a_folder_that_is_no_batch_is_passed_over(tmp_path: Path) -> None:
    written = letters(tmp_path, 0, letter("no price", 1))
    for name in ("batch=x", "batch=", "batch=-1", "batch=1.5", "batch=\u00b2"):
        shutil.copytree(written, written.with_name(name))
    assert counted(DeadLetterFolder(tmp_path)) == [("no price", 1, 1)]


OPENED: list[str] | None = None
"""What this process has opened or listed, while someone asks."""


def note(event: str, arguments: tuple[object, ...]) -> None:
    if OPENED is not None and event in ("open", "os.scandir"):
        OPENED.append(Path(str(arguments[0])).name)


def opened(look: Callable[[], object]) -> list[str]:
    global OPENED
    OPENED = []
    look()
    seen, OPENED = OPENED, None
    return seen


def test_what_has_not_changed_is_neither_listed_nor_read_again(tmp_path: Path) -> None:
    sys.addaudithook(note)
    for number in range(3):
        written = letters(tmp_path, number, letter("no price", number))
    letters(tmp_path, 3)
    long_ago = (1_700_000_000,) * 2
    os.utime(written.parent, long_ago)
    folder = DeadLetterFolder(tmp_path)
    assert "checkpoint" in opened(folder.reasons)
    assert {"checkpoint", "part-00000.txt"} & set(opened(folder.reasons)) == set()
    letters(tmp_path, 4, letter("no price", 4))
    assert opened(folder.reasons).count("part-00000.txt") == 1
    assert counted(folder) == [("no price", 4, 4)]
