"""Lands a file of changes beside a published registry, and compares what it costs, and yields, with doing all anew.

    python -m benchmarks.incremental [--registry 200000] [--changes 2000] [--seed 11] [--days 1] [--folder DIR] [--json]

A registry of person records goes from files to a release. The workspace is copied. Then the population registry, a
source of changes, delivers a file with as many rows as `--changes`: a third of them new, a third changed (a phone
number, an address, a name, an identity number in turn), a third withdrawn. In one workspace `load`, `link`, `plan`
and `publish` run as a user runs them; in the copy they run with `--full`. `--days` is how much later than the first
release the second one speaks.

`equals_full`: all tables of both releases hold the same rows, those of the look-ups too, the manifests the same
counters, and the same tickets were opened and closed. Seconds are of whole processes; `release` is plan and publish
together. Results go to `benchmarks/results/incremental.json`.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, timedelta
from itertools import zip_longest
from pathlib import Path

import duckdb

from benchmarks.steps import RESULTS, Document, Step, environment, record, run, shuyuan, write
from golden_records.segments import table_sql

SOURCE = "civil_registry"
KEY, NAME, NUMBER, PHONE, ADDRESS = "人员编号", "姓名", "公民身份号码", "联系电话", "户籍地址"
DAY, OPERATION, WITHDRAWN = "变更日期", "操作", "删除"
AS_OF = date(2026, 2, 1)
COMMANDS = ("link", "plan", "publish")
Rows = list[dict[str, str]]


def main() -> None:
    """Build, change, compare, and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", type=int, default=200_000, help="person records before the changes")
    parser.add_argument("--changes", type=int, default=2_000, help="rows of the file of changes")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--days", type=int, default=1, help="days between the two releases")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    if chosen.folder:
        chosen.folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=chosen.folder))
    machine = environment()
    try:
        found = measure(work, chosen.registry, chosen.changes, chosen.seed, chosen.days)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    document = {"environment": machine, "seed": chosen.seed, "days": chosen.days, **found}
    path = chosen.results / "incremental.json"
    kept = json.loads(path.read_text("utf-8")) if path.exists() else {}
    kept[f"{chosen.changes} in {chosen.registry}"] = document
    write("incremental", dict(sorted(kept.items())), folder=chosen.results)
    record("incremental", document, chosen.results)
    if chosen.json:
        print(json.dumps(document, ensure_ascii=False, indent=1))
    else:
        print("\n".join(f"{name}: {value}" for name, value in document.items()))
    if not found["equals_full"]:
        sys.exit(1)


def measure(work: Path, registry: int, changes: int, seed: int, days: int = 1) -> Document:
    """The figures of one registry and one file of changes; this process stays small, see `steps.py`."""
    made = json.dumps([str(work), registry, changes, seed])
    run("make", [sys.executable, "-c", f"from benchmarks.incremental import make; make(*{made})"])
    counts = json.loads((work / "made.json").read_text("utf-8"))
    changed, full = work / "changed", work / "full"
    shuyuan("init", "init", str(changed))
    _load(changed, *counts.pop("files"))
    base = _release(changed, AS_OF, {})
    shutil.copytree(changed, full, symlinks=True)
    later = AS_OF + timedelta(days=days)
    options = {name: ("--full",) for name in COMMANDS}
    taken = {"load": _load(changed, counts.pop("delta")), **_release(changed, later, {})}
    anew = {"load": _load(full, str(next(work.glob("delta/*")))), **_release(full, later, options)}
    linked = _person(anew["link"])
    differences = compare(changed, full)
    return {
        "equals_full": not differences,
        "differences": differences,
        "registry": _person(base["link"])["records"],
        **counts,
        "records": linked["records"],
        "candidate_pairs": linked["candidate_pairs"],
        **_costs("", taken),
        **_costs("full_", anew),
        **_costs("first_", base),
    }


def _load(place: Path, *files: str) -> Step:
    return shuyuan("load", "load", *files, "--workspace", str(place), "--json")


def _release(place: Path, as_of: date, options: dict[str, tuple[str, ...]]) -> dict[str, Step]:
    here = ("--workspace", str(place), "--json")
    said = {"link": ("--as-of", str(as_of)), "plan": (), "publish": ("--yes", "--force", "a measured run")}
    return {name: shuyuan(name, name, *said[name], *options.get(name, ()), *here) for name in COMMANDS}


def _person(step: Step) -> Document:
    found: Document = next(one for one in json.loads(step.stdout) if one["entity"] == "person")
    return found


def _costs(prefix: str, steps: dict[str, Step]) -> Document:
    """Seconds and MiB by command, and of plan and publish together as `release`."""
    found: Document = {}
    for kind in ("cpu_s", "wall_s"):
        for name, step in steps.items():
            found[f"{prefix}{name}_{kind}"] = getattr(step, kind)
        found[f"{prefix}release_{kind}"] = round(sum(getattr(steps[name], kind) for name in ("plan", "publish")), 2)
    found[f"{prefix}peak_mib"] = max(step.peak_mib for step in steps.values())
    return found


# ── the registry and its changes ────────────────────────────────────────────────────────────────────


