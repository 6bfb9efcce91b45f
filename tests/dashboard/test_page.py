"""The page in a real Chromium, over results of real runs of the jobs; Spark says what it must show."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page
from pyspark.sql import SparkSession

from tests.dashboard.served import chromium, opened, served
from tests.dashboard.shop import Shop

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium"), pytest.mark.timeout(900)]

JOBS = ("streaming_product_discounts", "popular_products_recommendation")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Return a shop with the first three of six files."""
    shop = Shop(spark, tmp_path_factory.mktemp("shop"))
    shop.run(1, 2, 3)
    return shop


@pytest.fixture(scope="module")
def address(shop: Shop) -> Iterator[str]:
    with served(shop.folder) as one:
        yield one


def eventually(read: Callable[[], object], expected: object, seconds: float = 120) -> None:
    """Read until the value is as expected: the page refreshes every two seconds."""
    deadline = time.monotonic() + seconds
    while (actual := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    assert actual == expected


def figures(page: Page, within: str = "figures") -> dict[str, str]:
    """Return the metrics of a part of the page."""
    metrics = page.locator(f".st-key-{within} [data-testid=stMetric]")
    part = "metric.querySelector(`[data-testid=stMetric${name}]`)?.innerText"
    found: list[tuple[str, str]] = metrics.evaluate_all(
        f"all => all.map(metric => ['Label', 'Value'].map(name => {part}))"
    )
    return dict(found)


def sums(page: Page) -> dict[str, str]:
    """Return the figures of the discounts."""
    return {label: value for label, value in figures(page).items() if label != "Rows/s, all jobs"}


def bars(page: Page, chart: str) -> list[str]:
    """Return what the chart's bars say to a screen reader."""
    marks = page.locator(f".st-key-{chart} svg [aria-roledescription=bar]")
    found: list[str] = marks.evaluate_all("all => all.map(bar => bar.getAttribute('aria-label'))")
    return found


def cells(page: Page, table: str) -> list[list[str]]:
    """Return the rows of a table that are on the screen."""
    rows = page.locator(f".st-key-{table} table tbody tr")
    found: list[list[str]] = rows.evaluate_all(
        "all => all.map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent))"
    )
    return found


def shows_the_discounts(page: Page, shop: Shop) -> None:
    eventually(lambda: sums(page), shop.figures())
    split = shop.bars("'net revenue'", "net_revenue") | shop.bars("'discount'", "discount_amount")
    eventually(lambda: set(bars(page, "split-chart")), split)
    eventually(lambda: cells(page, "newest-windows")[:8], shop.newest(8))


def test_the_page_shows_what_spark_reads_and_follows_by_itself(
    shop: Shop, browser: Browser, address: str
) -> None:
    page = opened(browser, address, height=2000)
    shows_the_discounts(page, shop)
    assert "still filling" in {mark.rpartition(", ")[2] for mark in bars(page, "split-chart")}
    waiting = page.get_by_text("Nothing has come out yet: windows that end at 2026-01-01T11:40:00Z or later")
    eventually(waiting.count, 2)
    page.evaluate("document.querySelectorAll('svg.marks').forEach(chart => chart.wasThere = true)")

    shop.run(4, 5, 6)

    shows_the_discounts(page, shop)
    eventually(waiting.count, 0)
    eventually(lambda: bars(page, "ranking-chart"), shop.ranking())
    assert page.evaluate("document.querySelector('.st-key-split-chart svg.marks').wasThere"), (
        "drawn anew: it flickers"
    )
    page.close()


def test_the_filters(shop: Shop, browser: Browser, address: str) -> None:
    page = opened(browser, address)
    picked = page.locator("[data-testid=stMultiSelect] input")
    for product in ("paper-filters", "moka-pot"):
        picked.fill(product)
        picked.press("Enter")
    products = "product_id in ('paper-filters', 'moka-pot')"
    eventually(lambda: sums(page), shop.figures(products))
    bars_of_both = {
        bar for bar in shop.bars("product_id", "net_revenue") if "paper-filters" in bar or "moka-pot" in bar
    }
    eventually(lambda: set(bars(page, "product-chart")), bars_of_both)
    page.locator(".st-key-span").get_by_text("15 min").click()
    eventually(lambda: sums(page), shop.figures(products, "15 minutes"))
    page.close()


@pytest.mark.parametrize("job", JOBS)
def test_the_health_of_a_job(shop: Shop, browser: Browser, address: str, job: str) -> None:
    page = opened(browser, address, height=2000)
    batches = shop.batches(job)
    expected = {
        "State rows": f"{batches[-1]['state_rows']:,}",
        "Late": str(sum(batch["late"] for batch in batches)),
        "Dead": str(sum(batch["dead"] for batch in batches)),
    }
    eventually(lambda: {label: figures(page, f"figures-of-{job}").get(label) for label in expected}, expected)
    page.close()


def test_the_dead_letters(shop: Shop, browser: Browser, address: str) -> None:
    page = opened(browser, address, height=2000)
    letters = shop.dead_letters()
    eventually(lambda: {row[1]: int(row[0]) for row in cells(page, "dead-letters")}, dict(letters))
    assert sum(letters.values()) == sum(batch["dead"] for job in JOBS for batch in shop.batches(job))
    page.close()


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_it_fits_a_laptop_and_a_phone(browser: Browser, address: str, width: int, height: int) -> None:
    page = opened(browser, address, width, height)
    eventually(lambda: len(figures(page)), 5)
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= width
    assert not page.get_by_text("Deploy").is_visible()
    assert not page.get_by_test_id("stMainMenu").is_visible()
    page.close()
