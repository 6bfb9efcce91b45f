"""The picture of a lesson: its events by event time and by arrival, the watermark and the windows.

Upper half: each event is a mark, further right the later it happened and further up the later it arrived;
behind the watermark, in the shaded area, it is too late. Lower half: each bar is a window, with the job's
figure.
"""

# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

INK, GREY, PALE, WHITE = "#222222", "#757575", "#f4f4f4", "#ffffff"
BLUE, ORANGE, RED, PURPLE, GREEN, SKY = "#0072b2", "#e69f00", "#d55e00", "#cc79a7", "#009e73", "#56b4e9"
"""Okabe and Ito's colors, which color-blind people can tell apart too; each comes with its own shape."""
MARGIN = 0.02
"""Fraction of the time shown that is left free on either side of the windows."""
LINE = 0.036
"""Distance between lines of small text, as a fraction of the upper half's height."""
MOST_EDGES = 12
"""The most edges of windows that are also drawn through the events."""


@dataclass(frozen=True)
class Mark:
    """The way to draw events of a kind, and their name in the legend."""

    text: str
    shape: str
    colour: str
    filled: bool = True


MARKS: Mapping[str, Mark] = {
    "counted": Mark("counted", "o", BLUE),
    "late": Mark("late: dropped", "X", RED),
    "twice": Mark("sent twice", "s", PURPLE, filled=False),
    "dead": Mark("no valid event", "v", INK),
}


def picture(
    arrivals: pd.DataFrame,
    steps: pd.DataFrame,
    windows: pd.DataFrame,
    *,
    title: str,
    figure: str,
    lane: str | None = None,
    dots: pd.DataFrame | None = None,
    links: pd.DataFrame | None = None,
    marks: Mapping[str, Mark] = MARKS,
) -> Figure:
    """Draw `arrivals` and `steps`, as a Lesson has them, above `windows`.

    `windows` has `window_start`, `window_end` and the column `figure`, which is written into the bars. A bar
    lies in the lane that the column `lane` names; without one, in the first lane where it covers no other.
    `dots`, with `event_time` and the column `lane`, are marked on the bars. `links` connects two events by a
    line: `event_id` and `other_id`. `marks` says how each `fate` is drawn.
    """
    windows = windows.assign(lane=windows[lane] if lane else _free_lanes(windows))
    lanes: list[Any] = sorted(windows["lane"].unique())
    drawn, (above, below) = plt.subplots(
        2,
        figsize=(10, 4.4 + 0.3 * len(lanes)),
        sharex=True,
        height_ratios=(3.4, 0.2 + 0.3 * len(lanes)),
        layout="constrained",
    )
    _set_times(below, windows, arrivals)
    _draw_edges(above, windows)
    _draw_steps(above, arrivals)
    has_watermark = _draw_watermark(above, arrivals, steps)
    if links is not None:
        _draw_links(above, arrivals, links)
    _draw_events(above, arrivals, marks)
    _draw_lanes(below, lanes, named=lane is not None)
    _draw_windows(below, windows, lanes, figure, centred=dots is None)
    if dots is not None and lane:
        below.plot(dots["event_time"], dots[lane].map(lanes.index), "o", markersize=4, color=INK, zorder=3)
    kinds = [mark for fate, mark in marks.items() if fate in set(arrivals["fate"])]
    _explain(drawn, above, kinds, has_watermark, f"a window and its {figure.replace('_', ' ')}")
    drawn.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    plt.close(drawn)  # the cell shows the returned figure; pyplot need not show it again
    return drawn


def _free_lanes(windows: pd.DataFrame) -> list[int]:
    """Return, for each window, the first lane that is free at its start."""
    ends: list[pd.Timestamp] = []
    lanes = []
    for start, end in zip(windows["window_start"], windows["window_end"], strict=True):
        at = next((lane for lane, taken in enumerate(ends) if taken <= start), len(ends))
        ends[at : at + 1] = [end]
        lanes.append(at)
    return lanes


def _set_times(axes: Axes, windows: pd.DataFrame, arrivals: pd.DataFrame) -> None:
    """Show all windows and nearly all events: a scenario's last event is far ahead to make windows final."""
    times, end = arrivals["event_time"], windows["window_end"].max()
    first = min(windows["window_start"].min(), times.min())
    last = max(end, times.quantile(0.97, interpolation="lower"))
    if times.max() - last < (last - first) / 4:
        last = max(end, times.max())
    margin = (last - first) * MARGIN
    axes.set_xlim(first - margin, last + margin + (8 if last == end else 0) * margin / 2)
    axes.xaxis.set_major_locator(mdates.AutoDateLocator(maxticks=12))
    short = last - first < pd.Timedelta("4 minutes")
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M:%S" if short else "%H:%M"))
    axes.set_xlabel("event time: when it happened", color=INK)


def _draw_edges(axes: Axes, windows: pd.DataFrame) -> None:
    """Draw where windows begin and end, unless that is nearly everywhere."""
    edges = {*windows["window_start"], *windows["window_end"]}
    for edge in edges if len(edges) <= MOST_EDGES else ():
        axes.axvline(edge, color=GREY, linewidth=0.6, linestyle=(0, (1, 3)), zorder=1)


