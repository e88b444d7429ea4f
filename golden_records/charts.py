"""Draws shares as SVG text, offline: Altair says what, vl-convert draws it without a browser."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import vl_convert

Rows = Sequence[Mapping[str, Any]]
INK, MUTED, ACCENT, RULE = "#1f2d3d", "#6b7785", "#2b5f8a", "#dde3e9"
AGAINST = "#a5483a"
FONT = "Noto Sans CJK SC, Noto Sans SC, Source Han Sans SC, Microsoft YaHei, PingFang SC, sans-serif"
_NAMED = re.compile(r"""(\bid="|url\(#|href="#)(?=[A-Za-z])""")


def dots(rows: Rows, order: Sequence[str], mark: str) -> str:
    """One dot with its interval per `name`, in a column per `measure`; `mark` keeps ids apart on a page.

    Rows have name, measure, share, low and high.
    """
    least = min((row["low"] for row in rows), default=0.0)
    ends = [max(0.0, int(least * 20) / 20), 1.0]
    scale = alt.Scale(domain=ends, nice=False)
    base = alt.Chart(alt.Data(values=list(rows)))
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=190, domain=False, ticks=False, grid=True))
    axis = alt.Axis(format=".0%", values=ends, title=None)
    bar = base.mark_rule(color=ACCENT, strokeWidth=2, opacity=0.45).encode(
        y=y, x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q"
    )
    dot = base.mark_point(color=ACCENT, filled=True, size=26, opacity=1).encode(
        y=y, x=alt.X("share:Q", scale=scale, axis=axis)
    )
    chart = (
        alt.layer(bar, dot)
        .properties(width=80, height=alt.Step(17))
        .facet(
            column=alt.Column(
                "measure:N", sort=list(order), title=None, header=alt.Header(labelFontSize=10.5, labelLimit=92)
            ),
            spacing=8,
        )
    )
    return _svg(chart, mark)


def lines(rows: Rows, order: Sequence[str], mark: str) -> str:
    """A line over releases with its band, in a column per `measure`. Rows have release, measure, share, low, high."""
    least = min((row["low"] for row in rows), default=0.0)
    scale = alt.Scale(domain=[max(0.0, int(least * 20) / 20), 1.0], nice=False)
    base = alt.Chart(alt.Data(values=list(rows)))
    x = alt.X("release:O", title=None, axis=alt.Axis(labelAngle=0))
    y = alt.Y("share:Q", scale=scale, title=None, axis=alt.Axis(format=".0%", tickCount=3))
    band = base.mark_area(color=ACCENT, opacity=0.15).encode(
        x=x, y=alt.Y("low:Q", scale=scale, title=None), y2="high:Q"
    )
    line = base.mark_line(color=ACCENT, strokeWidth=1.5, point=alt.OverlayMarkDef(color=ACCENT, size=18)).encode(
        x=x, y=y
    )
    chart = (
        alt.layer(band, line)
        .properties(width=84, height=72)
        .facet(
            column=alt.Column(
                "measure:N", sort=list(order), title=None, header=alt.Header(labelFontSize=10.5, labelLimit=92)
            ),
            spacing=8,
        )
    )
    return _svg(chart, mark)


def bars(rows: Rows, mark: str, written: str = ",") -> str:
    """Horizontal bars of numbers, the longest first. Rows have name and n; `written` is the format of the numbers."""
    base = alt.Chart(alt.Data(values=list(rows)))
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=220, domain=False, ticks=False, grid=False))
    bar = base.mark_bar(color=ACCENT, height=9, opacity=0.8).encode(y=y, x=alt.X("n:Q", title=None, axis=None))
    text = base.mark_text(align="left", dx=4, color=INK, fontSize=10.5).encode(
        y=y, x="n:Q", text=alt.Text("n:Q", format=written)
    )
    return _svg(alt.layer(bar, text).properties(width=420, height=alt.Step(17)), mark)


def curve(rows: Rows, mark: str, x: str, y: str, logarithmic: bool = False) -> str:
    """Points joined by a line per `name`. Rows have name, x, y; `x` and `y` name the axes, logarithmic or from 0."""
    scale = alt.Scale(type="log") if logarithmic else alt.Scale(zero=True)
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_line(strokeWidth=1.5, point=alt.OverlayMarkDef(size=18))
        .encode(
            x=alt.X("x:Q", scale=scale, title=x, axis=alt.Axis(grid=True)),
            y=alt.Y("y:Q", scale=scale, title=y, axis=alt.Axis(grid=True)),
            color=alt.Color("name:N", title=None, legend=alt.Legend(orient="bottom", columns=2, labelLimit=300)),
        )
        .properties(width=420, height=200)
    )
    return _svg(chart, mark)


