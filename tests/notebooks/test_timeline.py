"""The picture shows what the figures say: marks, watermark, bars, each where it belongs."""

# mypy: allow-untyped-calls
from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from notebooks import timeline


def at(*seconds: float) -> list[pd.Timestamp]:
    return [pd.Timestamp("2026-01-01 12:00") + pd.Timedelta(seconds=second) for second in seconds]


ARRIVALS = pd.DataFrame(
    {
        "number": [1, 2, 3, 4, 5, 6],
        "step": [1, 1, 2, 2, 2, 3],
        "event_id": list("abcbed"),
        "event_time": at(5, 40, 20, 40, 50, 900),
        "fate": ["counted", "counted", "late", "twice", "dead", "counted"],
    }
)
STEPS = pd.DataFrame({"step": [1, 2, 3], "watermark": [pd.NaT, *at(30, 45)]})
WINDOWS = pd.DataFrame(
    {
        "window_start": at(0, 30, 60),
        "window_end": at(60, 90, 120),
        "events": [2, 3, 1],
        "key": ["x", "y", "x"],
    }
)


@pytest.fixture
def drawn() -> Figure:
    return timeline.picture(ARRIVALS, STEPS, WINDOWS, figure="events", title="A title")


def bars(axes: Axes) -> list[tuple[str, str, float]]:
    """Return the start, end and lane of each bar."""
    found = [one for one in axes.patches if isinstance(one, Rectangle)]
    times = [
        (mdates.num2date(x), mdates.num2date(x + w)) for x, w in ((b.get_x(), b.get_width()) for b in found)
    ]
    return [
        (f"{start:%H:%M:%S}", f"{end:%H:%M:%S}", round(bar.get_y() + 0.36, 2))
        for (start, end), bar in zip(times, found, strict=True)
    ]


def test_every_fate_has_its_marks(drawn: Figure) -> None:
    marks = {mark.text: 0 for mark in timeline.MARKS.values()}
    for text, dots in zip(marks, drawn.axes[0].collections[-4:], strict=True):
        marks[text] = len(np.asarray(dots.get_offsets()))
    assert marks == {"counted": 2, "late: dropped": 1, "sent twice": 1, "no valid event": 1}
    legend = drawn.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        *marks,
        "watermark",
        "too late",
        "a window and its events",
    ]


def test_an_event_far_ahead_is_told_at_the_edge(drawn: Figure) -> None:
    assert "12:15:00  ▶" in [text.get_text() for text in drawn.axes[0].texts]


def test_the_watermark_rises_between_batches(drawn: Figure) -> None:
    line = next(one for one in drawn.axes[0].lines if one.get_color() == timeline.RED)
    times = [f"{mdates.num2date(x):%H:%M:%S}" for x in np.asarray(line.get_xdata())]
    assert list(zip(times, np.asarray(line.get_ydata()), strict=True)) == [
        ("12:00:30", 2.5),
        ("12:00:30", 5.5),
        ("12:00:45", 5.5),
        ("12:00:45", 6.5),
    ]


def test_a_window_takes_the_first_lane_that_is_free(drawn: Figure) -> None:
    assert bars(drawn.axes[1]) == [
        ("12:00:00", "12:01:00", 0),
        ("12:00:30", "12:01:30", 1),
        ("12:01:00", "12:02:00", 0),
    ]
    assert [text.get_text() for text in drawn.axes[1].texts] == ["2", "3", "1"]


def test_lanes_by_name() -> None:
    drawn = timeline.picture(ARRIVALS, STEPS, WINDOWS, figure="events", title="A title", lane="key")
    assert [label.get_text() for label in drawn.axes[1].get_yticklabels()] == ["x", "y"]
    assert [lane for _, _, lane in bars(drawn.axes[1])] == [0, 1, 0]


def test_without_a_watermark_nothing_is_too_late() -> None:
    steps = STEPS.assign(watermark=pd.NaT)
    legend = timeline.picture(ARRIVALS, steps, WINDOWS, figure="events", title="A title").axes[0].get_legend()
    assert legend is not None
    assert "too late" not in [text.get_text() for text in legend.get_texts()]
