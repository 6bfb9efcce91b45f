"""A table that is followed while it is being written."""

from __future__ import annotations

import shutil
import threading
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from deltalake import DeltaTable

from dashboard.insights import COLUMNS
from dashboard.result_table import NEWEST_WINDOW, ResultTable, Rows, Unreadable
from tests.dashboard.written import append, insight, minute

HOUR = timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "table"


def seen(rows: Rows | None) -> list[datetime]:
    assert rows
    return sorted(rows.table["window_start"].to_pylist())


def test_a_table_that_is_not_there_yet_is_none_until_it_is(folder: Path) -> None:
    table = ResultTable(folder, COLUMNS)
    assert table.newest(HOUR) is None
    folder.mkdir()
    assert table.newest(HOUR) is None
    append(folder, insight(0))
    rows = table.newest(HOUR)
    assert seen(rows) == [minute(0)]
    assert rows
    assert rows.table["net_revenue"].to_pylist() == [Decimal("9.00")]


def test_a_table_without_rows_has_none(folder: Path) -> None:
    append(folder)
    assert seen(ResultTable(folder, COLUMNS).newest(HOUR)) == []


def test_the_span_ends_where_the_newest_window_does(folder: Path) -> None:
    append(folder, *(insight(start) for start in (0, 1, 59, 60)))
    table = ResultTable(folder, COLUMNS)
    assert seen(table.newest(HOUR)) == [minute(1), minute(59), minute(60)]
    assert seen(table.newest(timedelta(minutes=2))) == [minute(59), minute(60)]
    assert seen(table.newest(NEWEST_WINDOW)) == [minute(60)]


def test_new_versions_are_followed_and_nothing_is_read_twice(folder: Path) -> None:
    append(folder, insight(0))
    table = ResultTable(folder, COLUMNS)
    first = table.newest(HOUR)
    assert table.newest(HOUR) is first
    append(folder, insight(1))
    assert seen(table.newest(HOUR)) == [minute(0), minute(1)]


def test_only_files_of_the_span_are_read(folder: Path) -> None:
    append(folder, insight(0))
    (old,) = folder.glob("*.parquet")
    append(folder, insight(120))
    old.write_bytes(b"not parquet at all")
    assert seen(ResultTable(folder, COLUMNS).newest(HOUR)) == [minute(120)]


def test_a_table_made_anew_is_not_taken_for_the_one_before(folder: Path) -> None:
    append(folder, insight(0))
    table = ResultTable(folder, COLUMNS)
    assert seen(table.newest(HOUR)) == [minute(0)]
    shutil.rmtree(folder)
    assert table.newest(HOUR) is None
    append(folder, insight(5))
    assert seen(table.newest(HOUR)) == [minute(5)]
    shutil.rmtree(folder)
    append(folder, insight(7))
    assert seen(table.newest(HOUR)) == [minute(7)]


def test_what_vacuum_removes_is_not_missed(folder: Path) -> None:
    append(folder, insight(0))
    table = ResultTable(folder, COLUMNS)
    table.newest(HOUR)
    delta = DeltaTable(folder)
    delta.delete()
    append(folder, insight(1))
    DeltaTable(folder).vacuum(0, dry_run=False, enforce_retention_duration=False)
    assert seen(table.newest(timedelta(hours=2))) == [minute(1)]


def test_a_file_that_is_there_a_moment_later_is_waited_for(folder: Path) -> None:
    append(folder, insight(0))
    (file,) = folder.glob("*.parquet")
    hidden = file.rename(folder / "hidden")
    later = threading.Timer(0.1, lambda: hidden.rename(file))
    later.start()
    assert seen(ResultTable(folder, COLUMNS).newest(HOUR)) == [minute(0)]
    later.join()


def test_a_file_that_is_gone_is_one_line_and_forgotten_when_it_is_back(folder: Path) -> None:
    append(folder, insight(0))
    table = ResultTable(folder, COLUMNS)
    (file,) = folder.glob("*.parquet")
    hidden = file.rename(folder / "hidden")
    with pytest.raises(Unreadable, match=rf"^{folder} cannot be read: \S[^\n]*$"):
        table.newest(HOUR)
    hidden.rename(file)
    assert seen(table.newest(HOUR)) == [minute(0)]


def test_a_log_entry_that_is_half_written_is_no_version_yet(folder: Path) -> None:
    append(folder, insight(0))
    table = ResultTable(folder, COLUMNS)
    table.newest(HOUR)
    append(folder, insight(1))
    entry = folder / "_delta_log" / f"{1:020}.json"
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2])
    later = threading.Timer(0.1, lambda: entry.write_bytes(whole))
    later.start()
    assert seen(table.newest(HOUR)) == [minute(0), minute(1)]
    later.join()
