"""Popular products on the page: the newest final ranking, and when the next one comes."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, missing, ranking, wording
from dashboard.observer import Observation
from dashboard.places import POPULAR
from dashboard.ranking import Ranking


def draw(observation: Observation) -> None:
    """Draw the section."""
    st.markdown("## Popular products now")
    rows = observation.popular.rows
    newest = ranking.newest(rows.table) if rows else None
    if newest is None:
        missing.results(observation, POPULAR, observation.popular)
        return
    st.markdown(
        f"Bought after a look, **{wording.window(newest.start, newest.end)} UTC**, final. "
        + _next(observation, newest)
    )
    _bars(newest)


def _next(observation: Observation, newest: Ranking) -> str:
    progress = observation.jobs.get(POPULAR)
    following = ranking.next_final(progress, newest) if progress else None
    if not progress or not following:
        return ""
    start = following.end - (newest.end - newest.start)
    window = wording.window(start, following.end).replace(" ", "\N{NO-BREAK SPACE}")
    reached = progress.newest_event
    left = f", {wording.duration(following.due - reached)} after the newest so far" if reached else ""
    return f"Next: {window}, final with an event of {wording.moment(following.due)} or later{left}."


def _bars(newest: Ranking) -> None:
    products = newest.products
    texts = [
        f"{wording.count(row.purchases)}  ·  {wording.money(row.revenue)}" for row in products.itertuples()
    ]
    labels = [
        f"{row.rank}. {row.product_id}: {row.purchases:,} purchases by {row.buyers:,} buyers,"
        f" {row.units:,} units, revenue {wording.money(row.revenue)}"
        for row in products.itertuples()
    ]
    rows = products.assign(text=texts, label=labels)
    with st.container(key="ranking chart"):
        st.vega_lite_chart({**charts.ranked(len(rows)), "datasets": {charts.ROWS: rows}})
    st.caption("Purchases · revenue of the window")