def _draw_steps(axes: Axes, arrivals: pd.DataFrame) -> None:
    """Draw a band behind everything that one run of the query read."""
    axes.set_ylim(0.2, len(arrivals) + 0.8)
    axes.set_yticks([])
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("order of arrival  →", color=INK)
    apart = len(arrivals) * LINE
    lowest = 0.0
    for step, numbers in arrivals.groupby("step")["number"]:
        bottom, top = numbers.min() - 0.5, numbers.max() + 0.5
        axes.axhspan(bottom, top, color=PALE if step % 2 else WHITE, zorder=0)
        lowest = max((bottom + top) / 2, lowest + apart)
        axes.annotate(
            f"batch {step}",
            (1.008, lowest),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color=GREY,
        )


def _draw_watermark(axes: Axes, arrivals: pd.DataFrame, steps: pd.DataFrame) -> bool:
    """Draw the query's watermark as a line from batch to batch, and return whether there was one."""
    ranges = arrivals.groupby("step")["number"].agg(["min", "max"])
    corners = [
        (mdates.date2num(step.watermark), ranges.loc[step.step, edge] + shift)
        for step in steps.itertuples()
        if not pd.isna(step.watermark)
        for edge, shift in (("min", -0.5), ("max", 0.5))
    ]
    if not corners:
        return False
    times, heights = zip(*corners, strict=True)
    left = axes.get_xlim()[0]
    axes.fill_betweenx(heights, left, times, color=RED, alpha=0.12, linewidth=0, zorder=1)
    axes.plot(times, heights, color=RED, linewidth=1.6, zorder=2)
    return True


def _draw_events(axes: Axes, arrivals: pd.DataFrame, marks: Mapping[str, Mark]) -> None:
    right = axes.get_xlim()[1]
    times = pd.Series(mdates.date2num(arrivals["event_time"]), index=arrivals.index)
    for fate, mark in marks.items():
        here = (arrivals["fate"] == fate) & (times < right)
        axes.scatter(
            times[here],
            arrivals.loc[here, "number"],
            marker=mark.shape,
            s=34 if mark.shape in "osD" else 52,
            facecolors=mark.colour if mark.filled else WHITE,
            edgecolors=WHITE if mark.filled else mark.colour,
            linewidths=0.6 if mark.filled else 1.4,
            zorder=4,
        )
    for _, ahead in arrivals[times >= right].groupby("step"):
        axes.annotate(
            f"{ahead['event_time'].max():%H:%M:%S}  ▶",
            (0.995, ahead["number"].mean()),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="center",
            fontsize=8,
            color=GREY,
        )


def _draw_links(axes: Axes, arrivals: pd.DataFrame, links: pd.DataFrame) -> None:
    places = arrivals.drop_duplicates("event_id").set_index("event_id")[["event_time", "number"]]
    for one, other in links[["event_id", "other_id"]].itertuples(index=False):
        ends = places.loc[[one, other]]
        axes.plot(ends["event_time"], ends["number"], color=GREY, linewidth=0.8, alpha=0.7, zorder=3)


def _draw_lanes(axes: Axes, lanes: list[Any], *, named: bool) -> None:
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    axes.set_yticks(range(len(lanes)), [str(lane) for lane in lanes] if named else [""] * len(lanes))
    axes.tick_params(axis="y", length=0, labelsize=8, labelcolor=GREY)
    axes.grid(axis="x", color=PALE)
    axes.set_axisbelow(True)


def _draw_windows(axes: Axes, windows: pd.DataFrame, lanes: list[Any], figure: str, *, centred: bool) -> None:
    """Draw the bars, with the figure in the middle or, if dots are in them, at the end."""
    gap = 0.006 * (axes.get_xlim()[1] - axes.get_xlim()[0])
    for window in windows.to_dict("records"):
        start, end = mdates.date2num(window["window_start"]), mdates.date2num(window["window_end"])
        at = lanes.index(window["lane"])
        axes.add_patch(
            Rectangle((start, at - 0.36), end - start, 0.72, facecolor=SKY, edgecolor=WHITE, linewidth=1.5)
        )
        place, side = ((start + end) / 2, "center") if centred else (end - gap, "right")
        axes.text(place, at, str(window[figure]), ha=side, va="center_baseline", fontsize=9, color=INK)


def _explain(drawn: Figure, axes: Axes, marks: list[Mark], watermark: bool, window: str) -> None:
    """Draw the legend, and make the axes plain."""
    shown: list[Line2D | Patch] = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=mark.shape,
            markersize=7,
            markerfacecolor=mark.colour if mark.filled else WHITE,
            markeredgecolor=mark.colour,
            label=mark.text,
        )
        for mark in marks
    ]
    if watermark:
        shown += [Line2D([], [], color=RED, label="watermark"), Patch(color=RED, alpha=0.2, label="too late")]
    shown.append(Patch(color=SKY, label=window))
    axes.legend(
        handles=shown, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=8, frameon=False, fontsize=8.5,
        borderaxespad=0.3, columnspacing=1.3, handletextpad=0.4, labelcolor=INK,
    )  # fmt: skip
    for one in drawn.axes:
        one.spines[["top", "right", "left"]].set_visible(False)
        one.spines["bottom"].set_color(GREY)
        one.tick_params(axis="x", colors=GREY)
