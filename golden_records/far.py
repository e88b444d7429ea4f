"""Works out golden values and their states on Spark: some golden records in every task, by the same statements.

Reads: standard, past, finding, member, golden_number, listing, speaker, value_decision, value_<field>. Writes: alike,
golden, provenance, dispute, verified.

A golden value and its state depend on the records of its golden record, on what stewards chose for them, and on what
deliveries.py says of whole sources: so a share is a golden record. Which pairs of keys agree is asked where they meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from golden_records.agreement import lenient
from golden_records.preferences import golden_fields
from golden_records.survivorship import survive
from linkage.spark import sharing
from linkage.spark.sharing import Batches
from linkage.spark.shelf import Shelf
from linkage.spark.tasks import connection
from linkage.workspace import use_entity
from rules.columns import quote
from rules.model import EntityRules

WHOLE = ("listing", "speaker")  # small tables that every task gets whole
_PLACED = """(
  select s.record_id, m.g from standard as s join member as m using (ordinal)
  union all
  select p.record_id, m.g from past as p join standard as s using (source, source_key)
  join member as m on m.ordinal = s.ordinal)"""


@dataclass(frozen=True)
class Surviving:
    """Chooses the golden values of some golden records and gives them their states."""

    rules: EntityRules
    as_of: date
    release: int
    tables: Mapping[str, Mapping[str, str]]
    results: Mapping[str, Mapping[str, str]]
    whole: Mapping[str, pa.Table]

    def __call__(self, batches: Batches) -> Batches:
        con = connection()
        use_entity(con, self.rules.name)
        if not sharing.unpack(con, batches, self.tables):
            return
        con.execute("create table member as select ordinal, share as g from standard")
        for name in self.tables:
            con.execute(f"alter table {quote(name)} drop share")
        for name, table in self.whole.items():
            con.register("incoming", table)
            con.execute(f"create table {name} as from incoming")
            con.unregister("incoming")
        survive(con, self.rules, self.as_of, self.release)
        yield from sharing.pack(con, self.results)


def survive_far(con: duckdb.DuckDBPyConnection, shelf: Shelf, one: EntityRules, as_of: date, release: int) -> None:
    """Choose every golden value of the entity type in the current schema and give it its state."""
    queries = share_sqls(one)
    results = result_types(con, one, as_of, release)
    whole = {name: con.sql(f"from {name}").to_arrow_table() for name in WHOLE}
    task = Surviving(one, as_of, release, sharing.types_of(con, queries), results, whole)
    sharing.share(con, shelf, queries, task, results)
    for name in results:
        sharing.take(con, shelf, results, name)
    con.execute("create or replace table alike as select distinct * from alike")
    names = [name for name in golden_fields(one.entity) if name not in one.entity.verification.ignore]
    con.execute("create or replace table verified as select unnest($names::varchar[]) as field", {"names": names})


def share_sqls(one: EntityRules) -> dict[str, str]:
    """The rows that a golden record's values depend on, by table; `share` is the number of the golden record."""
    found = {
        "standard": "select m.g as share, s.* from standard as s join member as m using (ordinal)",
        "past": "select m.g as share, p.* from past as p join standard as s using (source, source_key) "
        "join member as m on m.ordinal = s.ordinal",
        "golden_number": "select g as share, * from golden_number",
        "finding": f"select r.g as share, f.* from finding as f join {_PLACED} as r using (record_id)",
        "value_decision": "select m.g as share, d.* from value_decision as d "
        "join standard as s using (source, source_key) join member as m using (ordinal)",
        "previous_golden": "select n.g as share, p.golden_id, p.since_release from previous_golden as p "
        "join golden_number as n using (golden_id)",
        "previous_redirect": "select n.g as share, p.golden_id, p.since_release from previous_redirect as p "
        "join golden_number as n using (golden_id)",
    }
    return found | {f"value_{field}": _values_sql(field) for field in lenient(one.entity)}


def _values_sql(field: str) -> str:
    """SQL: what is known of the keys of a field that meet in a golden record and differ."""
    key, table = quote(f"{field}__key"), quote(f"value_{field}")
    said = f"select distinct r.g, t.key from (select record_id, {key} as key from standard union all "
    said += f"select record_id, {key} from past) as t join {_PLACED} as r using (record_id) where t.key is not null"
    return (
        f"select told.g as share, v.* from ({said}) as told join {table} as v using (key) "
        f"where told.g in (select g from ({said}) group by g having count(*) > 1)"
    )


def result_types(
    con: duckdb.DuckDBPyConnection, one: EntityRules, as_of: date, release: int
) -> dict[str, dict[str, str]]:
    """The columns of what is worked out: those that the same statements give of no golden record at all."""
    queries = share_sqls(one)
    with duckdb.connect() as empty:
        use_entity(empty, one.name)
        for name, types in sharing.types_of(con, queries | {table: f"from {table}" for table in WHOLE}).items():
            columns = ", ".join(f"{quote(column)} {kind}" for column, kind in types.items())
            empty.execute(f"create table {quote(name)} ({columns})")
        empty.execute("create table member (ordinal bigint, g integer)")
        survive(empty, one, as_of, release)
        return sharing.types_of(empty, {name: f"from {name}" for name in ("golden", "provenance", "dispute", "alike")})
