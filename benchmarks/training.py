"""Sets training in the kernel and in Splink side by side: the same records, each side in a process of its own.

    python -m benchmarks.training [--records 500000] [--seed 11] [--folder DIR] [--save] [--json]

Both sides train persons with the shipped rules, from records that were standardized before: they freeze the
frequencies, estimate u and m and write the weights, into rules of their own. `whole` is the command `shuyuan train
person`, which standardizes first. Ratios are Splink's cost over ours, of whole processes with their imports; CPU
before wall.

`m_same_pairs` is the largest relative difference of m when Splink is given our u, pass by pass. The trainings
themselves draw other pairs for u, and Splink stops at a hundred of a level: `m_difference` and `u_difference` are the
largest relative differences of all levels that both observed, `m_common` and `u_common` those of the levels with m of
0.01 and u of 0.0001 or more.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.steps import ROOT, Step, environment, run
from benchmarks.versus_splink import AS_OF, ENTITY
from linkage.estimate import estimate_m, training_sql
from linkage.kernel import training
from linkage.link import Engine, prepare
from linkage.train import train
from linkage.workspace import Workspace, use_entity
from rules.model import EntityRules, Rules

RESULTS = ROOT / "benchmarks/results"
ENGINES = ("splink", "kernel")
COMMON_M, COMMON_U = 0.01, 0.0001
Document = dict[str, Any]


def main() -> None:
    """Make the records, train on each side, compare, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/training.json")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    work = Path(tempfile.mkdtemp(dir=chosen.folder))
    try:
        found = measure(work, chosen.records, chosen.seed)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if chosen.save:
        save(found)
    if chosen.json:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            print(f"{name}: {value}")


def save(found: Document) -> None:
    """Keep the figures beside those of other numbers of records."""
    path = RESULTS / "training.json"
    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    kept[str(found["records"])] = found
    path.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", "utf-8")


def measure(work: Path, records: int, seed: int) -> Document:
    """The figures of one number of records.

    This process stays small: the memory of a process counts from that of the one which started it.
    """
    made = json.dumps([str(work), records, seed])
    run("make", [sys.executable, "-c", f"from benchmarks.versus_splink import make; make(*{made})"])
    _run(work, "standardized")
    steps = {engine: _run(work, "trained", engine) for engine in ENGINES}
    said = {engine: _said(step) for engine, step in steps.items()}
    whole = {
        engine: run(
            engine,
            [
                *(sys.executable, "-m", "cli", "train", ENTITY, "--engine", engine, "--as-of", str(AS_OF), "--json"),
                *("--workspace", str(work / "workspace")),
            ],
        )
        for engine in ENGINES
    }
    return {
        "records": said["kernel"]["records"],
        **ratios(*steps.values()),
        **_said(_run(work, "same_pairs")),
        **differences(said["splink"]["levels"], said["kernel"]["levels"]),
        "whole": ratios(*whole.values()),
        "sides": {
            engine: {**steps[engine].figures(), "cpu": said[engine]["cpu"], "whole": whole[engine].figures()}
            for engine in ENGINES
        },
        "environment": environment(),
    }


def _run(work: Path, function: str, *arguments: str) -> Step:
    called = f"{function}(*{json.dumps([str(work), *arguments])})"
    return run(function, [sys.executable, "-c", f"from benchmarks.training import {function}; {called}"])


def _said(step: Step) -> Document:
    """What a process printed last; DuckDB may have drawn a progress bar before it."""
    found: Document = json.loads(step.stdout.splitlines()[-1])
    return found


def ratios(splink: Step, ours: Step) -> Document:
    """Splink's cost over ours."""
    return {
        "cpu_ratio": round(splink.cpu_s / ours.cpu_s, 2),
        "wall_ratio": round(splink.wall_s / ours.wall_s, 2),
        "memory_ratio": round(splink.peak_mib / ours.peak_mib, 2),
    }


def differences(theirs: list[Document], ours: list[Document]) -> Document:
    """The largest relative differences of m and u over the levels that both observed, and over the common of them."""
    found: Document = {}
    both = [(a, b) for a, b in zip(theirs, ours, strict=True) if a["observed"] and b["observed"]]
    for name, common in (("m", COMMON_M), ("u", COMMON_U)):
        apart = [(abs(b[name] - a[name]) / max(a[name], b[name]), max(a[name], b[name])) for a, b in both]
        found[f"{name}_difference"] = round(max(one for one, _ in apart), 4)
        found[f"{name}_common"] = round(max(one for one, size in apart if size >= common), 4)
    return found


# ── each in a process of its own ────────────────────────────────────────────────────────────────────


def standardized(folder: str) -> None:
    """Standardize what was loaded."""
    with _opened(folder) as (con, rules, one):
        prepare(con, rules, one, AS_OF)


def trained(folder: str, engine: Engine) -> None:
    """Train and print what was found."""
    with _opened(folder) as (con, _, one):
        started = time.process_time()
        report = train(con, one, engine=engine)
        cpu = round(time.process_time() - started, 2)
    levels = [vars(level) for level in report.levels]
    print(json.dumps({"records": report.records, "cpu": cpu, "levels": levels}))


def same_pairs(folder: str) -> None:
    """Estimate m in every pass both ways, with one u, and print the largest relative difference."""
    with _opened(folder) as (con, _, one):
        ours = training.estimate(con, one)
        con.execute(f"create or replace table comparable as {training_sql(one.entity)}")
        theirs = [estimate_m(con, one.entity, i, ours.u) for i in range(len(ours.passes))]
        con.execute("drop table comparable")
    pairs = [(m[key], other[key]) for m, other in zip(ours.passes, theirs, strict=True) for key in m | other]
    print(json.dumps({"m_same_pairs": max(abs(a - b) / max(a, b) for a, b in pairs)}))


@contextmanager
def _opened(folder: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, Rules, EntityRules]]:
    ws = Workspace.open(Path(folder) / "workspace")
    rules = ws.load_rules()
    con = ws.connect()
    try:
        use_entity(con, ENTITY)
        yield con, rules, rules.entities[ENTITY]
    finally:
        con.close()


if __name__ == "__main__":
    main()
