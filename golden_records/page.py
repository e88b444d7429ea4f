"""One self-contained page of a scorecard, a census, a run or tuning: no script, font or picture from elsewhere.

Everything on it stands in the document that `--json` gives; a page only lays it out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2

from golden_records import charts
from golden_records.scorecard import MEASURES
from rules.errors import RefusedError

Document = dict[str, Any]
MANY = 12  # members of a golden record: from there on they are drawn together
EVENTS = {
    "created": "新建",
    "merged": "归并",
    "split": "拆分",
    "changed": "变更",
    "revived": "恢复",
    "retired": "注销",
    "unchanged": "未变",
}


def write_quality(document: Document, target: Path) -> None:
    """Write the page of a scorecard to `target` (RefusedError: it exists)."""
    drawn = {name: _drawn(name, card) for name, card in document["entities"].items()}
    _write(target, "quality.html", document | {"drawn": drawn})


def write_census(document: Document, target: Path) -> None:
    """Write the page of a census to `target` (RefusedError: it exists)."""
    drawn = {name: charts.bars(_states(one), f"{name}-state") for name, one in document["entities"].items()}
    _write(target, "census.html", document | {"drawn": drawn})


def write_run(document: Document, target: Path) -> None:
    """Write the page of a release to `target` (RefusedError: it exists)."""
    drawn = {}
    for name, one in document["entities"].items():
        sizes = [{"name": str(size), "n": n} for size, n in one["sizes"].items() if size < MANY]
        rest = sum(n for size, n in one["sizes"].items() if size >= MANY)
        drawn[name] = {
            "sizes": charts.bars([*sizes, *([{"name": f"{MANY}+", "n": rest}] if rest else [])], f"{name}-sizes")
        }
        levels = [{"name": f"{told['comparison']}: {told['level']}", "n": told["pairs"]} for told in one["levels"]]
        if levels:
            drawn[name]["levels"] = charts.bars(levels, f"{name}-levels")
    _write(target, "run.html", document | {"drawn": drawn, "events": EVENTS})


def write_tuning(document: Document, target: Path) -> None:
    """Write the page of blocking, weights and accuracy of one entity type to `target` (RefusedError: it exists)."""
    made = 0
    growing = []
    for i, one in enumerate(document["blocking"]["rules"], start=1):
        made += one.get("new_pairs", one["pairs"])
        growing.append({"name": "pairs", "x": i, "y": made})
    sizes = [
        {"name": one["rule"], "x": size, "y": count}
        for one in document["blocking"]["rules"]
        for size, count in one["block_sizes"].items()
    ]
    drawn = {"pairs": charts.curve(growing, "pairs", "rules, in order", "candidate pairs")}
    if sizes:
        drawn["sizes"] = charts.curve(sizes, "sizes", "records in a block", "blocks", logarithmic=True)
    if "suggested" in document["blocking"]:
        told = document["blocking"]["suggested"]
        path = [
            {"name": name, "x": point["pairs"], "y": point["share"]}
            for name, part in (("suggested", "path"), ("present rules", "present"))
            for point in told[part]
        ]
        drawn["budget"] = charts.curve(path, "budget", "pairs", "share of known pairs")
    if document["drift"] and document["drift"]["levels"]:
        told = [one for one in document["drift"]["levels"] if one["pairs"]["then"] and one["pairs"]["now"]]
        drawn["drift"] = charts.bars([{"name": one["comparison"], "n": one["index"]} for one in told], "drift", ".3f")
    levels = [
        {
            "name": f"{one['comparison']}: {one['level']}",
            "n": one["weight"],
            "way": "for" if one["weight"] > 0 else "against",
        }
        for one in document["weights"]
    ]
    if levels:
        drawn["weights"] = charts.weights(levels, "weights")
    _write(target, "tuning.html", document | {"drawn": drawn})


def write_training(document: Document, target: Path) -> None:
    """Write the page of a training, with what every pass and start gave, to `target` (RefusedError: it exists)."""
    passes = [" + ".join(one["keys"]) for one in document["passes"]]
    told: dict[str, list[Document]] = {f"{one['comparison']}: {one['label']}": [] for one in document["levels"]}
    for name, one in zip(passes, document["passes"], strict=True):
        kinds = [("pass", one["m"])]
        kinds += [("start" if start["likely"] else "unlikely", start["m"]) for start in one.get("starts", ())]
        for kind, levels in kinds:
            for level in levels:
                point = {"x": level["m"], "way": name, "kind": kind}
                told[f"{level['comparison']}: {level['label']}"].append(point)
    for one in document["levels"]:
        points = [{"x": one["m"], "way": "taken", "kind": "taken"}, {"x": one["u"], "way": "u", "kind": "u"}]
        told[f"{one['comparison']}: {one['label']}"] += points
    rows = [{"name": name, **point} for name, points in told.items() for point in points if point["x"] > 0]
    _write(target, "training.html", document | {"drawn": charts.estimates(rows, passes, "estimates")})


def _states(one: Document) -> list[Document]:
    """The states of life with their numbers, the most frequent first, by the names that people give them."""
    told = sorted(one["by_state"].items(), key=lambda item: (-item[1], item[0]))
    return [{"name": one["state_titles"].get(state, {}).get("zh", state), "n": n} for state, n in told]


def _drawn(name: str, card: Document) -> dict[str, str]:
    """The charts of an entity type: its sources, and, from the second release on, the trend."""
    order = [one.zh for one in MEASURES.values()]
    sources = [
        one | {"name": card["sources"].get(source, {}).get("zh", source), "measure": MEASURES[one["measure"]].zh}
        for source, told in card["by_source"].items()
        for one in told
        if one["B"]
    ]
    trend = [one | {"measure": MEASURES[one["measure"]].zh} for one in card["trend"] if one["B"]]
    found = {"sources": charts.dots(sources, order, f"{name}-sources")} if sources else {}
    if len({one["release"] for one in trend}) > 1:
        found["trend"] = charts.lines(trend, order, f"{name}-trend")
    return found


def number(value: int) -> str:
    """A count with its thousands apart."""
    return f"{value:,}"


def percent(value: float | None) -> str:
    """A share in per cent with two digits; nothing where nothing was counted."""
    return "" if value is None else f"{100 * value:.2f}"


def tint(value: float | None) -> str:
    """The background of a share: none from 99.5 % on, then ever warmer."""
    if value is None or value >= 0.995:
        return ""
    strength = min(1.0, (0.995 - value) / 0.3)
    return f"background: rgba(214, 137, 16, {0.06 + 0.34 * strength:.2f})"


def _write(target: Path, template: str, document: Document) -> None:
    if target.exists():
        raise RefusedError(f"{target} exists; choose another name")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("golden_records", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "tint": tint}
    text = environment.get_template(template).render(**document)
    target.write_text(text, encoding="utf-8")
    target.chmod(0o600)
