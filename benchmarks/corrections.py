"""Follows the values of a made-up province through three deliveries and one of corrections; judges states and tickets.

    python -m benchmarks.corrections [--size 32000] [--seed 78] [--share 0.5] [--folder DIR] [--keep]

Each delivery is loaded, linked and published on its own, so there are four releases. Of the third, every state is
compared with one worked out here from the truth, value by value: the records that really are of one entity, what they
say, who leads, who is in time. What linkage put together wrongly counts as wrong here. The same is told of the golden
records alone that are put together as in the truth, which judges verification. Then `--share` of the records that have
tickets are corrected by their sources, in the sources' own files: exactly the tickets of these records are to close.
Results go to `benchmarks/results/corrections.json` and `.md`.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
import shutil
import tempfile
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from benchmarks.steps import environment, save
from demo.life import DELIVERIES
from demo.population import Generated, generate
from golden_records.plan import plan
from golden_records.release import publish
from golden_records.tickets import Ticket, TicketStore
from linkage.decisions import DecisionStore
from linkage.ingest import load_file
from linkage.link import link
from linkage.sql import execute
from linkage.values import load_references, trimmed
from linkage.workspace import Workspace, use_entity
from rules.columns import quote
from rules.kinds import KINDS
from rules.model import EntityRules, Rules

DAYS = (date(2025, 12, 2), date(2026, 1, 1), date(2026, 2, 1), date(2026, 2, 12))
CORRECTED = date(2026, 2, 11)
Document = dict[str, Any]
Key = tuple[str, str]


class Said(NamedTuple):
    """What one record says in one field; `true` is None where the truth file does not tell the field."""

    source: str
    source_key: str
    key: str
    true: bool | None
    damaged: bool
    now: bool


def travel(folder: Path, size: int, seed: int, share: float) -> Document:
    """Everything that was measured, as one document."""
    ws = Workspace.create(folder / "workspace")
    rules, store = ws.load_rules(), TicketStore(DecisionStore(ws.decisions))
    made = generate(folder / "files", size, seed)
    con = ws.connect()
    seconds = {}
    try:
        for number, day in enumerate(DAYS[:3]):
            began = time.perf_counter()
            files = [one for one in made.files if _delivery(one[2]) == number]
            _release(con, ws, rules, store, files, day)
            seconds[f"release {number + 1}"] = round(time.perf_counter() - began, 1)
        states = {name: judge(con, ws, one, made, DAYS[2]) for name, one in rules.entities.items()}
        tickets = correct(con, ws, rules, store, folder / "corrected", (seed, share))
    finally:
        con.close()
    total: Counter[str] = Counter()
    for one in states.values():
        total.update({name: n for name, n in one.items() if isinstance(n, int)})
    return {"states": states | {"all": with_shares(total)}, "tickets": tickets, "seconds": seconds}


def _delivery(path: Path) -> int:
    """The number of the delivery that a file belongs to; what is older came with the first."""
    return next((i for i, day in enumerate(DELIVERIES) if day in path.name), 0)


def _release(
    con: duckdb.DuckDBPyConnection,
    ws: Workspace,
    rules: Rules,
    store: TicketStore,
    files: Iterable[tuple[str, str, Path]],
    day: date,
) -> None:
    for entity, source, path in files:
        load_file(con, ws, rules.entities[entity], source, path)
    link(con, ws, rules, store.decisions, day)
    publish(con, ws, rules, store.decisions, plan(con, ws, rules, store.decisions), forced="a benchmark")
    store.refresh(ws, rules)


# ── states ──────────────────────────────────────────────────────────────────────────────────────────


def judge(con: duckdb.DuckDBPyConnection, ws: Workspace, rules: EntityRules, made: Generated, day: date) -> Document:
    """How many states of an entity type are those of the truth; disputes injected and found; disputes that are none."""
    use_entity(con, rules.name)
    load_references(con, rules.entity, rules.folder.parent)
    con.execute(
        f"create or replace temp table truth as select * from read_csv('{made.truth[rules.name]}', all_varchar = true)"
    )
    told = tomllib.loads((rules.folder / "sources.toml").read_text("utf-8"))
    late = _late(made, told["sources"], day)
    release = ws.releases / "3" / rules.name
    exact = {row[0] for row in con.execute(_EXACT, [str(release / "crosswalk.parquet")]).fetchall()}
    values = con.execute(_VALUES, [str(release / "provenance.parquet")]).fetchall()
    counted: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for field in sorted({row[1] for row in values}):
        records, entities = _told(con, rules, field, day)
        leads = _lead(told["authority"], field, day)
        for golden_id, _, source, key, state in (row for row in values if row[1] == field):
            own, truth = records.get((source, key), (None, None))
            said = [one for one in entities.get(truth, ()) if one.now]
            kind = rules.entity.fields[field].kind
            expected = _expected(own, said, leads, late, told["sources"], kind)
            figures = _figures(said, expected, state, late)
            counted.update(figures)
            if golden_id in exact:
                counted.update({f"{name}, linked right": n for name, n in figures.items()})
                wrong[f"{field}: {expected}, told {state}"] += state != expected
    return with_shares(counted) | {"otherwise": {name: n for name, n in wrong.most_common(8) if n}}


_VALUES = (
    "select golden_id, field, source, source_key, state from read_parquet(?) "
    "where valid_to is null and state is not null order by all"
)
# The golden records that hold the records of one entity, all of them and no others.
_EXACT = """
with placed as (
  select golden_id, truth, count(distinct truth) over (partition by golden_id) as truths,
         count(distinct golden_id) over (partition by truth) as ids
  from (select * from read_parquet(?) where until is null) join truth using (source, source_key)
)
select distinct golden_id from placed group by golden_id having max(truths) = 1 and max(ids) = 1"""


def _told(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, field: str, day: date
) -> tuple[dict[Key, tuple[Said, str]], dict[str | None, list[Said]]]:
    """What every record says in a field, with the entity it really is of; and by entity."""
    rule = rules.entity.fields[field]
    columns = {str(row[0]) for row in con.execute("describe truth").fetchall()}
    known = f"true_{field}" in columns and not rule.options.get("entity")
    con.execute("create or replace temp table true_key (raw varchar, key varchar)")
    if known:
        raw = trimmed(f'"true_{field}"')
        con.execute(f"create or replace temp table raw as select distinct {raw} as raw from truth where {raw} <> ''")
        parse = KINDS[rule.kind].parse("raw", rule.options)
        execute(
            con, f"create or replace temp table true_key as select raw, key::varchar as key from ({parse})", as_of=day
        )
    raw = trimmed(f'"true_{field}"') if known else "null"
    lists = [name for name, one in rules.sources.sources.items() if one.period]
    rows = con.execute(
        f"""
        select t.truth, s.source, s.source_key, s.{quote(field + "__key")}::varchar, k.key,
               s.record_id in (select record_id from finding where field = ? and severity <> 'info'),
               s.source not in (select unnest(?::varchar[]))
                 or s.observed_on = max(s.observed_on) over (partition by s.source)
        from standard s join truth t using (source, source_key)
        left join true_key k on k.raw = {raw}
        where s.{quote(field)} is not null
        """,
        [field, lists],
    ).fetchall()
    records = {}
    for truth, source, source_key, key, true_key, damaged, now in rows:
        true = (key == true_key or _agree(rule.kind, key, true_key)) if known else None
        records[source, source_key] = (Said(source, source_key, key, true, damaged, now), truth)
    entities: dict[str | None, list[Said]] = defaultdict(list)
    for said, truth in records.values():
        entities[truth].append(said)
    return records, entities


def _lead(authority: list[Document], field: str, day: date) -> str | None:
    """The source that leads in a field, by sources.toml."""
    rows = [row for row in authority if field in row["fields"] and not row.get("regions")]
    rows = [row for row in rows if row.get("since", date.min) <= day < row.get("until", date.max)]
    return max(rows, key=lambda row: row.get("since", date.min))["order"][0] if rows else None


def _late(made: Generated, sources: Document, day: date) -> set[str]:
    """The sources whose last file, by its name, is older than their cycle."""
    last: dict[str, str] = {}
    for _, source, path in made.files:
        text = re.findall(r"20\d{2}(?:\d{4})?", path.stem)[0]
        last[source] = max(last.get(source, ""), text if len(text) == 8 else f"{text}0101")
    found = set()
    for source, one in sources.items():
        heard = last.get(one.get("grouped", {}).get("source", source))
        if heard and (day - date.fromisoformat(heard)).days > one.get("cycle_days", 10**6):
            found.add(source)
    return found


_DIVISION = re.compile("(?:[省市县区旗盟州乡镇]|街道|街道办事处|苏木)$")


def _agree(kind: str, one: str | None, other: str | None) -> bool:
    """Whether two different keys say the same as far as both go, by the words of docs/golden_records.md."""
    if one is None or other is None:
        return False
    if kind == "committee_name":
        short, long = sorted((one, other), key=len)
        return long.endswith(short) and _DIVISION.search(long.removesuffix(short)) is not None
    parts = list(zip(one.split("|"), other.split("|"), strict=False))
    return kind == "address" and all(a == b or not (a and b) for a, b in parts) and any(a and b for a, b in parts)


def _expected(
    own: Said | None, said: list[Said], leads: str | None, late: set[str], sources: Document, kind: str
) -> str:
    """The state by the words of docs/golden_records.md, without SQL."""
    if own is None:
        return "of no entity"
    told = [one for one in said if one is own or (own.key is not None and one.key is not None)]
    agreeing = [one for one in told if one is own or one.key == own.key or _agree(kind, one.key, own.key)]
    same = {one.source for one in agreeing}
    other = {one.source for one in told if one not in agreeing}
    if own.damaged:
        return "invalid"
    if other - late:
        return "disputed"
    if not same - late:
        return "stale"
    if len({sources[name].get("derived_from", name) for name in same}) < 2:
        return "single_source"
    return "confirmed" if leads in same else "agreed"


def _figures(said: list[Said], expected: str, state: str, late: set[str]) -> dict[str, int]:
    """Whether a state is right, whether its value was made to be disputed and is, and whether it is without cause."""
    known = [one for one in said if one.true is not None]
    heard = [one for one in known if one.source not in late and one.key is not None and not one.damaged]
    injected = any(one.true for one in heard) and not all(one.true for one in heard)
    innocent = bool(known) and all(one.true for one in known)
    return {
        "values": 1,
        "as expected": int(state == expected),
        "injected": int(injected),
        "injected and found": int(injected and state == "disputed"),
        "all true": int(innocent),
        "all true, told disputed": int(innocent and state == "disputed"),
    }


def with_shares(counted: Counter[str]) -> Document:
    """Counts, and the three shares that are asked for; of golden records that are linked right as well."""
    found: Document = dict(counted)
    for of in ("", ", linked right"):
        for share, part, whole in (
            ("share as expected", "as expected", "values"),
            ("share of injected found", "injected and found", "injected"),
            ("share of false disputes", "all true, told disputed", "all true"),
        ):
            found[share + of] = counted[part + of] / max(1, counted[whole + of])
    return found


# ── corrections ─────────────────────────────────────────────────────────────────────────────────────


def correct(
    con: duckdb.DuckDBPyConnection,
    ws: Workspace,
    rules: Rules,
    store: TicketStore,
    folder: Path,
    drawn: tuple[int, float],
) -> Document:
    """Have sources correct some records as their tickets ask, publish, and tell which tickets closed."""
    folder.mkdir()
    open_before = {one.ticket_id: one for one in store.tickets() if one.state != "closed"}
    by_record: dict[tuple[str, str, str], list[Ticket]] = defaultdict(list)
    for one in open_before.values():
        by_record[one.entity, one.source, one.source_key].append(one)
    able = sorted(record for record, asked in by_record.items() if _can_correct(rules.entities[record[0]], asked))
    chosen = set(random.Random(drawn[0]).sample(able, round(len(able) * drawn[1])))
    files = []
    for entity, source in sorted({record[:2] for record in chosen}):
        asked = {record[2]: by_record[record] for record in chosen if record[:2] == (entity, source)}
        files.append((entity, source, _corrected_file(con, rules.entities[entity], source, asked, folder)))
    _release(con, ws, rules, store, files, DAYS[3])
    after = {one.ticket_id: one for one in store.tickets()}
    wanted = {one.ticket_id for record in chosen for one in by_record[record]}
    closed = {number for number in open_before if after[number].state == "closed"}
    grouped = {(name, s) for name, one in rules.entities.items() for s, d in one.sources.sources.items() if d.grouped}
    moved, golden = _moved(con, ws, rules), _golden_now(con, ws, rules)
    said = _said_now(con, rules, [after[n] for n in closed])

    def why(ticket: Ticket) -> str:
        record = (ticket.entity, ticket.source, ticket.source_key)
        if record in moved:
            return "the record moved to another golden record"
        if golden.get((*record, ticket.field)) != ticket.value:
            return "the golden value is another one now"
        if record[:2] in grouped and said[ticket.ticket_id] != ticket.said:
            return "the record is made of corrected ones"
        return "without cause"

    ended = Counter("agrees" if after[n].reason == "agrees" else why(after[n]) for n in sorted(wanted & closed))
    others = Counter(why(after[n]) for n in sorted(closed - wanted))
    third = [one for one in after.values() if one.release != 4]
    return {
        "opened over three releases": len(third),
        "closed by the second and third": len(third) - len(open_before),
        "open before the corrections": len(open_before),
        "of records that can be corrected": sum(len(by_record[record]) for record in able),
        "corrected": len(wanted),
        "corrected and closed": len(wanted & closed),
        "corrected and closed, because": dict(ended),
        "others closed, because": dict(others),
        "opened by the fourth": len(after) - len(third),
    }


def _golden_now(
    con: duckdb.DuckDBPyConnection, ws: Workspace, rules: Rules
) -> dict[tuple[str, str, str, str], str | None]:
    """What release 4 has for every field of every source record: (entity, source, source key, field) -> value."""
    found = {}
    for name in rules.entities:
        paths = [str(ws.releases / "4" / name / f"{table}.parquet") for table in ("crosswalk", "provenance")]
        rows = con.execute(
            "select c.source, c.source_key, p.field, p.value from read_parquet(?) c join read_parquet(?) p "
            "using (golden_id) where c.until is null and p.valid_to is null",
            paths,
        ).fetchall()
        found |= {(name, *row[:3]): row[3] for row in rows}
    return found


def _said_now(con: duckdb.DuckDBPyConnection, rules: Rules, tickets: list[Ticket]) -> dict[int, str | None]:
    """What the records of tickets say now."""
    found: dict[int, str | None] = {}
    for entity, field in sorted({(one.entity, one.field) for one in tickets}):
        use_entity(con, entity)
        rows = con.execute(f"select source, source_key, {quote(field)}::varchar from standard").fetchall()
        now = {(source, key): value for source, key, value in rows}
        mine = [one for one in tickets if (one.entity, one.field) == (entity, field)]
        found |= {one.ticket_id: now.get((one.source, one.source_key)) for one in mine}
    return found


def _can_correct(rules: EntityRules, asked: list[Ticket]) -> bool:
    """Whether a source can write what its tickets ask into a file of its own: a plain value under a heading."""
    source = rules.sources.sources[asked[0].source]
    plain = all(
        one.field in source.columns and not rules.entity.fields[one.field].options.get("entity") for one in asked
    )
    return plain and len(source.key) == 1 and source.grouped is None and all(one.value for one in asked)


def _corrected_file(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, name: str, asked: dict[str, list[Ticket]], folder: Path
) -> Path:
    """The next file of a source: its corrected rows or, of one that delivers lists, all rows."""
    source = rules.sources.sources[name]
    use_entity(con, rules.name)
    fields = list(source.columns)
    rows = con.execute(
        f"select source_key, strftime(observed_on, '%Y-%m-%d'), {', '.join(quote(one) for one in fields)} "
        "from current_record where source = ? order by source_key",
        [name],
    ).fetchall()
    path = folder / f"{name}_{CORRECTED:%Y%m%d}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        headings = dict.fromkeys((*source.key, *source.columns.values()))
        headings |= dict.fromkeys([source.observed_on] if source.observed_on else [])
        headings |= dict.fromkeys([source.deleted.column] if source.deleted else [])
        writer = csv.DictWriter(file, list(headings))
        writer.writeheader()
        for key, day, *texts in rows:
            if key not in asked and source.delivery == "delta":
                continue
            row = {source.columns[field]: text for field, text in zip(fields, texts, strict=True)}
            row |= {source.columns[one.field]: one.value for one in asked.get(key, ())}
            if source.observed_on:
                row[source.observed_on] = CORRECTED.isoformat() if key in asked else day
            writer.writerow(row | {source.key[0]: key})
    return path


def _moved(con: duckdb.DuckDBPyConnection, ws: Workspace, rules: Rules) -> set[tuple[str, str, str]]:
    """The records of the golden records whose members are others in release 4 than in release 3."""
    found = set()
    for name in rules.entities:
        before, after = (str(ws.releases / number / name / "crosswalk.parquet") for number in ("3", "4"))
        rows = con.execute(
            """
            with before as (select * from read_parquet(?) where until is null),
                 after as (select * from read_parquet(?) where until is null),
                 touched as (
                   select unnest([b.golden_id, a.golden_id]) as golden_id
                   from before b full join after a using (source, source_key)
                   where b.golden_id is distinct from a.golden_id
                 )
            select source, source_key from (select * from before union select * from after)
            where golden_id in (select golden_id from touched)
            """,
            [before, after],
        ).fetchall()
        found |= {(name, source, key) for source, key in rows}
    return found


# ── telling ─────────────────────────────────────────────────────────────────────────────────────────


def as_text(document: Document) -> list[str]:
    """The document as Markdown."""
    lines = []
    for of, title in (
        ("", "against the truth, what linkage did included"),
        (", linked right", "linked as in the truth"),
    ):
        lines += [
            f"## States, {title}\n",
            "| entity | values | right | disputes injected | found | all records true | told disputed |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        for name, one in document["states"].items():
            lines.append(
                f"| {name} | {one.get('values' + of, 0):,} | {one['share as expected' + of]:.5f} "
                f"| {one.get('injected' + of, 0):,} | {one['share of injected found' + of]:.5f} "
                f"| {one.get('all true' + of, 0):,} | {one['share of false disputes' + of]:.5f} |"
            )
        lines.append("")
    lines += ["## Tickets over four releases\n", "| | tickets |", "| --- | ---: |"]
    for name, n in document["tickets"].items():
        lines.append(
            f"| {name} | {', '.join(f'{k} {v:,}' for k, v in n.items()) if isinstance(n, dict) else f'{n:,}'} |"
        )
    for name, one in document["states"].items():
        if one.get("otherwise"):
            told = ", ".join(f"{kind} ({n:,})" for kind, n in one["otherwise"].items())
            lines += ["", f"{name}, linked right and told otherwise: {told}."]
    return lines


def main() -> None:
    """Run, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=32_000)
    parser.add_argument("--seed", type=int, default=78)
    parser.add_argument("--share", type=float, default=0.5, help="of the records with tickets, how many are corrected")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--keep", action="store_true", help="leave the workspace where it is")
    chosen = parser.parse_args()
    work = Path(tempfile.mkdtemp(dir=chosen.folder))
    machine = environment()
    try:
        document = travel(work, chosen.size, chosen.seed, chosen.share)
    finally:
        if not chosen.keep:
            shutil.rmtree(work, ignore_errors=True)
    said = f"`python -m benchmarks.corrections --size {chosen.size} --seed {chosen.seed} --share {chosen.share}`"
    lines = ["# Values over three deliveries and one of corrections\n", f"{said}\n", f"{machine}\n", *as_text(document)]
    print("\n".join(lines))
    document = {"environment": machine, "size": chosen.size, "seed": chosen.seed, **document}
    save("corrections", document, "\n".join(lines))


if __name__ == "__main__":
    main()
