"""Sets Spark beside the engine of one machine, step by step, and reads off its event log what Spark moved.

    python -m benchmarks.spark [--records 200000] [--master local[2]] [--only person] [--seed 11] [--folder DIR]
                               [--memory 6g] [--alone] [--save] [--json]

Both engines link everything anew from the same loaded workspace, each in a process of its own, and what they leave is
compared row by row; `--records` are those of persons. Where all entity types are linked, both publish a release, and
the releases are compared, too: every table, the look-up index and the counts. CPU is that of all processes of a side
(driver, Java, Python workers) while a step runs; `ratio` is Spark's over that of one machine, and `--alone` leaves that
side out. Shuffled, written and spilled bytes are those that the tasks launched within a step report; `per_record`
divides by the records of the entity type.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.steps import RESULTS, environment, record, run, write
from benchmarks.versus_splink import ENTITY
from golden_records.compare import compare
from golden_records.kept import altered
from golden_records.partitions import INDEX, TABLE
from golden_records.plan import plan
from golden_records.query import Release
from golden_records.release import publish
from golden_records.release_tables import TABLES
from linkage.decisions import DecisionStore
from linkage.link import Engine, link, spark_of
from linkage.progress import Advance
from linkage.workspace import Workspace
from rules.columns import quote

AS_OF = date(2026, 1, 1)
ENGINES = ("kernel", "spark")
# What both engines leave of every entity type.
COMPARED = ("candidate_pair", "cluster", "refusal", "pair_count", "candidate_total")
METRICS = {
    "shuffled": ("Shuffle Write Metrics", "Shuffle Bytes Written"),
    "written": ("Output Metrics", "Bytes Written"),
}
# Records that persons leave, at the ratio of the made-up provinces (1.6 records of each), and a cluster to put them on.
GOALS = {"100 M persons": 160_000_000, "1.4 bn persons": 2_240_000_000}
CORES = 512
PARTITION = 128 << 20  # bytes of a shuffle that one task reads
MOVED = ("block", "score", "cluster")  # the steps that run on Spark alone
# Small tables are shuffled like large ones, or what is read off the log would say nothing of those.
EVENTS = {
    "spark.eventLog.enabled": "true",
    "spark.eventLog.compress": "false",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.adaptive.autoBroadcastJoinThreshold": "-1",
}
DAEMON = {"spark.python.daemon.module": "benchmarks.daemon"}
TICKS = os.sysconf("SC_CLK_TCK")
Document = dict[str, Any]


def main() -> None:
    """Make the records, run both sides, compare what they left, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--only", action="append", help="entity types to link; default: all")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--memory", default="1g", help="of the Java of the driver, which on local masters does all")
    parser.add_argument("--alone", action="store_true", help="run Spark only")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/spark.json")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--side", choices=ENGINES, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        print(json.dumps(side(chosen.folder, chosen.side, (chosen.master, chosen.memory), chosen.only or [])))
        return
    work = Path(tempfile.mkdtemp(dir=chosen.folder))
    try:
        engines = ENGINES[1:] if chosen.alone else ENGINES
        how = ["--master", chosen.master, "--memory", chosen.memory, *(f"--only={name}" for name in chosen.only or [])]
        found = measure(work, engines, chosen.records, chosen.seed, how)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if chosen.save:
        path = RESULTS / "spark.json"
        kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
        kept[f"{chosen.records} alone" if chosen.alone else str(chosen.records)] = found
        write("spark", kept)
        record("spark", found)
    print(json.dumps(found, indent=1) if chosen.json else _table(found))


def measure(work: Path, engines: tuple[str, ...], records: int, seed: int, how: list[str]) -> Document:
    """The figures of one number of records; `how` are the options of both sides."""
    # People alone are made area by area, in the memory of one.
    only = ENTITY if f"--only={ENTITY}" in how else None
    made = f"{str(work)!r}, {records}, {seed}, {only!r}"
    run("make", [sys.executable, "-c", f"from benchmarks.versus_splink import make; make({made})"])
    sides = {}
    for engine in engines:
        shutil.copytree(work / "workspace", work / engine)
        command = [sys.executable, "-m", "benchmarks.spark", "--side", engine, "--folder", str(work)]
        step = run(engine, [*command, *how])
        sides[engine] = json.loads(step.stdout) | {"wall_s": step.wall_s}
    entities = sides["spark"]["entities"]
    found: Document = {
        "records": sum(one["records"] for one in entities.values()),
        "how": how,
        "equal": _equal(work, list(entities)) if len(engines) > 1 else None,
        "releases": _releases(work) if len(engines) > 1 and "--only" not in " ".join(how) else None,
        "steps": [_step(sides, name, step) for name in entities for step in _steps(sides, name)],
        "sides": sides,
        "environment": environment(),
    }
    return found | ({"goals": goals(found)} if "person" in entities else {})


