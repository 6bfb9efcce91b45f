"""The page: the jobs' results, live, and their health; `streamlit run` runs this file."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import streamlit as st

from dashboard import discounts_section, jobs_section, letters_section, popular_section
from dashboard.observer import Observer
from dashboard.places import Places

HERE = Path(__file__).parent
REFRESH = timedelta(seconds=2)
SPANS = {
    "15 min": timedelta(minutes=15),
    "1 h": timedelta(hours=1),
    "6 h": timedelta(hours=6),
    "24 h": timedelta(hours=24),
}


@st.cache_resource
def observer() -> Observer:
    """Return the observer that all visitors share, so that each change is read once."""
    return Observer(Places.of(os.environ))


@st.fragment(run_every=REFRESH)
def live() -> None:
    """Draw everything that changes."""
    # At the top: the products' box changes height when it loses focus, and must not move what is clicked.
    with st.container(key="head", horizontal=True, vertical_alignment="top"):
        st.markdown("# Product insights")
        span = st.segmented_control(
            "Time span", list(SPANS), default="1 h", required=True, key="span", label_visibility="collapsed"
        )
        chosen = st.container(width=340)
    observation = observer().look(SPANS[span])
    with chosen:
        rows = discounts_section.chosen(observation)
    discounts_section.draw_figures(observation, rows)
    discounts_section.draw_charts(observation, rows, SPANS[span])
    table, ranking = st.columns([3, 2], gap="large")
    with table:
        discounts_section.draw_table(observation, rows)
    with ranking:
        popular_section.draw(observation)
    jobs_section.draw(observation)
    letters_section.draw(observation)


st.set_page_config("Product insights · twinstream", page_icon=str(HERE / "icon.svg"), layout="wide")
st.html(HERE / "style.css")
live()
