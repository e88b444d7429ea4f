"""Works out how costs grow with the records, and what a province and the nation would take, with the arithmetic shown.

The growth exponent of a step is the slope of a least-squares line through (log records, log CPU seconds). Hours on
more cores follow Amdahl's law: of a step, wall w and CPU c on two cores, P = 2(c - w) seconds were done by both and
S = c - P by one alone, so k cores need S + P/k. Nothing here was measured at that size: every result is a figure of
the largest rung times a named factor.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.steps import Document
from linkage.growth import exponent

PER_PERSON = 1.6
GOALS = {
    "100 M records": 100_000_000,
    "a province: 100 M persons": round(100_000_000 * PER_PERSON),
    "the nation: 1.4 bn persons": round(1_400_000_000 * PER_PERSON),
}
CORES = (2, 64, 128)


def split(wall_s: float, cpu_s: float) -> tuple[float, float]:
    """Seconds that one core works alone, and CPU seconds that two cores share, from wall and CPU on two cores."""
    shared = min(max(2 * (cpu_s - wall_s), 0.0), cpu_s)
    return cpu_s - shared, shared


def grow(rungs: Sequence[Document]) -> Document:
    """Exponents by step and in all, and the extrapolation, from rungs of one commit as `ladder.py` keeps them."""
    rungs = sorted(rungs, key=lambda rung: int(rung["records"]))
    largest = rungs[-1]
    records = [rung["records"] for rung in rungs]
    names = [step["name"] for step in largest["steps"]]
    cpu = {name: [_step(rung, name)["cpu_s"] for rung in rungs] for name in names}
    cpu["all"] = [sum(step["cpu_s"] for step in rung["steps"]) for rung in rungs]
    peaks = [max(step["peak_mib"] for step in rung["steps"]) for rung in rungs]
    exponents = {name: exponent(records, costs) for name, costs in cpu.items()}
    per_record = {
        "memory_bytes": peaks[-1] * 2**20 / records[-1],
        "disk_bytes": (largest["disk_mib"] + largest.get("files_mib", 0)) * 2**20 / records[-1],
        "cpu_us": cpu["all"][-1] * 1e6 / records[-1],
    }
    goals = {name: _goal(goal, largest, exponents, per_record) for name, goal in GOALS.items()}
    return {
        "commit": largest["environment"]["commit"],
        "records": records,
        "cpu_s": {name: [round(one, 2) for one in costs] for name, costs in cpu.items()},
        "peak_mib": peaks,
        "exponents": {name: None if one is None else round(one, 3) for name, one in exponents.items()},
        "memory_exponent": exponent(records, peaks),
        "per_record": {name: round(one, 2) for name, one in per_record.items()},
        "goals": goals,
    }


def _step(rung: Document, name: str) -> Document:
    return next(step for step in rung["steps"] if step["name"] == name)


def _goal(goal: int, largest: Document, exponents: dict[str, float | None], per_record: dict[str, float]) -> Document:
    times = goal / largest["records"]
    alone = shared = 0.0
    for step in largest["steps"]:
        by_one, by_two = split(step["wall_s"], step["cpu_s"])
        factor = times ** max(exponents[step["name"]] or 1.0, 1.0)
        alone, shared = alone + by_one * factor, shared + by_two * factor
    return {
        "records": goal,
        "memory_gib": round(goal * per_record["memory_bytes"] / 2**30),
        "disk_gib": round(goal * per_record["disk_bytes"] / 2**30),
        "cpu_hours": round((alone + shared) / 3600, 1),
        "hours": {str(cores): round((alone + shared / cores) / 3600, 1) for cores in CORES},
        "hours_divided": {str(cores): round((alone + shared) / cores / 3600, 1) for cores in CORES},
    }


def as_text(grown: Document) -> list[str]:
    """Growth and extrapolation as Markdown, with their assumptions."""
    counts = ", ".join(f"{n:,}" for n in grown["records"])
    lines = [f"## Growth\n\nRungs of commit {grown['commit']}: {counts} records.\n"]
    lines += ["| step | CPU s | exponent |", "| --- | --- | ---: |"]
    for name, costs in grown["cpu_s"].items():
        slope = grown["exponents"][name]
        told = "–" if slope is None else f"{slope:.2f}"
        lines.append(f"| {name} | {' / '.join(f'{one:.1f}' for one in costs)} | {told} |")
    one = grown["per_record"]
    largest, peak = grown["records"][-1], grown["peak_mib"][-1]
    lines += [
        f"\nThe largest rung took {one['cpu_us']:.0f} µs of CPU, {one['memory_bytes']:,.0f} bytes of memory "
        f"(peak {peak:,} MiB ÷ {largest:,}) and {one['disk_bytes']:,.0f} bytes of disk per record.\n",
        "## What it would take, extrapolated and not measured\n",
        "| | records | memory GiB | disk GiB | CPU hours "
        + "".join(f"| hours on {cores} cores " for cores in CORES)
        + "|",
        "| --- | ---: | ---: | ---: | ---: |" + " ---: |" * len(CORES),
    ]
    for name, goal in grown["goals"].items():
        hours = "".join(f" {goal['hours'][str(k)]:,} ({goal['hours_divided'][str(k)]:,}) |" for k in CORES)
        lines.append(
            f"| {name} | {goal['records']:,} | {goal['memory_gib']:,} | {goal['disk_gib']:,} "
            f"| {goal['cpu_hours']:,} |{hours}"
        )
    lines += [
        "\nArithmetic: memory and disk = bytes per record × records; CPU of a step = its seconds in the largest rung × "
        "(records ÷ records of the rung) ^ exponent, an exponent below 1 (start-up costs) or unknown taken as 1. "
        "Hours = (S + P ÷ cores) ÷ 3600, where two cores shared P = 2 (CPU - wall) and one worked S = CPU - P alone; "
        "in brackets CPU ÷ cores, were all of it shared.\n",
        "Assumptions: 1.6 records per person; everything in one workspace at once, none of it divided by region; "
        "costs per record stay as in the largest rung (blocks of common names grow with a country, which the exponent "
        "shows only as far as the rungs reach); memory is not given back to disk more than in that rung; cores and "
        "disk of the speed of the machine named above, which is shared, so that S is rather too large; "
        "seconds that wait for a disk count neither as S nor as P.\n",
    ]
    return lines
