"""What every shipped blocking rule costs and finds, by size, and what it would cost the nation.

    python -m benchmarks.blocking [--size 50000 --size 100000 --size 200000 --size 400000] [--seed 77] [--json]

For each size a made-up province is loaded and linked. Then for every rule of every entity type, and for all of its
rules together: the pairs that it makes, exactly; pairs per record; its largest block; the share of the true pairs
that it brings together, in all and, for all rules, by kind of error; seconds to find its pairs. The growth of pairs
with records (the exponent of the least squares line through the logarithms: 1 is linear, 2 quadratic) is told beside
the pairs per record that a nation of 1.408 billion would have at that growth. A rule that grows as the square is
refused: the command then ends with 4. Blocks that were above the rule's cap when the frequencies were frozen block
nothing and are not counted; every size freezes its own.

The made-up names are fewer than a nation's and its counties smaller, so the figures say how a rule grows and not what
a nation will see; published expectations under independence stand beside them. Results go to
`benchmarks/results/blocking.json` and `.md`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.steps import RESULTS, environment, save
from demo.journey import AS_OF
from demo.population import Generated, generate
from linkage import blocking, frequencies
from linkage.blocking import UNION
from linkage.decisions import DecisionStore
from linkage.growth import exponent
from linkage.ingest import load_file
from linkage.known import from_truth
from linkage.link import link
from linkage.workspace import Workspace, use_entity
from rules.model import EntityRules

NATION = 1_408_000_000
QUADRATIC = 1.5
LEAST = 100  # pairs: fewer say nothing of growth
# Expected pairs per person at 1.408 billion under independence, from the frequencies of Han names (NCIIS, births by
# day and county): what a rule with such keys may be held against.
EXPECTED = {
    "Han name + birth date": 0.31,
    "pinyin name + birth date": 0.64,
    "surname + birth date + county": 0.73,
    "pinyin name + birth year + province": 11,
    "pinyin initials + birth year + county": 4.6,
}
Document = dict[str, Any]


def measure(folder: Path, size: int, seed: int) -> dict[str, Document]:
    """By entity type: records, true pairs, and the figures of every rule."""
    ws = Workspace.create(folder / "workspace")
    rules, decisions = ws.load_rules(), DecisionStore(ws.decisions)
    made = generate(folder / "files", size, seed)
    con = ws.connect()
    try:
        for entity, source, path in made.files:
            load_file(con, ws, rules.entities[entity], source, path)
        link(con, ws, rules, decisions, AS_OF)
        return {name: judge(con, one, made) for name, one in rules.entities.items()}
    finally:
        con.close()


def judge(con: duckdb.DuckDBPyConnection, rules: EntityRules, made: Generated) -> Document:
    """The figures of one entity type, whose records are linked in the current database."""
    use_entity(con, rules.name)
    frequencies.load(con, rules)
    found = blocking.measure(con, rules, from_truth(con, made.truth[rules.name]))
    told = [
        {
            **{name: one[name] for name in ("rule", "pairs", "new_pairs", "seconds")},
            "largest_block": max(one["block_sizes"], default=0),
            "caught": 1.0 if one["share"] is None else one["share"],
        }
        for one in found["rules"]
    ]
    union = found["union"]
    told.append(
        {
            "rule": UNION,
            "pairs": union["pairs"],
            "new_pairs": union["pairs"],
            "seconds": union["seconds"],
            "largest_block": max((one["largest_block"] for one in told), default=0),
            "caught": 1.0 if union["share"] is None else union["share"],
            "by_error": blocking.caught_by_error(con),
        }
    )
    return {"records": found["records"], "true_pairs": found["known_pairs"], "rules": told}


def ladder(rungs: dict[int, dict[str, Document]]) -> list[Document]:
    """By entity type and rule: the figures of the largest size, the growth over all sizes, what a nation would have."""
    last = rungs[max(rungs)]
    found = []
    for entity, one in last.items():
        told = [rungs[size][entity] for size in sorted(rungs)]
        for i, rule in enumerate(one["rules"]):
            series = [(at["records"], at["rules"][i]["pairs"]) for at in told]
            grown = exponent(*zip(*series, strict=True), least=LEAST)
            per_record = rule["pairs"] / max(one["records"], 1)
            national = None
            if grown is not None and one["records"]:
                national = per_record * (NATION / one["records"]) ** (grown - 1)
            found.append(
                {
                    "entity": entity,
                    **rule,
                    "records": one["records"],
                    "pairs_per_record": per_record,
                    "by_size": {size: pairs for size, (_, pairs) in zip(sorted(rungs), series, strict=True)},
                    "growth": grown,
                    "national_pairs_per_record": national,
                    "refused": grown is not None and grown > QUADRATIC and rule["rule"] != UNION,
                }
            )
    return found


def as_text(found: list[Document], said: str) -> str:
    """The figures as Markdown."""
    lines = ["# Blocking rules: what they cost and find\n", f"`{said}`\n", f"{environment()}\n"]
    for entity in dict.fromkeys(one["entity"] for one in found):
        own = [one for one in found if one["entity"] == entity]
        lines += [
            f"## {entity}: {own[0]['records']:,} records\n",
            "| rule | pairs | per record | largest block | true pairs caught | s | growth | per record, nation |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for one in own:
            grown = "" if one["growth"] is None else f"{one['growth']:.2f}{' refused' if one['refused'] else ''}"
            nation = one["national_pairs_per_record"]
            lines.append(
                f"| `{one['rule'].replace('|', chr(92) + '|')}` | {one['pairs']:,} | {one['pairs_per_record']:.2f} | "
                f"{one['largest_block']:,} | {one['caught']:.4f} | {one['seconds']} | {grown} | "
                f"{'' if nation is None else f'{nation:,.1f}'} |"
            )
        union = own[-1]
        if union["by_error"]:
            lines += ["", "True pairs caught by all rules, by kind of error: "]
            lines[-1] += ", ".join(f"{kind} {share:.3f}" for kind, share in union["by_error"].items())
        lines.append("")
    lines.append("Expected pairs per person at 1.408 billion, by independence: ")
    lines[-1] += ", ".join(f"{keys} {n}" for keys, n in EXPECTED.items()) + "."
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, action="append", help="person records; may be repeated")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    sizes = sorted(set(chosen.size or (50_000, 100_000, 200_000, 400_000)))
    rungs = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            rungs[size] = measure(Path(folder), size, chosen.seed)
            print(f"{size:,}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    found = ladder(rungs)
    said = "python -m benchmarks.blocking " + " ".join(f"--size {size}" for size in sizes) + f" --seed {chosen.seed}"
    text = as_text(found, said)
    document = {"command": said, "environment": environment(), "rules": found}
    save("blocking", document, text, chosen.results)
    print(json.dumps(document, ensure_ascii=False) if chosen.json else text)
    if any(one["refused"] for one in found):
        sys.exit(4)


if __name__ == "__main__":
    main()
