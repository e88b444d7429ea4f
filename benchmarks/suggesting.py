"""Holds the blocking rules that `--suggest` finds against hand-written ones, at no more pairs.

    python -m benchmarks.suggesting [--data DIR] [--size 20000] [--seed 101]... [--json]

Of every entity type of made-up provinces, one per seed, the hand-written rules are the shipped ones. With `--data` (a
folder with `splink_datasets`) also of historical_50k, where they are those of Splink's own example for these records;
fields, comparisons and weights are what `shuyuan init --from` makes of the file.

The budget is the number of pairs that the hand-written rules make. The search goes by what the linkage with the
hand-written rules says, without a truth; and once more by the truth of one half of the entities. The truth then says
which share of the true pairs either set brings: of all, and of the other half. Results go to
`benchmarks/results/suggesting.json` and `.md`.
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
import numpy as np

from benchmarks.first_rules import ENTITY, hand_over
from benchmarks.steps import RESULTS, Document, command, environment, save
from demo.journey import AS_OF
from demo.population import generate
from linkage import blocking, frame
from linkage.decisions import DecisionStore
from linkage.ingest import load_file
from linkage.kernel.columns import Bools
from linkage.known import Known, from_frame, from_truth
from linkage.link import link, prepare
from linkage.starting import propose
from linkage.suggesting import as_toml, suggest
from linkage.train import train
from linkage.workspace import Workspace, use_entity
from rules.model import BlockingRule, EntityRules

CAP = 100
HISTORICAL = "historical_50k"
# Splink's documentation, "Linking a dataset of real historical persons" (prediction rules), in the names of the fields.
SPLINK_RULES = (
    ("substr(first_name__key, 1, 3)", "substr(surname__key, 1, 4)"),
    ("surname__key", "dob__key"),
    ("first_name__key", "dob__key"),
    ("postcode_fake__key", "first_name__key"),
    ("postcode_fake__key", "surname__key"),
    ("dob__key", "birth_place__key"),
    ("substr(postcode_fake__key, 1, 3)", "dob__key"),
    ("substr(postcode_fake__key, 1, 3)", "first_name__key"),
    ("substr(postcode_fake__key, 1, 3)", "surname__key"),
    ("substr(first_name__key, 1, 2)", "substr(surname__key, 1, 2)", "substr(dob__key, 1, 4)"),
)


def main() -> None:
    """Measure, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder that holds splink_datasets")
    parser.add_argument("--size", type=int, default=20_000, help="person records of a province")
    parser.add_argument("--seed", type=int, action="append", help="may be repeated")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    found: list[Document] = []
    for seed in chosen.seed or (101, 102):
        with tempfile.TemporaryDirectory() as folder:
            found += [{"set": f"province {seed}", **one} for one in province(Path(folder), chosen.size, seed)]
    if chosen.data:
        with tempfile.TemporaryDirectory() as folder:
            found.append({"set": HISTORICAL, **historical(Path(folder), chosen.data)})
    document = {"command": command(), "environment": environment(), "sets": found}
    text = as_text(document)
    save("suggesting", document, text, chosen.results)
    print(json.dumps(document, ensure_ascii=False) if chosen.json else text)


def province(folder: Path, size: int, seed: int) -> list[Document]:
    """Every entity type of a made-up province."""
    ws = Workspace.create(folder / "workspace")
    rules, decisions, made = ws.load_rules(), DecisionStore(ws.decisions), generate(folder / "files", size, seed)
    con = ws.connect()
    try:
        for entity, source, path in made.files:
            load_file(con, ws, rules.entities[entity], source, path)
        link(con, ws, rules, decisions, AS_OF)
        return [held_against(con, one, made.truth[name]) for name, one in rules.entities.items()]
    finally:
        con.close()


def historical(folder: Path, data: Path) -> Document:
    """historical_50k with the rules of Splink's example, trained on the records themselves."""
    day = date(2026, 1, 1)
    files = hand_over(folder, data, HISTORICAL)
    found = propose(files, ENTITY, folder / "rules", day)
    _block_by(folder / "rules" / ENTITY / "entity.toml", SPLINK_RULES)
    for name in ("weights.json", "frequencies.parquet"):
        (folder / "rules" / ENTITY / name).unlink()
    ws = Workspace.create(folder / "workspace", rules=folder / "rules")
    con = ws.connect()
    try:
        rules = ws.load_rules()
        for file in found.files:
            load_file(con, ws, rules.entities[ENTITY], file.source, file.path, day)
        prepare(con, rules, rules.entities[ENTITY], day)
        use_entity(con, ENTITY)
        train(con, rules.entities[ENTITY])
        rules = ws.load_rules()
        link(con, ws, rules, DecisionStore(ws.decisions), day)
        return held_against(con, rules.entities[ENTITY], folder / "truth.csv")
    finally:
        con.close()


