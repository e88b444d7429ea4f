"""Ships and workspaces of ships: the small world in which the tests of golden records play.

Everything is real: DuckDB, SQLite, landed files, Splink. `Ledger` publishes ids alone, table by table, for
the tests that need many releases; `Yard` is a whole workspace on disk.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from golden_records.changes import tell_changes
from golden_records.deliveries import hear
from golden_records.identity import Issuer, identify
from golden_records.ids import create_macros
from golden_records.plan import Plan, open_previous, plan
from golden_records.query import Release
from golden_records.release import publish
from golden_records.segments import table_sql
from golden_records.survivorship import survive
from linkage import ingest
from linkage.decisions import Decision, DecisionStore
from linkage.link import link
from linkage.standardize import standardize
from linkage.workspace import Workspace, use_entity
from rules.columns import quote
from rules.model import Entity, EntityRules, Sources

RULES = Path(__file__).parent / "rules"
SHIP = RULES / "ship"
FIELDS = ("mark", "name", "owner", "radio", "port", "berth", "flag", "built")
DAY = date(2024, 6, 1)
Row = dict[str, Any]
Subject = tuple[str, str]


# ── literal rows ────────────────────────────────────────────────────────────────────────────────────


def ship(
    folder: Path, entity: Mapping[str, Any] | None = None, sources: Mapping[str, Any] | None = None
) -> EntityRules:
    """The rules of ships, with some keys of `entity.toml` and `sources.toml` changed."""
    said = tomllib.loads((SHIP / "entity.toml").read_text("utf-8"))
    known = tomllib.loads((SHIP / "sources.toml").read_text("utf-8"))
    return EntityRules(
        folder=folder,
        entity=Entity.model_validate({**said, **(entity or {})}),
        sources=Sources.model_validate(
            {"sources": known["sources"], "authority": known["authority"], **(sources or {})}
        ),
    )


def only(rules: EntityRules, *fields: str) -> EntityRules:
    """The same rules with some of their fields, so that the others take no time."""
    kept = {name: one for name, one in rules.entity.fields.items() if name in fields}
    return rules.model_copy(update={"entity": rules.entity.model_copy(update={"fields": kept})})


def record(source: str, key: str, day: str = "2024-01-01", ship: str = "1", **values: str | None) -> Row:
    """A source record; records with the same `ship` are put into one cluster."""
    return {"source": source, "key": key, "day": day, "ship": ship, "values": values}


def survived(
    rules: EntityRules, records: Sequence[Row], as_of: date = DAY, decided: Iterable[tuple[Subject, str]] = ()
) -> duckdb.DuckDBPyConnection:
    """A database in memory in which the literal records were cleaned, clustered, numbered and chosen from.

    `decided` names the record of which a steward wants the value of a field, the last one for last.
    """
    con = duckdb.connect()
    use_entity(con, rules.name)
    fields = list(rules.entity.fields)
    columns = ", ".join(f"{quote(name)} varchar" for name in fields)
    con.execute(
        "create table record (record_id bigint, source varchar, source_key varchar, batch_id integer, "
        f"observed_on date, row_hash varchar, line bigint, dup_group varchar, {columns})"
    )
    con.execute("create table grouped_record as from record where false")
    con.execute("create view current_record as from record")
    con.executemany(
        f"insert into record values ({', '.join('?' * (8 + len(fields)))})",
        [
            [i, one["source"], one["key"], 1, one["day"], repr(sorted(one["values"].items())), i, None]
            + [one["values"].get(name) for name in fields]
            for i, one in enumerate(records)
        ],
    )
    standardize(con, rules, RULES, as_of)
    con.execute("create table named (record_id bigint, ship varchar)")
    con.executemany("insert into named values (?, ?)", [[i, one["ship"]] for i, one in enumerate(records)])
    con.execute(
        "create table cluster as select record_id, min(record_id) over (partition by ship) as cluster_id from named"
    )
    con.execute("create table value_decision (source varchar, source_key varchar, field varchar, number integer)")
    for number, ((source, key), field) in enumerate(decided):
        con.execute("insert into value_decision values (?, ?, ?, ?)", [source, key, field, number])
    create_macros(con)
    open_previous(con, None)
    identify(con, Issuer(rules.entity.prefix, "00", 0, 1, as_of))
    hear(con, rules, as_of)
    survive(con, rules, as_of, 1)
    return con


def told(con: duckdb.DuckDBPyConnection, field: str) -> list[tuple[Any, ...]]:
    """The published values of a field: value, source, source_key, rule, oldest first."""
    return con.execute(
        "select value, source, source_key, rule from provenance where field = ? "
        "order by golden_id, valid_to nulls last, valid_from",
        [field],
    ).fetchall()


# ── ids alone ───────────────────────────────────────────────────────────────────────────────────────


class Ledger:
    """Releases of ids alone, in memory: every call of `publish` hands in the clusters of one release."""

    def __init__(self) -> None:
        self.con = duckdb.connect()
        self.release = self.serial = 0
        self.next_seq = 1
        self.node = "07"
        self.counts: dict[str, int] = {}
        create_macros(self.con)
        open_previous(self.con, None)
        self.con.execute("create table relation as from previous_relation")

    def publish(self, clusters: Iterable[Iterable[str]], order: int = 1) -> dict[str, str]:
        """Publish literal clusters of record keys; gives the golden id of every key.

        `order` is -1 to number the records in the work database the other way round.
        """
        self.release += 1
        placed = sorted((key, number) for number, cluster in enumerate(clusters) for key in cluster)
        number_of = {key: order * i for i, (key, _) in enumerate(placed)}
        heads: dict[int, int] = {}
        for key, cluster in placed:
            heads[cluster] = min(heads.get(cluster, number_of[key]), number_of[key])
        con = self.con
        con.execute(
            "create or replace table standard "
            "(record_id bigint, ordinal bigint, source varchar, source_key varchar, observed_on date)"
        )
        con.execute("create or replace table cluster (record_id bigint, cluster_id bigint)")
        if placed:
            keys, numbers = [key for key, _ in placed], [number_of[key] for key, _ in placed]
            con.execute(
                f"insert into standard select unnest($n), unnest($o), 'a', unnest($k), date '{DAY}'",
                {"n": numbers, "o": list(range(len(placed))), "k": keys},
            )
            con.execute(
                "insert into cluster select unnest($n), unnest($c)",
                {"n": numbers, "c": [heads[cluster] for _, cluster in placed]},
            )
        self.serial = identify(con, Issuer("S", self.node, self.serial, self.release, DAY))
        con.execute(GOLDEN, {"release": self.release})
        self.counts = tell_changes(con, self.release, self.next_seq, DAY)
        self.next_seq += con.execute("select count(*) from change").fetchall()[0][0]
        for table in ("crosswalk", "golden", "redirect"):
            con.execute(f"create or replace table held_{table} as select * from {table}")
            con.execute(f"create or replace temp view previous_{table} as select * from held_{table}")
        found = con.execute("select source_key, golden_id from crosswalk where until is null").fetchall()
        return dict(sorted(found))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query over the tables of the last release."""
        return self.con.execute(sql).fetchall()

    def living(self) -> set[str]:
        """The ids that live in the last release."""
        return {row[0] for row in self.rows("select golden_id from golden")}

    def redirects(self) -> dict[str, tuple[str, list[str]]]:
        """Every id that answers with others: its kind and its successors."""
        return {row[0]: (row[1], row[2]) for row in self.rows("select golden_id, kind, successors from redirect")}

    def events(self) -> list[tuple[Any, ...]]:
        """The events of the last release: golden_id, kind, into_id."""
        return self.rows("select golden_id, kind, into_id from change order by seq")


