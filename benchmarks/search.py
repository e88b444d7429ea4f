"""Looks single persons up in the match index of many: who a record may be before it is loaded.

    python -m benchmarks.search [--records 1000000] [--looks 2000] [--seed 11] [--folder DIR] [--save] [--json]
    python -m benchmarks.search --workspace DIR [--looks 2000] [--save] [--json]

The index is made as `link` makes it, with the shipped rules, or is that of a workspace whose persons were linked as of
2026-01-01; then, in a process of its own, `looks` records are read and searched for, one after another. Half are
records of the index with another phone number, half people whom it does not hold (another seed). Milliseconds, p50 and
p99:

    read      what the record says is turned into columns (an index knows what several records say; the rest is read)
    search    candidates and weights
    whole     both

`first` are the looks of a process that has just opened the index, `again` the same ones a second time, when what they
say is remembered.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks import versus_splink
from benchmarks.steps import environment, run, save
from benchmarks.versus_splink import AS_OF, ENTITY
from linkage import frequencies
from linkage.kernel import store
from linkage.kernel.match import Kernel
from linkage.kernel.store import Made
from linkage.link import prepare
from linkage.search import Search
from linkage.workspace import Workspace, use_entity
from rules.columns import quote

Document = dict[str, Any]
Said = dict[str, str | None]
PHONES = "1990000"  # a carrier that no made-up number has


def main() -> None:
    """Make the index, look, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--looks", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--workspace", type=Path, help="a workspace that was linked; default: one is made")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/search.json")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    work = Path(tempfile.mkdtemp(dir=chosen.folder))
    try:
        place = chosen.workspace or work / "workspace"
        if chosen.workspace is None:
            found = make(work, chosen.records, chosen.seed)
        else:
            stored = Made.read(place / "packed" / ENTITY)
            found = {"records": sum(count for _, count in stored.segments) if stored else 0}
        found |= measure(work, place.resolve(), chosen.looks, chosen.seed)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if chosen.save:
        save("search", found)
    if chosen.json:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            print(f"{name}: {value}")


def make(work: Path, records: int, seed: int) -> Document:
    """Make the records and their index in the workspace of a folder; what that took."""
    _in_process("made", str(work), records, seed)
    return _in_process("packed", str(work))


def measure(work: Path, place: Path, looks: int, seed: int) -> Document:
    """The figures of looking records up in the index of the workspace `place`."""
    _in_process("strangers", str(work), looks, seed)
    return _in_process("looked", str(work), str(place), looks) | {"environment": environment()}


def _in_process(function: str, *arguments: str | int) -> Document:
    called = f"{function}(*{json.dumps(arguments)})"
    step = run(function, [sys.executable, "-c", f"from benchmarks.search import {function}; {called}"])
    found: Document = json.loads(step.stdout.splitlines()[-1])
    return found | {f"{function}_peak_mib": step.peak_mib}


# ── each in a process of its own ────────────────────────────────────────────────────────────────────


def made(folder: str, records: int, seed: int) -> None:
    """Make and load the records."""
    versus_splink.make(folder, records, seed)
    print("{}")


def strangers(folder: str, looks: int, seed: int) -> None:
    """Make a few records of other people."""
    versus_splink.make(str(Path(folder) / "strangers"), max(looks, 400), seed + 1)
    print("{}")


def packed(folder: str) -> None:
    """Standardize, and make the index from what the kernel reads."""
    ws = Workspace.open(Path(folder) / "workspace")
    rules = ws.load_rules()
    one = rules.entities[ENTITY]
    with closing(ws.connect()) as con:
        use_entity(con, ENTITY)
        prepare(con, rules, one, AS_OF)
        frequencies.load(con, one)
        kernel = Kernel(con, one)
        began = time.process_time()
        store.write(con, one, kernel, ws.packed / ENTITY, "benchmark", AS_OF)
        cpu = time.process_time() - began
    size = sum(path.stat().st_size for path in ws.packed.rglob("*") if path.is_file())
    print(json.dumps({"records": kernel.columns.count, "write_cpu_s": round(cpu, 2), "index_mb": size // 10**6}))


def looked(folder: str, place: str, looks: int) -> None:
    """Look records up in the index of the workspace `place`, twice."""
    ws = Workspace.open(Path(place))
    rules = ws.load_rules()
    known = [said | {"phone": f"{PHONES}{i:04}"} for i, said in enumerate(_said(ws, looks // 2))]
    asked = [*known, *_said(Workspace.open(Path(folder) / "strangers" / "workspace"), looks - looks // 2)]
    began = time.perf_counter()
    with closing(Search.open(ws.packed / ENTITY, rules.entities[ENTITY], rules.folder, AS_OF)) as search:
        opened = round(time.perf_counter() - began, 2)
        rounds = {name: _looks(search, asked) for name in ("first", "again")}
        found = sum(bool(search.candidates(said)) for said in known)
    print(json.dumps({"open_s": opened, "looks": len(asked), "known_found": round(found / len(known), 4), **rounds}))


def _looks(search: Search, asked: Iterable[Said]) -> Document:
    read, searched = [], []
    for said in asked:
        began = time.perf_counter()
        query = search.reader.read(said)
        between = time.perf_counter()
        search.index.search(query)
        read.append(between - began)
        searched.append(time.perf_counter() - between)
    whole = [a + b for a, b in zip(read, searched, strict=True)]
    return {name: _percentiles(times) for name, times in (("read", read), ("search", searched), ("whole", whole))}


def _percentiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {f"p{p}": round(ordered[min(len(ordered) - 1, len(ordered) * p // 100)] * 1000, 3) for p in (50, 99)}


def _said(ws: Workspace, limit: int) -> list[Said]:
    """What some records say, field by field, without references."""
    fields = [name for name, rule in ws.load_rules().entities[ENTITY].entity.fields.items() if rule.kind != "reference"]
    with closing(ws.connect()) as con:
        use_entity(con, ENTITY)
        rows = con.execute(
            f"select {', '.join(quote(name) for name in fields)} from record order by hash(record_id) limit {limit}"
        ).fetchall()
    return [dict(zip(fields, row, strict=True)) for row in rows]


if __name__ == "__main__":
    main()