def _block_by(path: Path, rules: tuple[tuple[str, ...], ...]) -> None:
    """Put blocking rules in the place of those of an `entity.toml`, and as much budget as they need."""
    lines, kept, skipping = path.read_text("utf-8").splitlines(), [], False
    for line in lines:
        skipping = line == "[[blocking]]" or (skipping and not line.startswith(("[", "#")))
        if not skipping:
            kept.append("budget = 1000" if line.startswith("budget = ") else line)
    blocks = "\n".join(as_toml(BlockingRule(keys=keys)) for keys in rules)
    path.write_text("\n".join(kept) + "\n\n" + blocks, "utf-8")


def held_against(con: duckdb.DuckDBPyConnection, one: EntityRules, truth: Path) -> Document:
    """The figures of one linked entity type: the rules that it has, and those suggested at no more pairs."""
    use_entity(con, one.name)
    whole, half = _halves(con, truth)
    written = blocking.measure(con, one, whole)["union"]
    began = time.process_time()
    frame.build(con, one)
    plain = suggest(con, one.entity, from_frame(con, ()), written["pairs"], CAP)
    cpu = time.process_time() - began
    learned = suggest(con, one.entity, _part(from_truth(con, truth), half), written["pairs"], CAP)
    found: Document = {"entity": one.name, "records": blocking_records(con), "true_pairs": whole.count, "cpu_s": cpu}
    for name, rules in (("written", one.entity.blocking), ("suggested", plain.rules), ("by_half", learned.rules)):
        changed = one.model_copy(update={"entity": one.entity.model_copy(update={"blocking": rules})})
        union = blocking.measure(con, changed, from_truth(con, truth))["union"]
        others = blocking.measure(con, changed, _part(from_truth(con, truth), ~half))["union"]
        told = {"rules": len(rules), "pairs": union["pairs"], "recall": union["share"], "other_half": others["share"]}
        found[name] = told | {"toml": "\n".join(as_toml(rule) for rule in rules)}
    print(f"{one.name}: {[found[n]['recall'] for n in ('written', 'suggested')]}", file=sys.stderr, flush=True)
    return found


def blocking_records(con: duckdb.DuckDBPyConnection) -> int:
    """How many records stand in `standard`."""
    return int(con.execute("select count(*) from standard").fetchall()[0][0])


def _halves(con: duckdb.DuckDBPyConnection, truth: Path) -> tuple[Known, Bools]:
    """The true pairs, and which of them are of one half of the entities."""
    whole = from_truth(con, truth)
    rows = con.execute("select md5(truth)[1] < '8' as half from known_pair order by l, r").fetchnumpy()
    return whole, np.asarray(rows["half"], dtype=np.bool_)


def _part(known: Known, chosen: Bools) -> Known:
    return Known(known.origin, known.left[chosen], known.right[chosen], known.chance[chosen])


def as_text(document: Document) -> str:
    """The figures as Markdown."""
    lines = [
        "# Suggested blocking rules beside hand-written ones\n",
        f"`{document['command']}`\n",
        f"{document['environment']}\n",
        "Each cell: rules, pairs, share of the true pairs that they bring together. *By half*: searched by the truth",
        "of one half of the entities, judged by the other; last, the hand-written rules judged by that half.\n",
        "| set | entity | records | hand-written | suggested | by half | written, that half | CPU s |",
        "| --- | --- | ---: | --- | --- | --- | ---: | ---: |",
    ]
    for one in document["sets"]:
        cells = [_cell(one["written"]), _cell(one["suggested"]), _cell(one.get("by_half"), "other_half")]
        lines.append(
            f"| {one['set']} | {one['entity']} | {one['records']:,} | {' | '.join(cells)} | "
            f"{_share(one['written'].get('other_half'))} | {one['cpu_s']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def _cell(one: Document | None, recall: str = "recall") -> str:
    return f"{one['rules']}, {one['pairs']:,}, {_share(one[recall])}" if one else ""


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    main()
