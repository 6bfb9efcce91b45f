"""The page's messages when something is missing, waiting or dead; run without a browser."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import dashboard
from tests.dashboard.written import append, insight, letter, letters, line

PAGE = Path(dashboard.__file__).parent / "page.py"
WAITING = "there is no watermark before the second batch with events"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for variable, folder in (
        ("RESULTS", "results"),
        ("PROGRESS_DIR", "progress"),
        ("DEAD_LETTER_DIR", "dead"),
    ):
        monkeypatch.setenv(f"TWINSTREAM_{variable}", str(tmp_path / folder))
    (tmp_path / "progress").mkdir()
    st.cache_resource.clear()
    yield tmp_path
    st.cache_resource.clear()


def shown(page: AppTest | None = None) -> str:
    """Return all text of the page, its figures as `label: value`."""
    page = page or AppTest.from_file(PAGE, default_timeout=120).run()
    assert not page.exception
    texts = [one.value for kind in (page.markdown, page.info, page.warning, page.caption) for one in kind]
    return "\n".join([*texts, *(f"{one.label}: {one.value}" for one in page.metric)])


def test_an_empty_machine(places: Path) -> None:
    text = shown()
    assert (
        f"No progress from streaming_product_discounts in `{places}/progress`: "
        "is the service `discounts` up? `docker compose ps`"
    ) in text
    assert (
        f"No progress from popular_products_recommendation in `{places}/progress`: "
        "is the service `recommendations` up? `docker compose ps`"
    ) in text
    assert f"None in `{places}/dead`: all that the jobs have read were events." in text
    assert "Orders: \N{EN DASH}" in text


def test_dead_letters_come_with_the_commands_for_them(places: Path) -> None:
    letters(places / "dead", 0, letter("no price"))
    assert (
        f"Messages that are no event, of the newest 200 batches that had any, in `{places}/dead`. "
        "`twinstream dead-letters list` counts all of them, `show` prints one whole, and `resend` sends "
        "them to their stream again, mended by a filter."
    ) in shown()


def test_a_job_that_waits_says_for_what(places: Path) -> None:
    waiting = line(0, out=0, waiting=WAITING, late=1234, dead=2)
    (places / "progress" / "streaming_product_discounts.jsonl").write_text(waiting)
    text = shown()
    assert text.count(f"Nothing has come out yet: {WAITING}.") == 2
    assert re.search(r":green\[● alive\], last sign \d+ s ago", text)
    assert "Late: 1,234" in text
    assert "Dead: 2" in text


def test_a_job_that_gave_rows_and_waits_for_more(places: Path) -> None:
    (places / "progress" / "popular_products_recommendation.jsonl").write_text(
        line(0) + line(1, out=0, waiting=WAITING)
    )
    assert f"Waiting: {WAITING}." in shown()


def test_a_job_that_runs_without_rows_or_reason(places: Path) -> None:
    (places / "progress" / "streaming_product_discounts.jsonl").touch()
    assert (
        "streaming_product_discounts runs, and no batch has given a row. Do events come? "
        "`docker compose logs generator`"
    ) in shown()


def test_a_job_whose_rows_go_elsewhere(places: Path) -> None:
    (places / "progress" / "streaming_product_discounts.jsonl").write_text(line(0))
    assert (
        f"There is no table in `{places}/results/streaming_product_discounts`. "
        "Does streaming_product_discounts write there (`--sink delta --sink-path`)?"
    ) in shown()


def test_a_job_that_has_died(places: Path) -> None:
    file = places / "progress" / "streaming_product_discounts.jsonl"
    file.write_text(line(0))
    os.utime(file, (time.time() - 200, time.time() - 200))
    text = shown()
    assert ":red[■ no sign since " in text
    assert " UTC], 3 min 2" in text
    assert "It has ended, or hangs: `docker compose logs discounts`" in text


def test_any_job_with_a_progress_file_has_a_panel(places: Path) -> None:
    (places / "progress" / "product_activity_windows.jsonl").write_text(line(0))
    assert "**product_activity_windows**" in shown()


def test_rows_without_progress_are_shown_and_not_called_final(places: Path) -> None:
    append(places / "results" / "streaming_product_discounts", insight(0, gross="1234.50", discount="0.25"))
    text = shown()
    assert "Gross revenue: 1,234.50" in text
    assert "Net revenue: 1,234.25" in text
    assert "Which windows are final cannot be told. No progress from streaming_product_discounts" in text


def test_a_table_without_rows_yet(places: Path) -> None:
    append(places / "results" / "streaming_product_discounts")
    (places / "progress" / "streaming_product_discounts.jsonl").write_text(line(0, out=0, waiting=WAITING))
    assert f"Nothing has come out yet: {WAITING}." in shown()


def test_a_picked_product_stays_picked_where_it_has_no_rows(places: Path) -> None:
    append(places / "results" / "streaming_product_discounts", insight(0, "cup"), insight(50, gross="12.00"))
    page = AppTest.from_file(PAGE, default_timeout=120).run()
    page.multiselect(key="products").select("cup").run()
    assert "Gross revenue: 10.00" in shown(page)
    page.session_state["span"] = "15 min"
    page.run()
    assert page.multiselect(key="products").value == ["cup"]
    assert "The products that are picked have no rows in this span" in shown(page)
    assert "Gross revenue: 0.00" in shown(page)


def test_a_table_that_cannot_be_read(places: Path) -> None:
    folder = places / "results" / "streaming_product_discounts"
    append(folder, insight(0))
    (file,) = folder.glob("*.parquet")
    file.unlink()
    text = shown()
    assert f"{folder} cannot be read: " in text
    assert "The page tries again every two seconds." in text


def test_nonsense_wherever_it_may_stand(places: Path) -> None:
    (places / "progress" / "streaming_product_discounts.jsonl").write_text('{"batch": \n')
    (places / "results" / "popular_products_recommendation").mkdir(parents=True)
    (places / "results" / "popular_products_recommendation" / "note.txt").write_text("no table")
    letters(places / "dead", 0, letter("no price"), done=False)
    (places / "dead" / "readme").write_text("nothing")
    assert "None in" in shown()
