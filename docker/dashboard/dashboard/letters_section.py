"""Dead letters on the page, by reason."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.dead_letters import BATCHES, Reason
from dashboard.observer import Observation

LONGEST = 300
"""The most characters shown of an example."""


def draw(observation: Observation) -> None:
    """Draw the section."""
    st.markdown("## Dead letters")
    folder = observation.places.dead_letters
    if not observation.reasons:
        st.info(f"None in `{folder}`: all that the jobs have read were events.")
        return
    rows = pd.DataFrame(_row(reason) for reason in observation.reasons)
    letters = st.column_config.NumberColumn(format="%,d", width="small")
    with st.container(key="dead letters"):
        st.dataframe(rows, hide_index=True, column_config={"Letters": letters})
    st.caption(
        f"Messages that are no event, of the newest {BATCHES} batches that had any, in `{folder}`. "
        "`twinstream dead-letters list` counts all of them, `show` prints one whole, and `resend` sends "
        "them to their stream again, mended by a filter."
    )


def _row(reason: Reason) -> dict[str, object]:
    example = reason.example
    return {
        "Letters": reason.count,
        "Reason": reason.reason,
        "The newest one": example.value[:LONGEST],
        "Where": f"{example.stream}, partition {example.partition}, offset {example.offset}",
        "Published": example.published_at.partition(".")[0].replace("T", " "),
        "Job": example.job,
    }
