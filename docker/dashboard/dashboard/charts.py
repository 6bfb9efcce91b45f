"""The page's charts in Vega-Lite: constant specifications, so that new rows move marks without a redraw.

They are written as Vega-Lite's own JSON, because Altair takes seconds to import and 50 ms to build a chart.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from dashboard.insights import FILLING, FINAL, OTHERS

ROWS = "rows"
"""The name of the dataset in every specification."""
# Okabe and Ito's colors, which color-blind people can tell apart too; gray is not any one product.
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#A6ADB5"
COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#3B4A5A")
INK, FAINT = "#1F2933", "#E6E9ED"


def stacked(series: Sequence[str]) -> dict[str, Any]:
    """Return bars over time, one color per series, the first at the bottom.

    Windows that are still filling are light and dashed.
    Rows: `start, end, series, position, amount, state, label`; `position` is the index in `series`.
    """
    filling = {"test": f"datum.state === '{FILLING}'"}
    colour = {"domain": list(series), "range": _colours(series)}
    return _drawing(
        240,
        mark={"type": "bar", "orient": "vertical", "strokeWidth": 0.8},
        encoding={
            "x": {"field": "start", "type": "temporal", "scale": {"type": "utc"}, **_time_axis()},
            "x2": {"field": "end"},
            "y": {"field": "amount", "type": "quantitative", "stack": "zero", **_amount_axis()},
            "fill": {"field": "series", "type": "nominal", "scale": colour, "legend": None},
            "fillOpacity": {"condition": {**filling, "value": 0.35}, "value": 1},
            "stroke": {"condition": {**filling, "value": INK}, "value": "#FFFFFF"},
            "strokeDash": {"condition": {**filling, "value": [3, 2]}, "value": [1, 0]},
            "order": {"field": "position", "type": "quantitative"},
            **_label(),
        },
    )


def ranked(products: int) -> dict[str, Any]:
    """Return a bar per product, best first.

    Rows: `product_id, purchases, text, rank, label`.
    """
    axis = {"labelColor": INK, "labelFontSize": 12, "labelLimit": 160, "domain": False, "ticks": False}
    name = {"title": None, "axis": axis}
    bars = {"type": "bar", "color": BLUE, "cornerRadiusEnd": 2, "height": {"band": 0.7}}
    texts = {"type": "text", "align": "left", "dx": 6, "color": INK, "fontSize": 12, "aria": False}
    return _drawing(
        28 * max(3, products),
        encoding={
            "y": {"field": "product_id", "type": "nominal", "sort": {"field": "rank"}, **name},
            "x": {"field": "purchases", "type": "quantitative", "axis": None, "scale": {"nice": False}},
        },
        layer=[
            {"mark": bars, "encoding": _label()},
            {"mark": texts, "encoding": {"text": {"field": "text"}}},
        ],
    )


def legend(series: Sequence[str]) -> str:
    """Return the legend of `stacked`, its colors and both kinds of windows, as HTML that wraps on a phone."""
    named = [_key(f"background: {colour}", one) for one, colour in zip(series, _colours(series), strict=True)]
    kinds = [
        _key(f"background: {INK}", FINAL),
        _key(f"background: {GREY}; border: 1px dashed {INK}", FILLING),
    ]
    return f'<div class="legend">{"".join([*named, *kinds])}</div>'


def _key(style: str, text: str) -> str:
    return f'<span><i style="{style}"></i>{html.escape(text)}</span>'


def _drawing(height: int, **parts: Any) -> dict[str, Any]:
    return {
        "data": {"name": ROWS},
        "height": height,
        "config": {"view": {"stroke": None}},
        # A screen reader finds the marks of an SVG.
        "usermeta": {"embedOptions": {"renderer": "svg", "actions": False}},
        **parts,
    }


def _colours(series: Sequence[str]) -> list[str]:
    """Return the colors in order, with gray for the small series taken together."""
    colours = iter(COLOURS)
    return [GREY if one == OTHERS else next(colours) for one in series]


def _label() -> dict[str, Any]:
    """Return what a mark says when it is pointed at or read aloud."""
    label = {"field": "label", "type": "nominal"}
    return {"tooltip": {**label, "title": " "}, "description": label}


def _time_axis() -> dict[str, Any]:
    midnight = "utchours(datum.value) + utcminutes(datum.value) === 0"
    text = f"utcFormat(datum.value, {midnight} ? '%d %b' : '%H:%M')"
    line = {"grid": False, "tickColor": FAINT, "domainColor": FAINT}
    return {"title": None, "axis": {**line, "labelExpr": text, "labelOverlap": True, "tickCount": 6}}


def _amount_axis() -> dict[str, Any]:
    line = {"gridColor": FAINT, "domain": False, "ticks": False}
    return {"title": None, "axis": {**line, "format": ",.0f", "tickCount": 5}}