GOLDEN = """
create or replace table golden as
select n.golden_id, 'active' as lifecycle,
       coalesce(p.since_release, r.since_release, $release::integer) as since_release
from golden_number n
left join previous_golden p on p.golden_id = n.golden_id
left join previous_redirect r on r.golden_id = n.golden_id
"""


# ── a workspace ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Yard:
    """A workspace of ships on disk, and the steps that take it from files to a release."""

    ws: Workspace

    @classmethod
    def create(cls, folder: Path) -> Yard:
        """A new workspace in `folder` with the rules of ships; node 07 issues its ids."""
        return cls(Workspace.create(folder, "07", RULES))

    @property
    def decisions(self) -> DecisionStore:
        return DecisionStore(self.ws.decisions)

    @contextmanager
    def open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """The work database while the block runs."""
        con = self.ws.connect()
        try:
            yield con
        finally:
            con.close()

    def deliver(self, source: str, day: str, *rows: Mapping[str, str], entity: str = "ship") -> None:
        """Land a file of `source` observed on `day`: one mapping per row, with `id` and some fields."""
        folder = self.ws.root.parent / "deliveries"
        folder.mkdir(exist_ok=True)
        path = folder / f"{source}_{day}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["id", *FIELDS, "day", "op"], restval="")
            writer.writeheader()
            writer.writerows({"day": day, **row} for row in rows)
        with self.open() as con:
            ingest.load_file(con, self.ws, self.ws.load_rules().entities[entity], source, path, date.fromisoformat(day))

    def say(self, kind: str, *subjects: Subject, **payload: object) -> int:
        """Let a steward decide something; gives the number of the decision."""
        return self.decisions.add(Decision(kind, "ship", subjects, "seen", "eve", tuple(payload.items())))

    def link(self, as_of: date = DAY) -> None:
        """Link everything that was delivered."""
        with self.open() as con:
            link(con, self.ws, self.ws.load_rules(), self.decisions, as_of)

    def plan(self, full: bool = False) -> Plan:
        """Plan the next release of what was linked."""
        with self.open() as con:
            return plan(con, self.ws, self.ws.load_rules(), self.decisions, full=full)

    def publish(self, planned: Plan, forced: str | None = None) -> int:
        """Publish a plan."""
        with self.open() as con:
            return publish(con, self.ws, self.ws.load_rules(), self.decisions, planned, forced=forced)

    def release(self, as_of: date = DAY, forced: str | None = None) -> int:
        """Link, plan and publish; gives the number of the release."""
        rules = self.ws.load_rules()
        with self.open() as con:
            link(con, self.ws, rules, self.decisions, as_of)
            planned = plan(con, self.ws, rules, self.decisions)
            return publish(con, self.ws, rules, self.decisions, planned, forced=forced)

    def ask(self, release: int | None = None) -> Release:
        """The current release or an earlier one, to be closed by the caller."""
        return Release.of(self.ws.releases, release)

    def id_of(self, source: str, key: str, release: int | None = None) -> str:
        """The golden id that holds a source record."""
        with self.ask(release) as published:
            (found,) = published.find("ship", source, key)
        return str(found["golden_id"])

    def ids(self, release: int | None = None) -> dict[Subject, str]:
        """Where every source record that counts is, by (source, source_key)."""
        rows = self.table("crosswalk", release)
        return {(row["source"], row["source_key"]): row["golden_id"] for row in rows if row["until"] is None}

    def table(self, name: str, release: int | None = None) -> list[Row]:
        """The rows of a table of a release, as mappings, in the order in which they were written."""
        with self.ask(release) as published:
            table = table_sql(published.folder / "ship", name)
        with duckdb.connect() as con:
            found = con.execute(f"from {table}")
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
