"""The notebook of the windows, executed top to bottom: its rows, its fates and its pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.notebooks.executed import Executed, execute

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FIGURES = """
import json

def of(lesson, *columns):
    return {
        "windows": per_window(lesson.rows, *columns)[list(columns)].astype(str).values.tolist(),
        "fates": lesson.arrivals["fate"].value_counts().to_dict(),
        "late": int(lesson.steps["late"].sum()),
    }

print(json.dumps({
    "testing": of(testing, "events"),
    "tumbling": of(tumbling, "events"),
    "sliding": of(sliding, "events"),
    "session": of(session, "events"),
    "late": of(late, "events"),
    "orders": of(orders, "discount_amount", "gross_revenue"),
    "shoppers": of(shoppers, "purchases"),
}))
"""


@pytest.fixture(scope="module")
def notebook(place: Mapping[str, str]) -> Executed:
    return execute("write_data_to_pubsub", place, FIGURES)


@pytest.fixture(scope="module")
def figures(notebook: Executed) -> dict[str, Any]:
    return dict(json.loads(notebook.text("print(json.dumps({")))


def test_no_cell_fails_and_none_is_noisy(notebook: Executed) -> None:
    assert notebook.errors == []
    assert notebook.noise == []


def test_every_section_has_its_picture(notebook: Executed) -> None:
    assert len(notebook.pictures) == 7


def test_the_traffic_of_others_does_not_count(figures: dict[str, Any]) -> None:
    assert {name: sum(one["fates"].values()) for name, one in figures.items()} == {
        "testing": 82,
        "tumbling": 62,
        "sliding": 37,
        "session": 31,
        "late": 36,
        "orders": 61,
        "shoppers": 62,
    }


def test_publish_for_testing(notebook: Executed, figures: dict[str, Any]) -> None:
    assert figures["testing"] == {
        "windows": [["20"], ["15"], ["16"]],
        "fates": {"counted": 74, "twice": 3, "dead": 3, "late": 2},
        "late": 2,
    }
    letters = notebook.text("testing.dead_letters")
    for reason in ("value is not one JSON object", "value is not UTF-8", "product_id is empty"):
        assert letters.count(reason) == 1


def test_tumbling(notebook: Executed, figures: dict[str, Any]) -> None:
    assert figures["tumbling"]["windows"] == [["16"], ["14"], ["10"], ["8"], ["13"]]
    first, *_ = notebook.lines("tumbling.rows.head(8)")[1:]
    assert first == ["0", "2026-01-01", "12:00:00", "2026-01-01", "12:01:00", "coffee-grinder", "1", "2"]
    edge = notebook.lines("edge = ")[2:]
    assert [line[1] for line in edge] == ["12:00:59.999", "12:01:00.000"]


def test_sliding(notebook: Executed, figures: dict[str, Any]) -> None:
    # Each half minute holds one event more than the last, 1, 2, … 8 of them, each in two windows.
    expected = [["1"], ["3"], ["5"], ["7"], ["9"], ["11"], ["13"], ["15"], ["8"]]
    assert figures["sliding"]["windows"] == expected
    assert notebook.text("int(per_window(sliding") == "72\n"


def test_session(notebook: Executed) -> None:
    visits = [[*line[2::2][:2], *line[5:7]] for line in notebook.lines("session = Lesson(")[1:]]
    assert visits == [
        ["12:00:07.922", "12:10:07.922", "hugo.martin", "2"],
        ["12:00:24.282", "12:05:24.282", "liam.walsh", "1"],
        ["12:00:42.702", "12:05:42.702", "chiara.rossi", "1"],
        ["12:00:48.741", "12:05:48.741", "mei.tanaka", "1"],
        ["12:00:50.049", "12:05:50.049", "ben.okafor", "1"],
        ["12:00:59.075", "12:12:59.075", "elif.demir", "3"],
        ["12:09:24.282", "12:26:24.281", "liam.walsh", "4"],
        ["12:09:42.702", "12:26:42.701", "chiara.rossi", "4"],
        ["12:09:48.741", "12:26:48.740", "mei.tanaka", "4"],
        ["12:09:50.049", "12:26:50.048", "ben.okafor", "4"],
        ["12:14:07.922", "12:26:07.921", "hugo.martin", "3"],
        ["12:16:59.075", "12:26:59.074", "elif.demir", "2"],
    ]


def test_windows_with_watermarks(notebook: Executed, figures: dict[str, Any]) -> None:
    assert figures["late"] == {
        "windows": [["20"], ["7"]],
        "fates": {"counted": 28, "late": 7, "twice": 1},
        "late": 7,
    }
    # step, the watermark before and after it, rows, late, dead
    assert notebook.lines("late = Lesson(")[1:] == [
        ["0", "1", "NaT", "2026-01-01", "12:00:45", "0", "0", "0"],
        ["1", "2", "2026-01-01", "12:00:45", "2026-01-01", "12:00:45", "0", "0", "0"],
        ["2", "3", "2026-01-01", "12:00:45", "2026-01-01", "12:01:10", "9", "0", "0"],
        ["3", "4", "2026-01-01", "12:01:10", "2026-01-01", "12:01:10", "0", "7", "0"],
        ["4", "5", "2026-01-01", "12:01:10", "2026-01-01", "12:04:50", "4", "0", "0"],
    ]


def test_static_join(notebook: Executed, figures: dict[str, Any]) -> None:
    assert figures["orders"]["windows"] == [
        ["128.37", "1017.13"],
        ["55.35", "845.53"],
        ["35.87", "533.43"],
        ["48.23", "1295.80"],
        ["108.80", "930.18"],
    ]
    # amelia.hart buys an espresso machine for 249.00 and has 15 % off
    joined = notebook.text("joined = joined")
    assert ("249.00" in joined, "15.00" in joined) == (True, True)


def test_two_stream_join(notebook: Executed, figures: dict[str, Any]) -> None:
    assert figures["shoppers"]["windows"] == [["7"], ["1"], ["1"], ["2"]]
    assert "11 of 22 purchases followed a view" in notebook.text("followed = ")
