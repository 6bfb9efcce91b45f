"""The notebook of the running streams: live tables and charts, the jobs' results, faults in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.notebooks.executed import Executed, execute

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DELTA = """
import pandas as pd
from deltalake import write_deltalake

minute = pd.date_range("2026-01-01 12:00", periods=3, freq="min", tz="UTC")
write_deltalake("{folder}/streaming_product_discounts", pd.DataFrame({{
    "window_start": minute, "window_end": minute + pd.Timedelta("1 min"), "product_id": "mug",
    "net_revenue": [1.5, 2.5, 3.5], "discount_amount": [0.1, 0.2, 0.3],
}}))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results of a discounts job; the recommendations job has written nothing yet."""
    folder = tmp_path_factory.mktemp("results")
    subprocess.run([sys.executable, "-c", DELTA.format(folder=folder)], check=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def notebook(place: Mapping[str, str], results: Path) -> Executed:
    return execute(
        "explore", {**place, "TWINSTREAM_EXPLORE_SECONDS": "6", "TWINSTREAM_RESULTS": str(results)}
    )


def test_no_cell_fails_and_none_is_noisy(notebook: Executed) -> None:
    assert notebook.errors == []
    assert notebook.noise == []


def test_tables_and_charts_of_the_running_streams(notebook: Executed) -> None:
    assert notebook.pictures == ["from jobs import product_activity_windows"] * 2 + [
        "from jobs import streaming_product_discounts"
    ] * 2 + ['if "streaming_product_discounts" in tables:']
    for cell in ("from jobs import product_activity_windows", "from jobs import streaming_product_discounts"):
        status, *shown = notebook.outputs(cell)
        assert "rows ·" in status.data["text/markdown"]
        assert "window_start" in shown[-1].data["text/html"]
    assert "product-stream" in notebook.text("letters = ")


def test_results_of_the_running_jobs(notebook: Executed, results: Path) -> None:
    assert notebook.lines("tables = ")[-1] == ["streaming_product_discounts", "3"]
    table = f"{results}/popular_products_recommendation"
    assert notebook.text('if "popular_products_recommendation" in tables:') == (
        f"no table {table} yet: twinstream run popular_products_recommendation --sink delta "
        f"--sink-path {table}\n"
    )


def test_a_broker_that_is_not_there_is_one_line() -> None:
    notebook = execute("explore", {"TWINSTREAM_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    (lines,) = notebook.errors
    (line,) = lines
    assert line.startswith("SourceError: --kafka-bootstrap-servers 127.0.0.1:1: ")
    assert line.endswith(
        "; expected a Kafka broker; remedy: start one there, give another address, "
        "or log in if it requires that (--kafka-auth)"
    )