def make(folder: str, registry: int, changes: int, seed: int) -> None:
    """Write the files of the registry and the file of changes; some people of the registry come only with that."""
    from demo.areas import generate_people

    work, rng = Path(folder), random.Random(seed)
    new, withdrawn = changes // 3, changes // 3
    made = generate_people(work / "files", registry + new, seed)
    first = [path for source, path in made.files if source == SOURCE]
    # The latest version of every row, by key.
    latest: dict[str, dict[str, str]] = {}
    for path in first:
        latest |= {row[KEY]: row for row in _read(path)}
    standing = sorted(key for key, row in latest.items() if row[OPERATION] != WITHDRAWN)
    drawn = rng.sample(standing, changes)
    late = set(drawn[:new])
    for path in first:
        _write(path, [row for row in _read(path) if row[KEY] not in late])
    delta: Rows = []
    for i, key in enumerate(drawn):
        row = latest[key] | {DAY: f"{AS_OF:%Y%m%d}"}
        if new <= i < new + withdrawn:
            row[OPERATION] = WITHDRAWN
        elif i >= new + withdrawn:
            _change(row, i, latest[standing[(i * 7919) % len(standing)]])
        delta.append(row)
    path = work / "delta" / f"{SOURCE}_{AS_OF:%Y%m%d}.csv"
    path.parent.mkdir()
    _write(path, sorted(delta, key=lambda row: row[KEY]))
    counts = {
        "changes": {"new": new, "withdrawn": withdrawn, "changed": changes - new - withdrawn},
        "delta": str(path),
        "files": [str(one) for _, one in made.files],
    }
    (work / "made.json").write_text(json.dumps(counts), "utf-8")


def _change(row: dict[str, str], i: int, other: dict[str, str]) -> None:
    """A change of the kind that `i` says: a new phone or address, a given name or a number typed wrong before."""
    match i % 4:
        case 0:
            row[PHONE] = f"154{99_999_999 - i:08}"
        case 1:
            row[ADDRESS] = other[ADDRESS]
        case 2:
            row[NAME] = row[NAME][0] + other[NAME][1:]
        case _:
            row[NUMBER] = other[NUMBER] if i % 8 == 3 else ""


def _read(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


# ── the two releases ────────────────────────────────────────────────────────────────────────────────


def compare(one: Path, other: Path) -> list[str]:
    """What differs between the current releases of two workspaces, a sentence for each table; none where all is equal.

    Parquet tables are compared as bags of rows, which is equality in any canonical order: by their number and the sum
    of the 64-bit hashes of whole rows, and where these differ row by row, to say how many.
    """
    folders = [(place / "releases" / "current").resolve() for place in (one, other)]
    manifests = [json.loads((folder / "manifest.json").read_text("utf-8")) for folder in folders]
    found = [
        f"manifest: {key} is {manifests[0].get(key)} and {manifests[1].get(key)}"
        for key in ("release", "as_of", "first_seq", "next_seq", "entities")
        if manifests[0].get(key) != manifests[1].get(key)
    ]
    # A table may stand in several files, of which only its base bears its name alone.
    names = [
        {str(path.relative_to(folder)) for path in folder.rglob("*.parquet") if path.name.count(".") == 1}
        for folder in folders
    ]
    found += [f"{name}: only one release has it" for name in sorted(names[0] ^ names[1])]
    con = duckdb.connect()
    for name in sorted(names[0] & names[1]):
        tables = [table_sql((folder / name).parent, Path(name).stem) for folder in folders]
        bags = [
            con.execute(f"select count(*), sum(hash(t)::hugeint) from {table} as t").fetchall()
            + con.execute(f"describe select * from {table}").fetchall()
            for table in tables
        ]
        if bags[0] != bags[1]:
            apart = [
                con.execute(f"select count(*) from (select * from {a} except all select * from {b})").fetchall()[0][0]
                for a, b in (tables, tables[::-1])
            ]
            found.append(f"{name}: {apart[0]} rows are only in the one, {apart[1]} only in the full one")
    found += _differing(*(folder / "lookup.sqlite" for folder in folders))
    return found + _differing(one / "decisions.sqlite", other / "decisions.sqlite", ("ticket", "ticket_event"))


def _differing(one: Path, other: Path, tables: Sequence[str] = ()) -> list[str]:
    """The tables (all, or those named) of two SQLite files that do not hold the same rows."""
    with closing(sqlite3.connect(one)) as left, closing(sqlite3.connect(other)) as right:
        said = [
            con.execute("select name, sql from sqlite_master where type = 'table' order by 1").fetchall()
            for con in (left, right)
        ]
        if said[0] != said[1]:
            return [f"{one.name}: the tables are not the same"]
        return [
            f"{one.name}: {name} differs"
            for name, _ in said[0]
            if (not tables or name in tables)
            and any(a != b for a, b in zip_longest(_sorted(left, name), _sorted(right, name)))
        ]


def _sorted(con: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    """The rows of a table in order, without the moment at which they were written."""
    names = [name for name, *_ in con.execute(f'select * from "{table}" limit 0').description if name != "recorded_at"]
    columns = ", ".join(f'"{name}"' for name in names)
    return iter(con.execute(f'select {columns} from "{table}" order by {columns}'))


if __name__ == "__main__":
    main()
