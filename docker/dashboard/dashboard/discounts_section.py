"""Discount insights on the page: figures, charts over time and the newest windows."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pyarrow as pa
import streamlit as st

from dashboard import charts, insights, missing, wording
from dashboard.health import health
from dashboard.observer import Observation
from dashboard.places import DISCOUNTS

MEASURES = {"net": "net_revenue", "gross": "gross_revenue", "discount": "discount_amount"}
NEWEST = 100
"""The most rows in the table."""


def chosen(observation: Observation) -> pa.Table | None:
    """Return the rows of the picked products, which may be none; None if there are no rows at all."""
    rows = observation.discounts.rows.table if observation.discounts.rows else None
    names = {*(insights.products(rows) if rows else []), *st.session_state.get("products", [])}
    picked = st.multiselect(
        "Products", sorted(names), placeholder="All products", key="products", label_visibility="collapsed"
    )
    return insights.of_products(rows, picked) if rows else None


def draw_figures(observation: Observation, rows: pa.Table | None) -> None:
    """Draw the sums over the windows shown, and the rate of all jobs."""
    totals = insights.totals(rows) if rows is not None else None
    rate = sum(health(progress, observation.now).rows_in for progress in observation.jobs.values())
    with st.container(key="figures", horizontal=True):
        st.metric("Orders", wording.count(totals.orders) if totals else wording.UNKNOWN)
        st.metric("Gross revenue", wording.money(totals.gross) if totals else wording.UNKNOWN)
        st.metric("Discount given", wording.money(totals.discount) if totals else wording.UNKNOWN)
        st.metric("Net revenue", wording.money(totals.net) if totals else wording.UNKNOWN)
        st.metric("Rows/s, all jobs", wording.rate(rate))


def draw_charts(observation: Observation, rows: pa.Table | None, span: timedelta) -> None:
    """Draw the windows over time."""
    st.markdown("## Discounts over time")
    if rows is None:
        missing.results(observation, DISCOUNTS, observation.discounts)
    elif not rows:
        st.info("The products that are picked have no rows in this span: pick others, or a longer one.")
    else:
        _charts(insights.bars(rows, observation.watermark(DISCOUNTS), span))


def draw_table(observation: Observation, rows: pa.Table | None) -> None:
    """Draw the rows of the newest windows."""
    st.markdown("## Newest windows")
    if not rows:
        st.caption("None yet." if rows is None else "None of these products.")
        return
    _table(insights.newest(rows, observation.watermark(DISCOUNTS), NEWEST))
    if DISCOUNTS not in observation.jobs:
        st.caption(f"Which windows are final cannot be told. {missing.no_progress(observation, DISCOUNTS)}")


def _charts(bars: pd.DataFrame) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        with st.container(key="split title", horizontal=True, vertical_alignment="center"):
            st.markdown("Gross revenue, split into net and discount")
        _stacked("split chart", *insights.split(bars))
    with right:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("By product", width="content")
            measure = st.segmented_control(
                "Amount",
                list(MEASURES),
                default="net",
                required=True,
                key="measure",
                label_visibility="collapsed",
            )
        _stacked("product chart", *insights.by_product(bars, MEASURES[measure]))


def _stacked(key: str, series: list[str], rows: pd.DataFrame) -> None:
    labels = [
        f"{wording.window(row.start, row.end)}, {row.series}: {wording.money(row.amount)}, {row.state}"
        for row in rows.itertuples()
    ]
    datasets = {charts.ROWS: rows.assign(label=labels)}
    with st.container(key=key):
        st.vega_lite_chart({**charts.stacked(series), "datasets": datasets})
        st.html(charts.legend(series))


def _table(rows: pd.DataFrame) -> None:
    windows = [wording.clock_times(row.start, row.end) for row in rows.itertuples()]
    columns = {
        "product_id": "Product",
        "orders": "Orders",
        "discounted_orders": "Discounted",
        "units": "Units",
        "gross_revenue": "Gross",
        "discount_amount": "Discount",
        "net_revenue": "Net",
        "state": "Window",
    }
    shown = rows[list(columns)].rename(columns=columns)
    shown.insert(0, "UTC", windows)
    whole = st.column_config.NumberColumn(format="%,d")
    amount = st.column_config.NumberColumn(format="%,.2f")
    formats = dict.fromkeys(("Orders", "Discounted", "Units"), whole)
    formats |= dict.fromkeys(("Gross", "Discount", "Net"), amount)
    with st.container(key="newest windows"):
        st.dataframe(shown, hide_index=True, height=318, column_config=formats)
