"""Notebooks as committed: without outputs, so that a change to one is a change of text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.notebooks.executed import NOTEBOOKS

NAMES = ["explore", "write_data_to_pubsub"]


def cells(name: str, kind: str) -> list[dict[str, Any]]:
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def test_these_are_all_notebooks() -> None:
    assert sorted(file.stem for file in NOTEBOOKS.glob("*.ipynb")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_no_outputs_are_committed(name: str) -> None:
    left = [cell for cell in cells(name, "code") if cell["outputs"] or cell["execution_count"] is not None]
    assert left == []


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_short(name: str) -> None:
    long = [cell["source"] for cell in cells(name, "code") if len(cell["source"]) > 25]
    assert long == []


def test_the_sections_are_in_the_order_of_the_lesson() -> None:
    first_lines = [cell["source"][0] for cell in cells("write_data_to_pubsub", "markdown")]
    assert [line.strip("# \n") for line in first_lines if line.startswith("## ")] == [
        "Publish for testing",
        "Tumbling windows",
        "Sliding windows",
        "Session windows",
        "Windows with watermarks",
        "Static join",
        "Browsing and purchase events: the two-stream join",
    ]