def weights(rows: Rows, mark: str) -> str:
    """What every level of every comparison weighs, in bits. Rows have name, n, way (for or against)."""
    base = alt.Chart(alt.Data(values=list(rows)))
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=340, domain=False, ticks=False, grid=False))
    color = alt.Color("way:N", legend=None, scale=alt.Scale(domain=["for", "against"], range=[ACCENT, AGAINST]))
    bar = base.mark_bar(height=9, opacity=0.85).encode(y=y, x=alt.X("n:Q", title="bits"), color=color)
    return _svg(bar.properties(width=420, height=alt.Step(15)), mark)


def estimates(rows: Rows, passes: Sequence[str], mark: str) -> str:
    """Every level's m by pass, by each of its starts, and as it was taken; and its u, over a logarithmic axis.

    Rows have name, x, way (a pass of `passes`, or taken, or u) and kind (pass, start, unlikely, taken, u).
    """
    colors = [ACCENT, "#b07d2b", "#4d8a5b", "#7a5aa6", "#3a8f9e", "#8c6d62", "#c0628d", "#6b7785"]
    ways = [*passes, "taken", "u"]
    scale = alt.Scale(domain=ways, range=[*(colors[i % len(colors)] for i in range(len(passes))), INK, AGAINST])
    kinds = ["pass", "start", "unlikely", "taken", "u"]
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_point(strokeWidth=1.2)
        .encode(
            y=alt.Y(
                "name:N", sort=None, title=None, axis=alt.Axis(labelLimit=340, domain=False, ticks=False, grid=True)
            ),
            x=alt.X("x:Q", scale=alt.Scale(type="log"), title="m, u", axis=alt.Axis(tickCount=8)),
            color=alt.Color(
                "way:N", scale=scale, legend=alt.Legend(title=None, orient="bottom", columns=1, labelLimit=420)
            ),
            shape=alt.Shape(
                "kind:N",
                scale=alt.Scale(domain=kinds, range=["circle", "stroke", "triangle-up", "diamond", "cross"]),
                legend=alt.Legend(title=None, orient="bottom", columns=5),
            ),
            size=alt.Size("kind:N", scale=alt.Scale(domain=kinds, range=[46, 60, 26, 60, 34]), legend=None),
        )
        .properties(width=620, height=alt.Step(17))
    )
    return _svg(chart, mark)


def waterfall(rows: Rows, mark: str, unit: str) -> str:
    """What adds up to a weight, in order. Rows have name, low, high, right (the greater of the two), n, way.

    `way` is for, against or sum; `unit` names the axis.
    """
    base = alt.Chart(alt.Data(values=list(rows)))
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=340, domain=False, ticks=False, grid=False))
    color = alt.Color(
        "way:N", legend=None, scale=alt.Scale(domain=["for", "against", "sum"], range=[ACCENT, AGAINST, MUTED])
    )
    bar = base.mark_bar(height=11, opacity=0.85).encode(
        y=y, x=alt.X("low:Q", title=unit, axis=alt.Axis(grid=True)), x2="high:Q", color=color
    )
    text = base.mark_text(align="left", dx=5, color=INK, fontSize=10.5).encode(
        y=y, x="right:Q", text=alt.Text("n:Q", format="+.2f")
    )
    return _svg(alt.layer(bar, text).properties(width=420, height=alt.Step(19)), mark)


def _svg(chart: Any, mark: str) -> str:
    spec = (
        chart.configure(font=FONT, background="transparent", padding=2)
        .configure_view(stroke=None)
        .configure_axis(labelColor=INK, gridColor=RULE, domainColor=RULE, tickColor=RULE, labelFontSize=10.5)
        .configure_header(labelColor=INK, labelFontWeight="normal")
        .to_dict()
    )
    svg = str(vl_convert.vegalite_to_svg(spec, vl_version="6.4", show_warnings=False))
    return _NAMED.sub(lambda found: f"{found[1]}{mark}-", svg)
