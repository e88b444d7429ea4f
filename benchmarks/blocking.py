"""What every shipped blocking rule costs and finds, by size, and what it would cost the nation.

    python -m benchmarks.blocking [--size 50000 --size 100000 --size 200000 --size 400000] [--seed 77] [--json]

For each size a made-up province is loaded and linked. Then for every rule of every entity type, and for all of its
rules together: the pairs that it makes, exactly; pairs per record; its largest block; the share of the true pairs
that it brings together, in all and by kind of error; seconds to join its blocks. The growth of pairs with records
(the exponent of the least squares line through the logarithms: 1 is linear, 2 quadratic) is told beside the pairs
per record that a nation of 1.408 billion would have at that growth. A rule that grows as the square is refused:
the command then ends with 4. Blocks that were above the rule's cap when the frequencies were frozen block nothing and
are not counted; every size freezes its own.

The made-up names are fewer than a nation's and its counties smaller, so the figures say how a rule grows and not what
a nation will see; published expectations under independence stand beside them. Results go to
`benchmarks/results/blocking.json` and `.md`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.steps import RESULTS, environment, save
from demo.journey import AS_OF
from demo.population import Generated, generate
from linkage import block as blocking
from linkage.decisions import DecisionStore
from linkage.frequencies import hub_name
from linkage.ingest import load_file
from linkage.link import link
from linkage.workspace import Workspace, use_entity
from rules.model import EntityRules

NATION = 1_408_000_000
QUADRATIC = 1.5
UNION = "all rules together"
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
    entity = rules.entity
    con.execute(f"create or replace temp table block as {blocking.block_sql(entity)}")
    for i, rule in enumerate(entity.blocking):
        if rule.each:
            con.execute(f"create or replace temp table block_{i} as {blocking.each_sql(rule)}")
    con.execute(
        "create or replace temp table known as select s.ordinal, t.truth, coalesce(t.error, '') as error "
        "from standard as s join (select source, source_key, truth, error from read_csv(?, all_varchar = true, "
        "delim = ',', quote = '\"')) as t using (source, source_key)",
        [str(made.truth[rules.name])],
    )
    con.execute(
        "create or replace temp table true_pair as select a.ordinal as l, b.ordinal as r, "
        "list_distinct(string_split(a.error, ';') || string_split(b.error, ';')) as errors "
        "from known as a join known as b on a.truth = b.truth and a.ordinal < b.ordinal "
        "join block as x on x.ordinal = a.ordinal join block as y on y.ordinal = b.ordinal "
        "where x.dup_group is null or x.dup_group is distinct from y.dup_group"
    )
    records, pairs = (int(con.execute(f"select count(*) from {t}").fetchall()[0][0]) for t in ("standard", "true_pair"))
    con.execute("create or replace temp table pair (join_key_l bigint, join_key_r bigint, match_key varchar)")
    con.execute("create or replace temp table caught (l bigint, r bigint)")
    found: list[Document] = []
    for i, rule in enumerate(entity.blocking):
        began = time.perf_counter()
        con.execute(f"insert into pair {blocking.pairs_sql(entity, i)}")
        seconds = time.perf_counter() - began
        own = (
            f"select l.ordinal as l, r.ordinal as r from block_{i} as l join block_{i} as r using (block)"
            if rule.each
            else f"select l.ordinal as l, r.ordinal as r from block as l join block as r using (block_{i})"
        )
        con.execute(
            f"create or replace temp table mine as select distinct t.* from true_pair as t join ({own}) using (l, r)"
        )
        con.execute("insert into caught select l, r from mine")
        found.append(
            {
                "rule": hub_name(rule),
                "pairs": _pairs(con, rule.each is not None, i),
                "new_pairs": _count(con, f"select count(*) from pair where match_key = '{i}'"),
                "largest_block": _largest(con, rule.each is not None, i),
                "seconds": round(seconds, 2),
                **_caught(con, "mine", pairs),
            }
        )
    con.execute("create or replace temp table mine as select t.* from true_pair as t semi join caught using (l, r)")
    whole = _count(con, "select count(*) from pair")
    found.append(
        {
            "rule": UNION,
            "pairs": whole,
            "new_pairs": whole,
            "largest_block": max((one["largest_block"] for one in found), default=0),
            "seconds": round(sum(one["seconds"] for one in found), 2),
            **_caught(con, "mine", pairs),
        }
    )
    return {"records": records, "true_pairs": pairs, "rules": found}


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])


def _blocks(each: bool, i: int) -> str:
    """SQL: (block, dup_group) of every record that a rule gives a block."""
    return (
        f"(select block, dup_group from block_{i})"
        if each
        else f"(select block_{i} as block, dup_group from block where block_{i} is not null)"
    )


def _pairs(con: duckdb.DuckDBPyConnection, each: bool, i: int) -> int:
    """The pairs that a rule makes on its own: of every block, less those within a group free of duplicates."""
    return _count(
        con,
        "select coalesce(sum(n * (n - 1) // 2), 0) - coalesce(sum(alike), 0) from (select sum(n) as n, "
        "sum(case when dup_group is not null then n * (n - 1) // 2 end) as alike from "
        f"(select block, dup_group, count(*)::hugeint as n from {_blocks(each, i)} group by all) group by block)",
    )


def _largest(con: duckdb.DuckDBPyConnection, each: bool, i: int) -> int:
    return _count(con, f"select coalesce(max(n), 0) from (select count(*) as n from {_blocks(each, i)} group by block)")


def _caught(con: duckdb.DuckDBPyConnection, table: str, pairs: int) -> Document:
    """The share of the true pairs that `table` holds, in all and by kind of error."""
    told = con.execute(
        "select error, count(*), count(*) filter (found) "
        "from (select unnest(t.errors) as error, m.l is not null as found "
        f"from true_pair as t left join (select l, r from {table}) as m using (l, r)) where error <> '' "
        "group by error order by error"
    ).fetchall()
    held = _count(con, f"select count(*) from {table}")
    return {"caught": held / pairs if pairs else 1.0, "by_error": {kind: right / n for kind, n, right in told}}


def growth(sizes: Sequence[int], pairs: Sequence[int]) -> float | None:
    """The exponent b of pairs = a * records ** b, by least squares of logarithms; None where there is too little."""
    known = [(math.log(n), math.log(p)) for n, p in zip(sizes, pairs, strict=True) if n > 1 and p >= 100]
    if len(known) < 2:
        return None
    x, y = (sum(axis) / len(known) for axis in zip(*known, strict=True))
    spread = sum((a - x) ** 2 for a, _ in known)
    return sum((a - x) * (b - y) for a, b in known) / spread if spread else None


def ladder(rungs: dict[int, dict[str, Document]]) -> list[Document]:
    """By entity type and rule: the figures of the largest size, the growth over all sizes, what a nation would have."""
    last = rungs[max(rungs)]
    found = []
    for entity, one in last.items():
        told = [rungs[size][entity] for size in sorted(rungs)]
        for i, rule in enumerate(one["rules"]):
            series = [(at["records"], at["rules"][i]["pairs"]) for at in told]
            exponent = growth(*zip(*series, strict=True))
            per_record = rule["pairs"] / max(one["records"], 1)
            national = None
            if exponent is not None and one["records"]:
                national = per_record * (NATION / one["records"]) ** (exponent - 1)
            found.append(
                {
                    "entity": entity,
                    **rule,
                    "records": one["records"],
                    "pairs_per_record": per_record,
                    "by_size": {size: pairs for size, (_, pairs) in zip(sorted(rungs), series, strict=True)},
                    "growth": exponent,
                    "national_pairs_per_record": national,
                    "refused": exponent is not None and exponent > QUADRATIC and rule["rule"] != UNION,
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
