"""Takes made-up persons of growing number from raw files to a published release and says where the time goes.

    python -m benchmarks.ladder [--size 100000 --size 1000000] [--seed 11] [--folder DIR]

Every step is a process of its own, run as a user would run it (see `steps.py`). Results go to
`benchmarks/results/ladder.json` and `.md`; a step's own split (standardize, block, score …) stands below.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.steps import ROOT, Step, environment, shuyuan, table
from demo.population import generate

RESULTS = ROOT / "benchmarks/results"
AS_OF = "2026-01-01"


def climb(folder: Path, size: int, seed: int) -> tuple[list[Step], dict[str, Any]]:
    """One rung: the steps and what came out (records, pairs, golden, precision, recall, inner seconds)."""
    # In a process of its own: what it took of memory would be told of every step that is started afterwards.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        made = pool.submit(generate, folder / "files", size, seed).result()
    place = folder / "workspace"
    here = ("--workspace", str(place), "--json")
    shuyuan("init", "init", str(place))
    files = [str(path) for entity, _, path in made.files if entity == "person"]
    steps = [
        shuyuan("load", "load", *files, *here),
        shuyuan("link", "link", "--as-of", AS_OF, *here),
        shuyuan("plan", "plan", *here),
        shuyuan("publish", "publish", "--yes", *here),
    ]
    linked = next(one for one in json.loads(steps[1].stdout) if one["entity"] == "person")
    judged = shuyuan("evaluate", "evaluate", "person", "--truth", str(made.truth["person"]), *here)
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
        "disk_mib": sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) >> 20,
    }


def main() -> None:
    """Climb the rungs and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, action="append", help="person records; may be repeated")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    chosen = parser.parse_args()
    rungs, text = (
        [],
        ["# From raw files to a release: persons\n", f"`python -m benchmarks.ladder --seed {chosen.seed}`\n"],
    )
    text.append(f"{environment()}\n")
    for size in chosen.size or (100_000, 1_000_000):
        work = Path(tempfile.mkdtemp(dir=chosen.folder))
        try:
            steps, figures = climb(work, size, chosen.seed)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        rungs.append({"size": size, **figures, "steps": [step.figures() for step in steps]})
        text += [f"## {size:,} records\n", table(steps), "", *(f"- {k}: {v}" for k, v in figures.items()), ""]
        print("\n".join(text[-len(figures) - 4 :]))
    RESULTS.mkdir(exist_ok=True)
    document = {"environment": environment(), "seed": chosen.seed, "rungs": rungs}
    (RESULTS / "ladder.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    (RESULTS / "ladder.md").write_text("\n".join(text), "utf-8")


if __name__ == "__main__":
    main()
