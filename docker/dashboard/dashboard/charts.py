"""The page's charts in Vega-Lite: constant drawings, so that new rows move marks and nothing is drawn anew.

Written as Vega-Lite's own JSON, for Altair takes seconds to import and a twentieth of one to build a chart.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from dashboard.insights import FILLING, FINAL, OTHERS

ROWS = "rows"
"""The dataset that a drawing names."""
# Okabe and Ito's colours, told apart by colour-blind people too; grey is what is no product of its own.
BLUE, ORANGE, GREY = "#0072B2", "#E69F00", "#A6ADB5"
COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#3B4A5A")
INK, FAINT = "#1F2933", "#E6E9ED"


def stacked(series: Sequence[str]) -> dict[str, Any]:
    """Bars over time, a colour a series, the first at the bottom; windows that still fill light and dashed.

    Rows: `start, end, series, position, amount, state, label`; `position` counts in `series`.
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
    """A bar a product, best first. Rows: `product_id, purchases, text, rank, label`."""
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
    """What the colours of `stacked` mean, and the two kinds of windows, as HTML that wraps on a phone."""
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
        # Marks of SVG are found by a screen reader.
        "usermeta": {"embedOptions": {"renderer": "svg", "actions": False}},
        **parts,
    }


def _colours(series: Sequence[str]) -> list[str]:
    """In this order, and grey for the small ones together."""
    colours = iter(COLOURS)
    return [GREY if one == OTHERS else next(colours) for one in series]


def _label() -> dict[str, Any]:
    """What a mark says when it is pointed at or read aloud."""
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
