"""Measures how true golden persons and committees are on made-up populations that no rule was tuned on.

    python -m benchmarks.accuracy [--size 100000] [--seed 77] [--seed 78] [--rules DIR]

Runs the whole way (load, link, plan, publish) in a workspace of its own and compares with the truth: pairs and
golden values, in all and by kind of error, and every case of `cases.toml`. `--rules` takes a folder of rules in
place of the shipped ones. Results go to `benchmarks/results/accuracy.json` and `.md`. Seed 900 trains the shipped
weights and is refused here.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.steps import RESULTS, environment, save
from demo.journey import AS_OF
from demo.population import generate
from golden_records.accuracy import evaluate
from golden_records.plan import plan
from golden_records.query import Release
from golden_records.release import publish
from linkage.cases import run_cases
from linkage.decisions import DecisionStore
from linkage.ingest import load_file
from linkage.link import link
from linkage.workspace import Workspace

TRAINED_ON = 900
Document = dict[str, Any]


def measure(folder: Path, size: int, seed: int, rules_folder: Path | None) -> Document:
    """Figures by entity type for one population."""
    ws = Workspace.create(folder / "workspace", rules=rules_folder)
    rules, decisions = ws.load_rules(), DecisionStore(ws.decisions)
    made = generate(folder / "files", size, seed)
    with ws.lock("benchmark"):
        con = ws.connect()
        try:
            for entity, source, path in made.files:
                load_file(con, ws, rules.entities[entity], source, path)
            linked = {one.entity: one for one in link(con, ws, rules, decisions, AS_OF)}
            number = publish(con, ws, rules, decisions, plan(con, ws, rules, decisions))
            with Release.of(ws.releases, number) as release:
                judged = {
                    entity: evaluate(con, rules.entities[entity], ws.rules_folder, release, truth)
                    for entity, truth in made.truth.items()
                }
        finally:
            con.close()
    return {
        entity: {
            "records": linked[entity].records,
            "candidate_pairs": linked[entity].candidate_pairs,
            "waiting": linked[entity].waiting,
            "cases_failed": [
                str(one) for one in run_cases(rules.entities[entity], ws.rules_folder, AS_OF) if not one.passed
            ],
            **found,
        }
        for entity, found in judged.items()
    }


def as_text(seed: int, entity: str, found: Document) -> str:
    """The figures of one entity type as Markdown."""
    pairs, values = found["pairwise"], found.get("values")
    lines = [
        f"## {entity}, seed {seed}: {found['records']:,} records\n",
        f"- pairwise precision {pairs['precision']:.5f}, recall {pairs['recall']:.5f} "
        f"({pairs['true_pairs']:,} true pairs, {pairs['found_pairs']:,} found, {pairs['right_pairs']:,} right)",
        f"- candidate pairs {found['candidate_pairs']:,}; pairs that wait for a steward {found['waiting']:,}",
    ]
    if values:
        lines.append(f"- golden records with only true values: {values['share']:.4f} of {values['golden']:,}")
    lines += [f"- case failed: {one}" for one in found["cases_failed"]]
    by_value = values["by_error"] if values else {}
    lines += ["", "| error | records | precision | recall | true values |", "| --- | ---: | ---: | ---: | ---: |"]
    for kind, one in sorted(found["by_error"].items()):
        share = f"{by_value[kind]['share']:.4f}" if kind in by_value else ""
        lines.append(f"| {kind} | {one['records']:,} | {one['precision']:.5f} | {one['recall']:.5f} | {share} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure every seed and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=100_000, help="person records")
    parser.add_argument("--seed", type=int, action="append", help="may be repeated; default 77")
    parser.add_argument("--rules", type=Path, help="a folder of rules; default: the shipped ones")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    seeds = chosen.seed or [77]
    if TRAINED_ON in seeds:
        parser.error(f"seed {TRAINED_ON} trained the weights; measure on another")
    text = ["# Accuracy on made-up populations\n", f"{environment()}\n"]
    runs = []
    for seed in seeds:
        work = Path(tempfile.mkdtemp(dir=chosen.folder))
        try:
            found = measure(work, chosen.size, seed, chosen.rules)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        runs.append({"seed": seed, "size": chosen.size, "entities": found})
        text += [as_text(seed, entity, one) for entity, one in found.items()]
        print("\n".join(text[-len(found) :]))
    save("accuracy", {"environment": environment(), "runs": runs}, "\n".join(text), chosen.results)


if __name__ == "__main__":
    main()
