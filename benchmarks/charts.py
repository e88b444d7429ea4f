"""Draws the history of measured runs as charts: `benchmarks/results/*.svg`.

    python -m benchmarks.charts [--results DIR]

    ladder_cpu.svg      CPU seconds by step over records, both axes logarithmic, with the growth exponent
    ladder_memory.svg   peak memory by step over records
    versus_splink.svg   CPU of plain Splink ÷ CPU of the kernel, run after run
    peers.svg           CPU seconds and F1 of every package of the last run
    spark.svg           bytes shuffled and CPU on Spark by step over records, measured, and from there on extrapolated

A chart without a run is not drawn. The ladder shows the newest run of every rung of the newest commit that has one.
What Spark moves is drawn of the latest state, `spark.json`, of all that was measured.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from benchmarks.spark import GOALS, MOVED
from benchmarks.steps import RESULTS, Document, history
from benchmarks.versus_splink import ENTITY
from linkage.growth import exponent

STEPS = ("load", "link", "plan", "publish", "all")
COLOURS = ("#4477aa", "#228833", "#ccbb44", "#ee6677", "#333333")
Chart = Any


def draw(folder: Path = RESULTS) -> list[Path]:
    """Draw every chart for which there is a run; gives the files."""
    drawn = []
    for name, chart in CHARTS.items():
        made = chart(folder)
        if made is None:
            continue
        spec = made.configure(font="sans-serif", background="white", padding=8).to_dict()
        path = folder / f"{name}.svg"
        path.write_text(vl_convert.vegalite_to_svg(spec, vl_version="6.4", show_warnings=False), "utf-8")
        drawn.append(path)
    return drawn


def rungs(folder: Path) -> list[Document]:
    """The newest run of each rung, of the commit of the last ladder; smallest first."""
    runs = history(folder, "ladder")
    if not runs:
        return []
    commit = runs[-1]["environment"]["commit"]
    found = {run["figures"]["size"]: run["figures"] for run in runs if run["environment"]["commit"] == commit}
    return [found[size] for size in sorted(found)]


def _points(folder: Path, figure: str) -> list[Document]:
    points = []
    for rung in rungs(folder):
        by_step = {step["name"]: step[figure] for step in rung["steps"]}
        by_step["all"] = sum(by_step.values()) if figure == "cpu_s" else max(by_step.values())
        points += [{"records": rung["records"], "step": name, "value": by_step[name]} for name in STEPS]
    return points


def _ladder(folder: Path, figure: str, unit: str, of_all: str) -> Chart | None:
    points = _points(folder, figure)
    if not points:
        return None
    title = {}
    for name in STEPS:
        mine = [point for point in points if point["step"] == name]
        slope = exponent([point["records"] for point in mine], [point["value"] for point in mine])
        shown = of_all if name == "all" else name
        title[name] = shown if slope is None else f"{shown}: exponent {slope:.2f}"
    data = [point | {"step": title[point["step"]]} for point in points]
    commit = history(folder, "ladder")[-1]["environment"]["commit"]
    scale = alt.Scale(type="log", nice=False, padding=12)
    return (
        alt.Chart(alt.Data(values=data), title=f"persons, raw files to release, at {commit}")
        .mark_line(point=True)
        .encode(
            x=alt.X("records:Q", title="records", scale=scale, axis=alt.Axis(format="~s")),
            y=alt.Y("value:Q", title=unit, scale=scale),
            color=alt.Color(
                "step:N", title=None, sort=None, scale=alt.Scale(domain=list(title.values()), range=list(COLOURS))
            ),
        )
        .properties(width=460, height=320)
    )


def _cpu(folder: Path) -> Chart | None:
    return _ladder(folder, "cpu_s", "CPU seconds", "all steps")


def _memory(folder: Path) -> Chart | None:
    return _ladder(folder, "peak_mib", "peak memory, MiB", "largest")


def _versus_splink(folder: Path) -> Chart | None:
    data = []
    for number, run in enumerate(history(folder, "versus_splink"), 1):
        one, commit = run["figures"], run["environment"]["commit"]
        case = f"{one['records']:,} records{', dense' if one['dense'] else ''}"
        label = f"{number}: {commit}"
        data.append({"run": label, "case": case, "from": "from landed records", "ratio": one["cpu_ratio"]})
        standard = one["from_standard"]["cpu_ratio"]
        data.append({"run": label, "case": case, "from": "from standardized records", "ratio": standard})
    if not data:
        return None
    points = (
        alt.Chart()
        .mark_line(point=True)
        .encode(
            x=alt.X("run:N", title="measured run: commit", sort=None, axis=alt.Axis(labelAngle=-40)),
            y=alt.Y("ratio:Q", title="CPU of Splink ÷ CPU of the kernel"),
            color=alt.Color("from:N", title=None, scale=alt.Scale(range=list(COLOURS[:2]))),
            strokeDash=alt.StrokeDash("case:N", title=None),
        )
    )
    even = alt.Chart().mark_rule(strokeDash=[2, 3], color="#888888").encode(y=alt.datum(1))
    return alt.layer(points, even, data=alt.Data(values=data)).properties(width=460, height=280)


def _peers(folder: Path) -> Chart | None:
    runs = history(folder, "peers")
    if not runs:
        return None
    figures = runs[-1]["figures"]
    data = [
        {"side": name, "cpu": one["cpu_s"], "f1": one.get("pairwise", {}).get("f1")}
        for name, one in figures["sides"].items()
        if "absent" not in one
    ]
    base = alt.Chart(alt.Data(values=data)).encode(y=alt.Y("side:N", title=None, sort=None))
    cpu = base.mark_bar(color=COLOURS[0]).encode(x=alt.X("cpu:Q", title="CPU seconds"))
    seconds = base.mark_text(align="left", dx=4).encode(x="cpu:Q", text=alt.Text("cpu:Q", format=".1f"))
    judged = base.transform_filter("datum.f1 !== null")
    f1 = judged.mark_bar(color=COLOURS[1]).encode(
        x=alt.X("f1:Q", title="F1 of pairs", scale=alt.Scale(domain=[0, 1.1]), axis=alt.Axis(values=[0, 0.5, 1]))
    )
    shares = judged.mark_text(align="left", dx=4).encode(x="f1:Q", text=alt.Text("f1:Q", format=".4f"))
    size = {"height": alt.Step(24)}
    return alt.hconcat(
        (cpu + seconds).properties(width=320, **size),
        (f1 + shares).properties(width=220, **size),
        title=f"{figures['records']:,} person records, at {runs[-1]['environment']['commit']}",
    )


def _spark(folder: Path) -> Chart | None:
    """The steps on Spark over records; every record beyond the largest run costs what one of that run did."""
    path = folder / "spark.json"
    found = json.loads(path.read_text("utf-8")).values() if path.exists() else ()
    persons = [(one["sides"]["spark"]["entities"].get(ENTITY), one["steps"]) for one in found]
    runs = sorted(((mine["records"], steps) for mine, steps in persons if mine), key=lambda run: run[0])
    if not runs:
        return None
    data = []
    for step in MOVED:
        measured = [(records, *_moved(step, records, steps)) for records, steps in runs]
        records, shuffled, hours = measured[-1]
        more = [(goal, shuffled / records * goal, hours / records * goal) for goal in GOALS.values()]
        for how, points in (("measured", measured), ("extrapolated", [measured[-1], *more])):
            data += [
                {"step": step, "how": how, "records": at, "shuffled": moved, "hours": cpu} for at, moved, cpu in points
            ]
    largest = runs[-1][0]
    panels = [_extrapolated(data, "shuffled", "shuffled", "~s", "B"), _extrapolated(data, "hours", "CPU hours", "~g")]
    return alt.hconcat(*panels, title=f"persons on Spark, measured up to {largest:,} records")


def _moved(step: str, records: int, steps: list[Document]) -> tuple[float, float]:
    """The bytes that a step of persons shuffled, and its hours of CPU."""
    (mine,) = (one for one in steps if (one["entity"], one["step"]) == (ENTITY, step))
    return mine["shuffled_per_record"] * records, mine["spark_cpu_s"] / 3600


def _extrapolated(data: list[Document], figure: str, title: str, form: str, unit: str = "") -> Chart:
    """One figure of the steps over records: measured points, what follows from the largest dashed."""
    scale = alt.Scale(type="log", nice=False, padding=12)
    kinds = alt.Scale(domain=["measured", "extrapolated"], range=[[1, 0], [5, 4]])
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("records:Q", title="records", scale=scale, axis=_decades(data, "records", "~s")),
        y=alt.Y(f"{figure}:Q", title=title, scale=scale, axis=_decades(data, figure, form, unit)),
        color=alt.Color("step:N", title=None, sort=None, scale=alt.Scale(range=list(COLOURS[:3]))),
    )
    dashes = alt.StrokeDash("how:N", title=None, scale=kinds)
    lines = base.mark_line().encode(strokeDash=dashes)
    points = base.transform_filter("datum.how === 'measured'").mark_point(filled=True, size=45, opacity=1)
    goals = [{"records": goal, "said": name} for name, goal in GOALS.items()]
    marks = alt.Chart(alt.Data(values=goals)).encode(x="records:Q")
    rules = marks.mark_rule(color="#888888", strokeDash=[2, 3])
    names = marks.mark_text(angle=270, align="left", dy=-6, dx=4, color="#555555").encode(
        y=alt.value(320), text="said:N"
    )
    return (rules + names + lines + points).properties(width=400, height=320)


def _decades(data: list[Document], figure: str, form: str, unit: str = "") -> Chart:
    """An axis that names the powers of ten."""
    ends = [math.log10(extreme(point[figure] for point in data)) for extreme in (min, max)]
    powers = range(math.ceil(ends[0]), math.floor(ends[1]) + 1)
    return alt.Axis(format=form, values=[10.0**power for power in powers], labelExpr=f"datum.label + '{unit}'")


CHARTS: dict[str, Callable[[Path], Chart | None]] = {
    "ladder_cpu": _cpu,
    "ladder_memory": _memory,
    "versus_splink": _versus_splink,
    "peers": _peers,
    "spark": _spark,
}


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    for path in draw(parser.parse_args().results):
        print(path.name)


if __name__ == "__main__":
    main()
