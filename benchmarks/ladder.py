"""Takes made-up persons of growing number from raw files to a published release and says where the time goes.

    python -m benchmarks.ladder [--size 100000 --size 1000000] [--seed 11] [--folder DIR] [--anyway]

Every step is a process of its own, run as a user would run it (see `steps.py`). Rungs up to 20,000,000 records are
meant; one that this machine has no room for is refused before anything is made. Results go to
`benchmarks/results/ladder.json` and `.md`, which keep the latest measurement of every rung; what `growth.py` makes of
the rungs of one commit stands at the end: exponents, and what a province and the nation would take.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks import growth
from benchmarks.steps import RESULTS, Document, Step, command, environment, record, shuyuan, table, write
from demo.areas import generate_people

AS_OF = "2026-01-01"
# Where no rung has been measured: MiB per million records.
MEMORY, DISK = 3_500, 2_400


def climb(folder: Path, size: int, seed: int) -> tuple[list[Step], dict[str, Any]]:
    """One rung: the steps and what came out (records, pairs, golden, precision, recall, inner seconds)."""
    # In a process of its own: what it took of memory would be told of every step that is started afterwards.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        made = pool.submit(generate_people, folder / "files", size, seed).result()
    place = folder / "workspace"
    here = ("--workspace", str(place), "--json")
    shuyuan("init", "init", str(place))
    steps = [
        shuyuan("load", "load", *(str(path) for _, path in made.files), *here),
        shuyuan("link", "link", "--as-of", AS_OF, *here),
        shuyuan("plan", "plan", *here),
        shuyuan("publish", "publish", "--yes", *here),
    ]
    linked = next(one for one in json.loads(steps[1].stdout) if one["entity"] == "person")
    judged = shuyuan("evaluate", "evaluate", "person", "--truth", str(made.truth), *here)
    said = json.loads(judged.stdout)
    return steps, {
        "records": linked["records"],
        "candidate_pairs": linked["candidate_pairs"],
        "golden": linked["clusters"],
        "waiting": linked["waiting"],
        "precision": round(said["pairwise"]["precision"], 5),
        "recall": round(said["pairwise"]["recall"], 5),
        "true_values": round(said["values"]["share"], 5),
        "link_seconds": linked["seconds"],
        "disk_mib": _mib(place),
        "files_mib": _mib(folder / "files"),
    }


def _mib(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) >> 20


def missing(size: int, rungs: list[Document], memory_mib: int, disk_mib: int) -> str:
    """Why `size` records have no room, as a sentence; empty where they have.

    What the largest measured rung took is taken to grow with the records. Below a million, start-up hides what a
    record takes: without a larger rung it is `MEMORY` and `DISK`.
    """
    known = max((rung for rung in rungs if rung["size"] >= 10**6), key=lambda rung: int(rung["size"]), default=None)
    if known is None:
        per_memory, per_disk, source = MEMORY / 1e6, DISK / 1e6, "no rung of a million is measured yet"
    else:
        per_memory = max(step["peak_mib"] for step in known["steps"]) / known["size"]
        per_disk = (known["disk_mib"] + known.get("files_mib", 0)) / known["size"]
        source = f"the rung of {known['size']:,} took so"
    needed = {"memory": (size * per_memory, memory_mib), "disk": (size * per_disk, disk_mib)}
    short = [f"{need / 1024:.0f} GiB of {what}" for what, (need, has) in needed.items() if need > has]
    if not short:
        return ""
    return (
        f"{size:,} records need {' and '.join(short)} ({source}); there are {memory_mib / 1024:.0f} GiB of memory "
        f"and {disk_mib / 1024:.0f} GiB of disk. --anyway tries it all the same."
    )


def _available() -> int:
    """MiB of memory that processes may still take."""
    told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(told["MemAvailable"].split()[0]) >> 10


def as_text(rungs: list[Document], grown: Document) -> str:
    """The page of the ladder."""
    lines = ["# From raw files to a release: persons\n"]
    for rung in rungs:
        lines += [f"## {rung['size']:,} records\n", f"`{rung['command']}`\n", f"{rung['environment']}\n"]
        lines += [table([Step(**step, stdout="") for step in rung["steps"]]), ""]
        shown = {k: v for k, v in rung.items() if k not in ("size", "command", "environment", "steps")}
        lines += [*(f"- {key}: {value}" for key, value in shown.items()), ""]
    return "\n".join([*lines, *growth.as_text(grown)])


def main() -> None:
    """Climb the rungs and write the results after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, action="append", help="person records; may be repeated")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--anyway", action="store_true", help="do not refuse what there seems to be no room for")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    sizes = sorted(set(chosen.size or (100_000, 1_000_000)))
    if chosen.folder:
        chosen.folder.mkdir(parents=True, exist_ok=True)
    path = chosen.results / "ladder.json"
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    rungs = {rung["size"]: rung for rung in known.get("rungs", []) if "environment" in rung}
    disk = shutil.disk_usage(chosen.folder or tempfile.gettempdir()).free >> 20
    for size in sizes:
        why = missing(size, list(rungs.values()), _available(), disk)
        if why and not chosen.anyway:
            print(f"refused: {why}", file=sys.stderr)
            sys.exit(4)
    for size in sizes:
        work = Path(tempfile.mkdtemp(dir=chosen.folder))
        machine = environment()
        try:
            steps, figures = climb(work, size, chosen.seed)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        rung = {"size": size, "seed": chosen.seed, **figures, "steps": [step.figures() for step in steps]}
        record("ladder", {"environment": machine, **rung}, chosen.results)
        rungs[size] = {**rung, "command": command(), "environment": machine}
        kept = [rungs[one] for one in sorted(rungs)]
        same = [one for one in kept if one["environment"]["commit"] == machine["commit"]]
        grown = growth.grow(same)
        write("ladder", {"rungs": kept, "growth": grown}, as_text(kept, grown), chosen.results)
        print(f"## {size:,} records\n\n{table(steps)}\n\n{figures}\n", flush=True)
    print("\n".join(growth.as_text(grown)))


if __name__ == "__main__":
    main()
