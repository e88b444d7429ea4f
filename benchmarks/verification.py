"""Measures what the states of golden values cost, and whether they are right, on made-up persons with known truth.

    python -m benchmarks.verification [--golden 200000 --golden 1000000] [--seed 77] [--judge 200000] [--folder DIR]

The records of a person are put together by the truth file, so that what is judged is verification and not linkage.
Seconds are those of `survive` inside one process, once with rules that verify no field and then with those that verify
all; bytes are what the states add to a release: the disputes and the column `state`. Up to `--judge` golden persons
every state is compared with one worked out here, value by value, from the truth file, the names of the delivered files
and `sources.toml`; once on the day after the last delivery and once when the monthly sources are overdue. Results go to
`benchmarks/results/verification.json` and `.md`.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import tempfile
import time
import tomllib
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.steps import RESULTS, environment, save
from demo.population import PEOPLE_PER_RECORD, generate
from golden_records.deliveries import hear
from golden_records.identity import Issuer, identify
from golden_records.ids import create_macros
from golden_records.plan import open_previous
from golden_records.release_tables import select_sql
from golden_records.survivorship import survive
from linkage.ingest import load_file
from linkage.sql import execute
from linkage.standardize import standardize
from linkage.values import load_references, trimmed
from linkage.workspace import Workspace, use_entity
from rules.kinds import KINDS
from rules.model import EntityRules

ENTITY = "person"
FIELDS = ("name", "former_name", "sex", "birth_date", "citizen_id", "phone", "division", "address")
DAYS = (date(2026, 2, 1), date(2026, 3, 10))
Document = dict[str, Any]


def measure(folder: Path, golden: int, seed: int, judged: bool) -> Document:
    """Figures for about `golden` golden persons."""
    ws = Workspace.create(folder / "workspace")
    whole = ws.load_rules().entities[ENTITY]
    made = generate(folder / "files", round(golden / PEOPLE_PER_RECORD), seed)
    files = [(source, path) for entity, source, path in made.files if entity == ENTITY]
    con = ws.connect()
    try:
        for source, path in files:
            load_file(con, ws, whole, source, path)
        use_entity(con, ENTITY)
        kept = {name: rule for name, rule in whole.entity.fields.items() if name in FIELDS}
        standardize(con, whole, ws.rules_folder, DAYS[0])
        rules = whole.model_copy(update={"entity": whole.entity.model_copy(update={"fields": kept})})
        _put_together(con, made.truth[ENTITY])
        hear(con, rules, DAYS[0])
        seconds = {"values": _timed(survive, con, _unverified(rules), DAYS[0], 1)}
        found: Document = {}
        for day in DAYS:
            hear(con, rules, day)
            seconds[f"values and states as of {day}"] = _timed(survive, con, rules, day, 1)
            states = con.execute("select state, count(*) from provenance where state is not null group by 1 order by 1")
            found[str(day)] = {"states": dict(states.fetchall()), **(_judge(con, rules, files, day) if judged else {})}
            if day == DAYS[0]:
                added = _bytes(con, folder)
        count = (
            "select (select count(*) from golden), (select count(*) from standard), (select count(*) from provenance)"
        )
        told = con.execute(count).fetchall()[0]
    finally:
        con.close()
    return {
        "golden": told[0],
        "records": told[1],
        "values": told[2],
        "seconds": seconds,
        "release_mb": added,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "days": found,
    }


def _timed(function: Any, *arguments: Any) -> dict[str, float]:
    """Seconds by the clock, and those that the processors worked on it: other work on the machine adds only to one."""
    began, worked = time.perf_counter(), time.process_time()
    function(*arguments)
    return {"wall": round(time.perf_counter() - began, 2), "cpu": round(time.process_time() - worked, 2)}


def _unverified(rules: EntityRules) -> EntityRules:
    """The same rules, by which no value has a state."""
    left_out = rules.entity.verification.model_copy(update={"ignore": tuple(rules.entity.fields)})
    return rules.model_copy(update={"entity": rules.entity.model_copy(update={"verification": left_out})})


def _put_together(con: duckdb.DuckDBPyConnection, truth: Path) -> None:
    """Clusters as the truth has them, and ids for them; `truth` stays for the judge."""
    con.execute(f"create or replace temp table truth as select * from read_csv('{truth}', all_varchar = true)")
    con.execute(
        "create or replace table cluster as select record_id, min(record_id) over (partition by truth) as cluster_id "
        "from standard join truth using (source, source_key)"
    )
    con.execute("create table value_decision (source varchar, source_key varchar, field varchar, number integer)")
    create_macros(con)
    open_previous(con, None)
    identify(con, Issuer("P", "00", 0, 1, DAYS[0]))


def _bytes(con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, float]:
    """Megabytes (10^6) in the release: the disputes, and what the column `state` adds to provenance."""

    def written(name: str, select: str) -> int:
        path = folder / f"{name}.parquet"
        con.execute("set preserve_insertion_order = true")
        con.execute(f"copy ({select}) to '{path}' (format parquet, compression zstd, row_group_size 30720)")
        return path.stat().st_size

    plain = select_sql("provenance").replace("(g, record_id)", "(g, record_id, state)")
    before, after = written("plain", plain), written("provenance", select_sql("provenance"))
    sizes = {"dispute": written("dispute", select_sql("dispute")), "state": after - before, "provenance": after}
    return {name: round(size / 1e6, 2) for name, size in sizes.items()}


def _judge(con: duckdb.DuckDBPyConnection, rules: EntityRules, files: list[tuple[str, Path]], day: date) -> Document:
    """How many states are those that the truth leads to; disputes that were injected and found; false ones."""
    load_references(con, rules.entity, rules.folder.parent)
    told = tomllib.loads((rules.folder / "sources.toml").read_text("utf-8"))
    late = _overdue(told["sources"], files, day)
    leads = {field: row["order"][0] for row in told["authority"] for field in row["fields"]}
    counted: Counter[str] = Counter()
    confusion: Counter[str] = Counter()
    for field in FIELDS:
        _read(con, rules, field, day)
        rows = con.execute("select * from told_of order by g").fetchall()
        members: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for row in rows:
            members[row[0]].append(row)
        published = con.execute(
            "select g, source, source_key, state from provenance where field = ? and valid_to is null", [field]
        ).fetchall()
        for g, source, key, state in published:
            said = members[g]
            expected = _expected(said, (source, key), leads.get(field), late)
            counted["values"] += 1
            counted["as expected"] += state == expected
            confusion[f"{field}: {expected}, told {state}"] += state != expected
            heard = [one for one in said if one[1] not in late and one[3] is not None and not one[5]]
            if any(one[4] for one in heard) and not all(one[4] for one in heard):
                counted["injected"] += 1
                counted["injected and found"] += state == "disputed"
                counted["injected, told invalid"] += state == "invalid"
            if said and all(one[4] for one in said):
                counted["all true"] += 1
                counted["all true, told disputed"] += state == "disputed"
    wrong = {name: n for name, n in confusion.most_common(12) if n}
    return {
        **counted,
        "share as expected": counted["as expected"] / counted["values"],
        "share of injected found": counted["injected and found"] / max(1, counted["injected"]),
        "share of false disputes": counted["all true, told disputed"] / max(1, counted["all true"]),
        "otherwise": wrong,
    }


def _overdue(sources: Document, files: list[tuple[str, Path]], day: date) -> set[str]:
    """The sources whose last file, by its name, is older than their cycle."""
    last: dict[str, str] = {}
    for source, path in files:
        last[source] = max(last.get(source, ""), re.findall(r"20\d{6}", path.name)[0])
    return {
        source
        for source, text in last.items()
        if (day - date.fromisoformat(text)).days > sources[source].get("cycle_days", 10**6)
    }


def _read(con: duckdb.DuckDBPyConnection, rules: EntityRules, field: str, day: date) -> None:
    """`told_of`: per record with a value its g, source, source_key, key, whether that is the true one, findings."""
    rule = rules.entity.fields[field]
    known = f"true_{field}" in {str(row[0]) for row in con.execute("describe truth").fetchall()}
    true = trimmed(f'"true_{field}"') if known else "null"
    con.execute(
        f"create or replace temp table raw as select distinct {true} as raw from truth where {true} is not null"
    )
    parse = KINDS[rule.kind].parse("raw", rule.options)
    execute(con, f"create or replace temp table true_key as select raw, key from ({parse})", as_of=day)
    con.execute(
        f"""
        create or replace temp table told_of as
        select m.g, s.source, s.source_key, s."{field}__key" as key, coalesce(k.key = s."{field}__key", false) as true,
               s.record_id in (select record_id from finding where field = '{field}' and severity <> 'info') as damaged
        from standard s join member m using (ordinal)
        join truth t using (source, source_key)
        left join true_key k on k.raw = {true}
        where s."{field}" is not null
        """
    )


def _expected(said: list[tuple[Any, ...]], chosen: tuple[str, str], leads: str | None, late: set[str]) -> str:
    """The state by the words of docs/golden_records.md, without SQL."""
    own = next((one for one in said if (one[1], one[2]) == chosen), None)
    if own is None:
        return "unknown"
    same = {one[1] for one in said if one is own or (own[3] is not None and one[3] == own[3])}
    other = {one[1] for one in said if own[3] is not None and one[3] not in (None, own[3])}
    if own[5]:
        return "invalid"
    if other - late:
        return "disputed"
    if not same - late:
        return "stale"
    if len(same) < 2:
        return "single_source"
    return "confirmed" if leads in same else "agreed"


def as_text(one: Document) -> str:
    """One rung as Markdown."""
    lines = [
        f"## {one['golden']:,} golden persons, {one['records']:,} records, {one['values']:,} values\n",
        *(f"- {name}: {said['wall']} s, {said['cpu']} s of CPU" for name, said in one["seconds"].items()),
        f"- in the release: disputes {one['release_mb']['dispute']} MB, column `state` {one['release_mb']['state']} MB "
        f"(provenance in all {one['release_mb']['provenance']} MB)",
        f"- peak {one['peak_mib']:,} MiB",
        "",
    ]
    for day, said in one["days"].items():
        lines.append(f"As of {day}: " + ", ".join(f"{name} {n:,}" for name, n in said["states"].items()) + ".\n")
        if "values" in said:
            lines += [
                "| | values | | share |",
                "| --- | ---: | ---: | ---: |",
                f"| state as expected | {said['values']:,} | {said['as expected']:,} "
                f"| {said['share as expected']:.5f} |",
                f"| injected disputes found | {said['injected']:,} | {said['injected and found']:,} "
                f"| {said['share of injected found']:.5f} |",
                f"| injected, the value itself has a finding (`invalid`) | {said['injected']:,} "
                f"| {said['injected, told invalid']:,} | |",
                f"| all records true, told disputed | {said['all true']:,} | {said['all true, told disputed']:,} "
                f"| {said['share of false disputes']:.5f} |",
                "",
            ]
            lines += [f"- {name}: {n:,}" for name, n in said["otherwise"].items()] + [""]
    return "\n".join(lines)


def main() -> None:
    """Measure every size and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--golden", type=int, action="append", help="golden persons; may be repeated")
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--judge", type=int, default=200_000, help="judge states up to this many golden persons")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    rungs = []
    text = ["# The states of golden values\n", f"`python -m benchmarks.verification --seed {chosen.seed}`\n"]
    text.append(f"{environment()}\n")
    for golden in chosen.golden or (200_000, 1_000_000):
        work = Path(tempfile.mkdtemp(dir=chosen.folder))
        try:
            rungs.append(measure(work, golden, chosen.seed, golden <= chosen.judge))
        finally:
            shutil.rmtree(work, ignore_errors=True)
        text.append(as_text(rungs[-1]))
        print(text[-1])
    document = {"environment": environment(), "seed": chosen.seed, "rungs": rungs}
    save("verification", document, "\n".join(text), chosen.results)


if __name__ == "__main__":
    main()
