"""Measures the linking of a small public truth set: persons and organizations in three files.

    python -m benchmarks.truthset [--data DIR] [--no-nicknames] [--json]

Loads customers, reference and watch list (`DIR/senzing_truthset`) as three sources of one entity type, links and
publishes them and compares the golden records with the two keys that come with the set. The rules and their hand-set m
and u stand in `benchmarks/rules/truthset`: 159 records cannot train anything. They were written with the records in
view and changed twice after their errors were seen, so these figures are no measure of unseen data; `FIRST` holds what
came out before that. Short forms of given names are read
from another public table, `DIR/pseudopeople/nicknames.csv`, where it is there. Results go to
`benchmarks/results/truthset.json` and `.md`.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.steps import RESULTS, ROOT, data_folder, environment, save
from golden_records.accuracy import evaluate
from golden_records.plan import plan
from golden_records.query import Release
from golden_records.release import publish
from linkage.decisions import DecisionStore
from linkage.ingest import load_file
from linkage.link import link
from linkage.workspace import Workspace
from rules.errors import InputError, ShuyuanError

RULES = ROOT / "benchmarks/rules/truthset"
AS_OF = date(2024, 1, 1)
SOURCES = ("customers", "reference", "watchlist")
# The rules as they were first written, before their errors were looked at: pairwise and B-cubed F1.
FIRST = {"key": (0.7401, 0.9149), "alternate key": (0.7249, 0.9053)}
KEYS = {"key": "actual_truthset_key.csv", "alternate key": "alternate_truthset_key.csv"}
Document = dict[str, Any]


def measure(data: Path, work: Path, nicknames: bool = True) -> Document:
    """Link and publish the three files; figures by key, and the pairs of records that were decided otherwise.

    Raises:
        InputError: a file is missing.
    """
    folder = data / "senzing_truthset"
    files = {source: folder / f"{source}.csv" for source in SOURCES}
    for path in (*files.values(), *(folder / name for name in KEYS.values())):
        if not path.is_file():
            raise InputError(f"{path}: no such file; it belongs to the truth set")
    table = data / "pseudopeople/nicknames.csv"
    shutil.copytree(RULES, work / "rules")
    known = _add_nicknames(table, work / "rules/reference/codes.csv") if nicknames and table.is_file() else 0
    ws = Workspace.create(work / "workspace", rules=work / "rules")
    rules, decisions = ws.load_rules(), DecisionStore(ws.decisions)
    with ws.lock("benchmark"):
        con = ws.connect()
        try:
            for source, path in files.items():
                load_file(con, ws, rules.entities["party"], source, path, AS_OF)
            (linked,) = link(con, ws, rules, decisions, AS_OF)
            number = publish(con, ws, rules, decisions, plan(con, ws, rules, decisions))
            found: Document = {
                "nicknames": known,
                "records": linked.records,
                "candidate_pairs": linked.candidate_pairs,
                "accepted": linked.accepted,
                "waiting": linked.waiting,
                "golden": linked.clusters,
            }
            with Release.of(ws.releases, number) as release:
                for name, key in KEYS.items():
                    truth = _truth(folder / key, work / f"{name}.csv")
                    judged = evaluate(con, rules.entities["party"], ws.rules_folder, release, truth)
                    found[name] = {part: judged[part] for part in ("unplaced", "pairwise", "bcubed")}
                    found[name] |= _wrong(con)
        finally:
            con.close()
    return found


def _add_nicknames(table: Path, codes: Path) -> int:
    """Append the table to the code list as list `nickname`: a formal name and its short forms; gives how many."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [[cell.strip().lower() for cell in row if cell.strip()] for row in list(csv.reader(file))[1:]]
    with codes.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(
            ["nickname", row[0], row[0], row[0], "", "", "|".join(row[1:])] for row in rows if len(row) > 1
        )
    return len(rows)


def _truth(key: Path, path: Path) -> Path:
    """A key of the set as a truth file."""
    with key.open(encoding="utf-8-sig", newline="") as file:
        rows = [(row["DATA_SOURCE"].lower(), row["RECORD_ID"], row["CLUSTER_ID"]) for row in csv.DictReader(file)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("source", "source_key", "truth"), *rows])
    return path


def _wrong(con: duckdb.DuckDBPyConnection) -> Document:
    """The pairs of records that are united but should not be, and the other way round, by their keys."""
    pairs = """
      with named as (select source_key, truth, grp from truth join placed using (source, source_key))
      select l.source_key, r.source_key from named as l join named as r on l.source_key < r.source_key
      where {} order by all"""
    united = con.execute(pairs.format("l.grp = r.grp and l.truth <> r.truth")).fetchall()
    apart = con.execute(pairs.format("l.grp <> r.grp and l.truth = r.truth")).fetchall()
    return {"wrongly_united": ["-".join(pair) for pair in united], "wrongly_apart": ["-".join(pair) for pair in apart]}


def as_text(found: Document) -> str:
    """The figures as Markdown."""
    lines = [
        f"{found['records']} records, {found['candidate_pairs']:,} candidate pairs, {found['accepted']} accepted, "
        f"{found['waiting']} wait for a steward, {found['golden']} golden records; "
        f"{found['nicknames']:,} names with short forms",
        "",
        "| compared with | true pairs | found | right | precision | recall | F1 | B-cubed P | R | F1 |",
        "| --- |" + " ---: |" * 9,
    ]
    for name in KEYS:
        one = found[name]
        counts = [str(one["pairwise"][part]) for part in ("true_pairs", "found_pairs", "right_pairs")]
        shares = [f"{one[kind][part]:.4f}" for kind in ("pairwise", "bcubed") for part in ("precision", "recall", "f1")]
        lines.append(f"| {name} | " + " | ".join([*counts, *shares]) + " |")
    first = "; ".join(f"{name} F1 {pairs:.4f}, B-cubed F1 {cubed:.4f}" for name, (pairs, cubed) in FIRST.items())
    lines += ["", f"The rules as first written, before their errors were looked at: {first}."]
    for name in KEYS:
        for what in ("wrongly_united", "wrongly_apart"):
            lines += ["", f"{name}, {what.replace('_', ' ')}: {', '.join(found[name][what]) or 'none'}"]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder that holds senzing_truthset/; default: SHUYUAN_DATA")
    parser.add_argument("--no-nicknames", action="store_true", help="without the table of short forms")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    chosen = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as work:
            found = measure(data_folder(chosen.data), Path(work), not chosen.no_nicknames)
    except ShuyuanError as error:
        print(f"error {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    command = "python -m benchmarks.truthset" + (" --no-nicknames" if chosen.no_nicknames else "")
    document = {"command": command, "seed": None, "environment": environment(), **found}
    text = as_text(found)
    print(json.dumps(document, ensure_ascii=False, indent=1) if chosen.json else text)
    head = (
        f"# A small truth set: persons and organizations of three files\n\n`{command}` (nothing is drawn by chance)\n\n"
    )
    save("truthset", document, f"{head}{environment()}\n\n{text}", chosen.results)


if __name__ == "__main__":
    main()
