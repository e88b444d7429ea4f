"""Takes a made-up province of five entity types in three deliveries from raw files to a release, and judges it.

    python -m benchmarks.province [--size 320000] [--seed 78] [--train ENTITY]... [--folder DIR] [--keep]

`size` counts person records: 320,000 are about 200,000 people, 94,000 households, 1,500 committees, 3,200
organizations and 800 institutions. Pairs, golden values, relations and states are compared with the truth, in all and
by kind of error. `--train` estimates the weights of an entity type from this population first (seed 900 made the
shipped ones and is not for judging). Results go to `benchmarks/results/province.json` and `.md`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.steps import environment, save
from demo.journey import AS_OF
from demo.population import generate
from golden_records.accuracy import evaluate
from golden_records.accuracy_of_links import judge
from golden_records.plan import plan
from golden_records.query import Release
from golden_records.release import publish
from linkage.decisions import DecisionStore
from linkage.ingest import load_file
from linkage.link import link, prepare
from linkage.train import train
from linkage.workspace import Workspace

TRAINED_ON = 900
Document = dict[str, Any]


class Steps:
    """Notes how long each step took and says so on stderr."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, total: int | None = None, con: duckdb.DuckDBPyConnection | None = None) -> Iterator[Any]:
        began = time.perf_counter()
        yield lambda done: None
        self.seconds[name] = round(time.perf_counter() - began, 1)
        print(f"{name}: {self.seconds[name]} s", file=sys.stderr, flush=True)

    def note(self, message: str) -> None:
        print(f"note: {message}", file=sys.stderr, flush=True)


def travel(folder: Path, size: int, seed: int, trained: Sequence[str]) -> Document:
    """Everything that was measured, as one document."""
    steps = Steps()
    ws = Workspace.create(folder / "workspace")
    rules, decisions = ws.load_rules(), DecisionStore(ws.decisions)
    with steps.step("generate"):
        made = generate(folder / "files", size, seed)
    con = ws.connect()
    with steps.step("load"):
        reports = [load_file(con, ws, rules.entities[entity], source, path) for entity, source, path in made.files]
    if trained:
        for name in rules.entities:
            if name in trained:
                prepare(con, rules, rules.entities[name], AS_OF)
                train(con, rules.entities[name], steps)
                rules = ws.load_rules()
            link(con, ws, rules, decisions, AS_OF, steps, [name])
    linked = link(con, ws, rules, decisions, AS_OF, steps)
    number = publish(con, ws, rules, decisions, plan(con, ws, rules, decisions, steps), steps)
    with Release.of(ws.releases, number) as release:
        judged = {
            name: evaluate(con, rules.entities[name], ws.rules_folder, release, truth)
            for name, truth in made.truth.items()
        }
        links = judge(release, made.truth, made.relations, made.states)
    con.close()
    entities = {
        one.entity: {
            "records": one.records,
            "quarantined": one.quarantined,
            "findings": one.findings,
            "candidate_pairs": one.candidate_pairs,
            "waiting": one.waiting,
            "golden": one.clusters,
            **judged[one.entity],
        }
        for one in linked
    }
    return {"rejected": sum(one.rejected for one in reports), "entities": entities, **links, "seconds": steps.seconds}


def told(document: Document) -> list[str]:
    """The document as Markdown."""
    lines = [
        "| entity | records | candidate pairs | waiting | golden | precision | recall | true golden values |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in document["entities"].items():
        pairs, values = one["pairwise"], one.get("values", {}).get("share")
        lines.append(
            f"| {name} | {one['records']:,} | {one['candidate_pairs']:,} | {one['waiting']:,} | {one['golden']:,} "
            f"| {pairs['precision']:.5f} | {pairs['recall']:.5f} | {'' if values is None else f'{values:.4f}'} |"
        )
    lines += ["", "| relation | published | precision | in the truth | recall |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, one in [*document["relations"]["by_type"].items(), ("all", document["relations"])]:
        lines.append(
            f"| {name} | {one['published']:,} | {one['precision']:.4f} | {one['expected']:,} | {one['recall']:.4f} |"
        )
    lines += ["", "| states of | entities | right |", "| --- | ---: | ---: |"]
    for name, one in [*document["states"]["by_entity"].items(), ("all", document["states"])]:
        lines.append(f"| {name} | {one['entities']:,} | {one['share']:.4f} |")
    lines += [
        "",
        "| error | records | precision | recall | true golden values |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for one in document["entities"].values():
        values = one.get("values", {}).get("by_error", {})
        for kind, pairs in sorted(one["by_error"].items()):
            share = values.get(kind, {}).get("share")
            lines.append(
                f"| {kind} | {pairs['records']:,} | {pairs['precision']:.4f} | {pairs['recall']:.4f} "
                f"| {'' if share is None else f'{share:.4f}'} |"
            )
    lines += ["", "| step | seconds |", "| --- | ---: |"]
    lines += [f"| {name} | {seconds} |" for name, seconds in document["seconds"].items()]
    return lines


def main() -> None:
    """Run, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=320_000)
    parser.add_argument("--seed", type=int, default=78)
    parser.add_argument("--train", action="append", default=[], help="an entity type; may be repeated")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--keep", action="store_true", help="leave the workspace where it is")
    parser.add_argument("--name", default="province", help="name of the result files")
    chosen = parser.parse_args()
    if chosen.seed == TRAINED_ON and not chosen.train:
        parser.error(f"seed {TRAINED_ON} made the shipped weights; judge with another one")
    if chosen.folder:
        chosen.folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=chosen.folder))
    machine = environment()
    try:
        document = travel(work, chosen.size, chosen.seed, chosen.train)
    finally:
        if not chosen.keep:
            shutil.rmtree(work, ignore_errors=True)
    said = f"`python -m benchmarks.province --size {chosen.size} --seed {chosen.seed}"
    said += "".join(f" --train {name}" for name in chosen.train) + "`"
    lines = [
        "# A made-up province: five entity types, three deliveries\n",
        f"{said}\n",
        f"{machine}\n",
        *told(document),
    ]
    print("\n".join(lines))
    document = {"environment": machine, "size": chosen.size, "seed": chosen.seed, **document}
    save(chosen.name, document, "\n".join(lines))


if __name__ == "__main__":
    main()
