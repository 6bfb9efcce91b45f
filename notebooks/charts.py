"""Charts of a job's rows, in the colors of the pictures."""

# mypy: allow-untyped-calls
from __future__ import annotations

from collections.abc import Sequence

import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from notebooks.timeline import GREY, INK, ORANGE, SKY


def ranking(values: pd.Series, *, title: str, top: int = 10) -> Figure:
    """Draw the largest `values` as bars, named by the index, best first."""
    best = values.sort_values(ascending=False).head(top)
    drawn, axes = _empty(title, (8, 0.8 + 0.3 * top))
    bars = axes.barh(range(len(best)), best.to_numpy(dtype=float), color=SKY)
    axes.bar_label(bars, labels=[str(value) for value in best], padding=4, fontsize=9, color=INK)
    axes.set_yticks(range(len(best)), best.index)
    axes.set_ylim(top - 0.4, -0.6)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    return drawn


def by_window(rows: pd.DataFrame, columns: Sequence[str], *, title: str) -> Figure:
    """Draw the sums of `columns` over all rows of a window as stacked bars, the windows by their start."""
    drawn, axes = _empty(title, (8, 3))
    sums = rows.groupby(["window_start", "window_end"])[list(columns)].sum().astype(float).reset_index()
    start, end = mdates.date2num(sums["window_start"]), mdates.date2num(sums["window_end"])
    bottom = pd.Series(0.0, index=sums.index)
    for column, colour, hatch in zip(columns, (SKY, ORANGE), ("", "///"), strict=False):
        axes.bar(
            start,
            sums[column],
            width=0.92 * (end - start),
            bottom=bottom,
            align="edge",
            color=colour,
            hatch=hatch,
            edgecolor="white",
            label=column.replace("_", " "),
        )
        bottom += sums[column]
    axes.xaxis_date()
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M"))
    if len(columns) > 1:
        axes.legend(frameon=False, fontsize=9, loc="upper left", ncols=2, bbox_to_anchor=(0, 1.14))
    return drawn


def _empty(title: str, size: tuple[float, float]) -> tuple[Figure, Axes]:
    drawn, axes = plt.subplots(figsize=size, layout="constrained")
    drawn.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, labelsize=9, colors=GREY)
    plt.close(drawn)
    return drawn, axes
