"""Works out where the parts of a drawing stand; the templates draw them as SVG without a style of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi, sin
from typing import Any

WIDE = 320.0  # of a waterfall
WIDTH = 760.0  # of a neighbourhood
HEIGHTS = ((2, 90.0), (6, 230.0), (18, 380.0))  # up to so many neighbours, so high
MOST = 18  # neighbours that are drawn


@dataclass(frozen=True)
class Bar:
    """One step of a waterfall: its label, the level behind it, its weight, and where it stands."""

    name: str
    level: str
    weight: float
    x: float
    width: float
    way: str


@dataclass(frozen=True)
class Waterfall:
    """The steps that add up to a weight, and where zero and the lines of review and acceptance are."""

    bars: tuple[Bar, ...]
    zero: float
    review: float
    accept: float
    wide: float = WIDE


def waterfall(
    steps: Sequence[tuple[str, str, float]], total: tuple[str, float], lines: tuple[float, float]
) -> Waterfall:
    """The drawing of (name, level, weight) steps that add up to `total`; `lines` are those of review and acceptance."""
    spans, at = [], 0.0
    for name, level, weight in steps:
        spans.append((name, level, weight, at, at + weight, "for" if weight >= 0 else "against"))
        at += weight
    spans.append((total[0], "", total[1], 0.0, total[1], "sum"))
    ends = [end for span in spans for end in span[3:5]] + [0.0, *lines]
    low, high = min(ends), max(ends)
    scale = WIDE / (high - low or 1.0)

    def place(value: float) -> float:
        return round((value - low) * scale, 2)

    bars = tuple(
        Bar(name, level, weight, place(min(a, b)), round(max(abs(b - a) * scale, 1.0), 2), way)
        for name, level, weight, a, b, way in spans
    )
    return Waterfall(bars, place(0.0), place(lines[0]), place(lines[1]))


@dataclass(frozen=True)
class Node:
    """A golden record, or somebody who is none (`golden_id` None), and where it stands."""

    golden_id: str | None
    name: str
    x: float
    y: float
    centre: bool = False


@dataclass(frozen=True)
class Edge:
    """A relation from one point to another, its title and where that stands."""

    x1: float
    y1: float
    x2: float
    y2: float
    title: str
    tx: float
    ty: float
    ended: bool


@dataclass(frozen=True)
class Neighbourhood:
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    hidden: int
    size: tuple[float, float]


def neighbourhood(
    golden_id: str, relations: Sequence[Mapping[str, Any]], names: Mapping[str, str], titles: Mapping[str, str]
) -> Neighbourhood:
    """The relations that begin or end at a golden record, around it. `names` by golden id, `titles` by type."""
    others = [_other(golden_id, one, names) for one in relations]
    ends = list(dict.fromkeys(others))
    height = next((high for most, high in HEIGHTS if len(ends) <= most), HEIGHTS[-1][1])
    where = _around(ends[:MOST], height)
    centre = (WIDTH * (0.3 if len(ends) == 1 else 0.5), height / 2)
    nodes = [Node(golden_id, names.get(golden_id, golden_id), *centre, centre=True)]
    nodes += [Node(*end, *where[end]) for end in where]
    edges: list[Edge] = []
    seen: Counter[tuple[str | None, str]] = Counter()
    for end, one in zip(others, relations, strict=True):
        if end not in where:
            continue
        x, y = where[end]
        points = (*centre, x, y) if one["from_id"] == golden_id else (x, y, *centre)
        tx = round(centre[0] + (x - centre[0]) * 0.52, 1)
        ty = round(centre[1] + (y - centre[1]) * 0.52 - 4 + 15 * seen[end], 1)
        seen[end] += 1
        edges.append(Edge(*points, titles.get(one["type"], one["type"]), tx, ty, one["until"] is not None))
    return Neighbourhood(tuple(nodes), tuple(edges), max(0, len(ends) - MOST), (WIDTH, height))


def _other(golden_id: str, relation: Mapping[str, Any], names: Mapping[str, str]) -> tuple[str | None, str]:
    """The other end of a relation: its id, None where it is no golden record, and what it is called."""
    other = relation["to_id"] if relation["from_id"] == golden_id else relation["from_id"]
    return (None, str(relation["to_name"] or "")) if other is None else (other, names.get(other, other))


def _around(ends: Sequence[tuple[str | None, str]], height: float) -> dict[tuple[str | None, str], tuple[float, float]]:
    """Where the ends stand: on an ellipse, the first on top, one alone to the right."""
    found = {}
    for i, end in enumerate(ends):
        angle = 2 * pi * i / len(ends) - (pi / 2 if len(ends) > 2 else 0)
        x, y = WIDTH / 2 + WIDTH * 0.37 * cos(angle), height / 2 + height * 0.39 * sin(angle)
        found[end] = (round(x, 1) if len(ends) > 1 else WIDTH * 0.7, round(y, 1))
    return found