def goals(found: Document, entity: str = ENTITY) -> Document:
    """What the steps on Spark would take for GOALS where a record costs what it did here: extrapolated, not measured.

    The cost of starting is in the figures of so few records, so CPU is told too high rather than too low.
    """
    mine = {one["step"]: one for one in found["steps"] if one["entity"] == entity and one["step"] in MOVED}
    records = found["sides"]["spark"]["entities"][entity]["records"]
    told = {}
    for name, goal in GOALS.items():
        cpu = sum(one["spark_cpu_s"] for one in mine.values()) / records * goal
        most = max(one["shuffled_per_record"] for one in mine.values()) * goal
        told[name] = {
            "records": goal,
            "shuffled_tb": {step: round(one["shuffled_per_record"] * goal / 1e12, 2) for step, one in mine.items()},
            "written_tb": round(sum(one["written_per_record"] for one in mine.values()) * goal / 1e12, 2),
            "partitions": int(-(-most // PARTITION)),
            "cpu_hours": round(cpu / 3600, 1),
            "hours": round(cpu / 3600 / CORES, 2),
        }
    return told


class Meter:
    """A reporter that keeps when each step ran and how much CPU all processes of this session used in it."""

    def __init__(self) -> None:
        self.steps: dict[str, Document] = {}

    @contextmanager
    def step(
        self, name: str, total: int | None = None, con: duckdb.DuckDBPyConnection | None = None
    ) -> Iterator[Advance]:
        began, cpu = time.time(), session_cpu()
        yield lambda done: None
        ended = time.time()
        print(f"{name}: {ended - began:.1f} s", file=sys.stderr)
        self.steps[name] = {"began": began, "ended": ended, "cpu_s": round(session_cpu() - cpu, 2)}

    def note(self, message: str) -> None:
        """Nothing is kept of what is said."""


def session_cpu() -> float:
    """CPU seconds of this process and all that it started, ended ones included that somebody waited for."""
    parent: dict[int, int] = {}
    used: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parent[int(stat.parent.name)] = int(fields[1])
        used[int(stat.parent.name)] = sum(map(int, fields[11:15]))
    found = 0
    for one in used:
        up = one
        while up not in (0, os.getpid()):
            up = parent.get(up, 0)
        found += used[one] if up else 0
    return found / TICKS


def side(work: Path, engine: str, where: tuple[str, str], only: list[str]) -> Document:
    """Link the workspace of one engine, and publish where all of it is linked; what each step cost.

    `where` is the master of Spark and the memory of the driver's Java.
    """
    ws = Workspace.open(work / engine)
    rules = ws.load_rules()
    con = ws.connect()
    meter = Meter()
    began = session_cpu()
    if engine == "spark":
        from linkage.spark.session import session

        (work / "events").mkdir()
        with meter.step("session"):
            own = {"spark.eventLog.dir": (work / "events").as_uri(), "spark.driver.memory": where[1]}
            spark = session(where[0], EVENTS | DAEMON | own)
    decisions = DecisionStore(ws.decisions)
    chosen: Engine = "spark" if engine == "spark" else "kernel"
    reports = link(con, ws, rules, decisions, AS_OF, meter, only, engine=chosen, full=True, master=where[0])
    if not only:
        far = spark_of(ws, where[0]) if engine == "spark" else None
        planned = plan(con, ws, rules, decisions, meter, full=True, spark=far)
        publish(con, ws, rules, decisions, planned, meter, forced="a benchmark", full=True, spark=far)
    con.close()
    used = session_cpu() - began  # before Spark stops: nobody waits for the workers that end then
    if engine == "spark":
        spark.stop()
    events = _tasks(work / "events") if engine == "spark" else []
    entities: Document = {
        report.entity: {"records": report.records, "candidate_pairs": report.candidate_pairs, "steps": {}}
        for report in reports
    }
    shared: Document = {}
    for name, told in meter.steps.items():
        entity, _, step = name.rpartition(": ")
        into = entities[entity]["steps"] if entity in entities else shared
        into[step] = {"cpu_s": told["cpu_s"], "wall_s": round(told["ended"] - told["began"], 2)}
        into[step] |= _moved(events, told["began"], told["ended"])
    return {"cpu_s": round(used, 2), "entities": entities, "shared": shared}


def _tasks(folder: Path) -> list[tuple[float, Document]]:
    """When each task was launched, and its metrics."""
    found = []
    for path in sorted(path for path in folder.rglob("events_*") if path.is_file()):
        for line in path.read_text("utf-8").splitlines():
            if line.startswith('{"Event":"SparkListenerTaskEnd"'):
                event = json.loads(line)
                found.append((event["Task Info"]["Launch Time"] / 1000, event.get("Task Metrics") or {}))
    return found


def _moved(events: list[tuple[float, Document]], began: float, ended: float) -> Document:
    """What the tasks launched within a step moved, in bytes."""
    sums: dict[str, int] = defaultdict(int)
    for at, metrics in events:
        if began <= at < ended:
            sums["tasks"] += 1
            sums["spilled"] += metrics.get("Disk Bytes Spilled", 0)
            for name, (group, key) in METRICS.items():
                sums[name] += metrics.get(group, {}).get(key, 0)
    return dict(sums)


def _steps(sides: Document, entity: str) -> list[str]:
    """The steps of an entity type on either side."""
    return list(dict.fromkeys(step for one in sides.values() for step in one["entities"][entity]["steps"]))


def _step(sides: Document, entity: str, step: str) -> Document:
    """One step on both sides; one that a side has not, because another holds it, costs nothing there."""
    spark = sides["spark"]["entities"][entity]
    ours = 0.0
    if "kernel" in sides:
        ours = sides["kernel"]["entities"][entity]["steps"].get(step, {}).get("cpu_s", 0.0)
    told = spark["steps"].get(step, {"cpu_s": 0.0})
    return {
        "entity": entity,
        "step": step,
        "kernel_cpu_s": ours,
        "spark_cpu_s": told["cpu_s"],
        "ratio": round(told["cpu_s"] / ours, 2) if ours else None,
        "shuffled_per_record": round(told.get("shuffled", 0) / spark["records"], 1),
        "written_per_record": round(told.get("written", 0) / spark["records"], 1),
        "spilled": told.get("spilled", 0),
    }


def _equal(work: Path, entities: list[str]) -> bool:
    """Whether both engines left the same, row by row."""
    with duckdb.connect() as con:
        for engine in ENGINES:
            con.execute(f"attach '{work / engine / 'work.duckdb'}' as {engine} (read_only)")
        differing = 0
        for entity in entities:
            for table in COMPARED:
                a, b = (f"from {engine}.{quote(entity)}.{table}" for engine in ENGINES)
                ((count,),) = con.execute(
                    f"select count(*) from (({a} except all {b}) union all ({b} except all {a}))"
                ).fetchall()
                differing += count
    return differing == 0


def _releases(work: Path) -> Document:
    """What the releases of both engines have in rows, in how many files, and which tables differ."""
    ours, theirs = (Workspace.open(work / engine) for engine in ENGINES)
    folders = [ws.releases / "1" for ws in (ours, theirs)]
    compared = compare(*folders, ours.load_rules(), tuple(TABLES))
    with Release(folders[1]) as published:
        golden = {name: state.golden for name, state in published.manifest.entities.items()}
        files = sum(one.path.endswith((TABLE, INDEX)) for one in published.manifest.files)
    return {
        "equal": all(one.equal for one in compared) and not altered(folders[1]),
        "differing": [f"{one.entity} {one.table}" for one in compared if not one.equal],
        "golden": golden,
        "rows": sum(one.rows for one in compared),
        "files": files,
        "partitions": sum("-of-" in path.name for path in folders[1].rglob("*")),
    }


def _table(found: Document) -> str:
    lines = [f"records {found['records']:,}, equal: {found['equal']}, releases: {found['releases']}"]
    for one in found["steps"]:
        lines.append("  ".join(f"{key} {value}" for key, value in one.items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
