"""`docker compose up --wait` over Kafka and over Pub/Sub Lite: healthy, small, and right on the page."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.containers import published
from tests.containers.stack import Stack, table_rows, wait_for
from tests.dashboard.served import chromium, opened
from tests.dashboard.test_page import figures
from tests.support.reader import Shell, blocks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("docker"),
    pytest.mark.needs("chromium"),
    pytest.mark.timeout(1500),
]

DISCOUNTS, RECOMMENDATIONS = "streaming_product_discounts", "popular_products_recommendation"
JOBS = (DISCOUNTS, RECOMMENDATIONS)
FIGURES = ("orders", "gross_revenue", "discount_amount", "net_revenue")
SKEW = timedelta(minutes=10)
SUFFIX = "rehearsed"
ON_KAFKA = "--source kafka --kafka-bootstrap-servers kafka:29092"
ON_LITE = f"--source pubsublite --project-number 1 --pubsublite-subscription-suffix {SUFFIX}"
TOTALS = ' --output-mode update --watermark "30 minutes" --trigger available-now'
SECONDS = {"kafka": 120, "pubsublite": 300}
"""Time limit of the first rows: Google's connector looks for new messages once a minute."""


@pytest.fixture(scope="module", params=["kafka", "pubsublite"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run a stack with no event behind the watermark, so that results do not depend on when a batch began."""
    folder, source = tmp_path_factory.mktemp("stack"), request.param
    name = f"twinstream-{source}-{folder.name.lower()}-{datetime.now(UTC):%H%M%S}"
    with Stack(folder, name, SOURCE=source, WATERMARK="30 minutes") as stack:
        wait_for(lambda: stack.progress(DISCOUNTS), SECONDS[source], "the first batch")
        yield stack


def test_every_service_is_healthy_and_all_are_small(stack: Stack) -> None:
    assert stack.healthy(), stack.states()
    assert stack.run("ps", "-a", "--format", "{{.ExitCode}}", "topics").strip() == "0"
    assert 0 < stack.memory() < 4 << 30


def test_a_job_starts_from_the_class_archive(stack: Stack) -> None:
    mapped = stack.run("exec", "-T", "discounts", "sh", "-c", "cat /proc/[0-9]*/maps 2>/dev/null || true")
    assert "/opt/twinstream/classes.jsa" in mapped


def test_the_table_and_the_page_show_everything_that_was_published(stack: Stack) -> None:
    stack.run("stop", "generator")
    wait_for(lambda: stack.rows(DISCOUNTS, *FIGURES) == orders(stack), 180, "all orders are in the table")
    rows = stack.rows(DISCOUNTS, *FIGURES)
    count, gross, discount, net = (sum((row[at] for row in rows), Decimal(0)) for at in range(4))
    with chromium() as browser:
        page = opened(browser, f"http://localhost:{stack.ports['DASHBOARD_PORT']}", height=2000)
        shown = {
            "Orders": f"{count:,}",
            "Gross revenue": f"{gross:,.2f}",
            "Discount given": f"{discount:,.2f}",
            "Net revenue": f"{net:,.2f}",
        }
        wait_for(lambda: shown.items() <= figures(page).items(), 60, f"the page shows {shown}")
        for job in JOBS:
            expect(page.get_by_text(job).first).to_be_visible()


def test_a_notebook_runs_in_jupyter(stack: Stack) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"http://localhost:{stack.ports['JUPYTER_PORT']}/lab/tree/notebooks/explore.ipynb")
        run_all_cells(page)
        expect(page.locator(".jp-OutputArea-output img").first).to_be_visible(timeout=240_000)
        assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0


@pytest.mark.needs("gcloud")
def test_gcloud_submits_to_the_dataproc_beside_it(stack: Stack, tmp_path: Path) -> None:
    (shown,) = blocks("compose-dataproc")
    assert ON_KAFKA in shown
    here = {
        "docker compose": shlex.join(stack.command()),
        ":8998": f":{stack.ports['DATAPROC_PORT']}",
        ON_KAFKA: {"kafka": ON_KAFKA, "pubsublite": ON_LITE}[stack.source] + TOTALS,
    }
    for there, replaced in here.items():
        shown = shown.replace(there, replaced)
    subscribe = ("--pubsublite-subscription-suffix", SUFFIX)
    stack.run("run", "--rm", "-T", "topics", "python", "-m", "sources", "create", *subscribe)
    with Shell(tmp_path) as shell:
        try:
            shell.type(shown)

            def insights() -> list[tuple[object, ...]]:
                shutil.rmtree(tmp_path / "discounts", ignore_errors=True)
                shell.type(f"gcloud storage cp --recursive gs://my-bucket/discounts {tmp_path} || true")
                return table_rows(tmp_path / "discounts", *FIGURES)

            wait_for(lambda: insights() == orders(stack), 300, "all orders are in the bucket")
        finally:
            stack.run("--profile", "dataproc", "rm", "--stop", "--force", "dataproc")


def run_all_cells(page: Page) -> None:
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=120_000)
    # Without its kernel, JupyterLab runs nothing and says nothing.
    page.get_by_role("button", name=re.compile(r"\| Idle$")).wait_for(timeout=120_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def orders(stack: Stack) -> list[tuple[object, ...]]:
    """Return the figures of the reference's rows over everything in the topic."""
    rows = published.discounts(
        published.events(stack.bootstrap, "product-stream", SKEW), timedelta(minutes=1)
    )
    return sorted((row[3], *row[6:9]) for row in rows)
