"""Counts what there is (底数清): golden records by region and state, what was merged, what is in conflict, what is out.

Reads: place (which quality.py made), current_record, standard, member, golden, provenance, finding, observation, batch,
refusal.
Writes: census; `report` reads it out of a release.

The count is proved: audits/census.sql refuses a release in which

    current records = members of golden records + quarantined

does not hold. Withdrawn keys and rejected rows are no current records and are counted apart.
"""

from __future__ import annotations

from typing import Any

import duckdb

from golden_records.preferences import golden_fields
from golden_records.query import Release
from golden_records.segments import has_table, table_sql
from golden_records.sql import run
from linkage.sql import aside
from rules.columns import quote
from rules.errors import NotFoundError
from rules.kinds.base import literal
from rules.model import EntityRules, Rules

Document = dict[str, Any]
VALUE_STATES = {
    "confirmed": ("一致", "confirmed"),
    "agreed": ("多源一致", "agreed"),
    "single_source": ("单源", "single source"),
    "disputed": ("冲突", "disputed"),
    "invalid": ("不合规", "invalid"),
    "stale": ("过期", "stale"),
}


def take_census(con: duckdb.DuckDBPyConnection, rules: EntityRules, waiting: int) -> None:
    """Build `census` of the entity type in the current schema; `waiting` pairs wait for a steward."""
    run(con, "census", waiting=waiting)
    for sql in identifier_sqls(rules):
        con.execute(f"insert into census {sql}")


def identifier_sqls(rules: EntityRules) -> list[str]:
    """SQL of without_identifier: golden records without a value in each identifier field, and in any of them.

    A field that only licenses a second value of another one (`alias_of`) is not told on its own.
    """
    names = [name for name in golden_fields(rules.entity) if rules.entity.fields[name].identifier]
    if not names:
        return []
    none = " and ".join(f"{quote(name)} is null" for name in names)
    own = [name for name in names if rules.entity.fields[name].alias_of is None]
    parts = [*((literal(name), f"{quote(name)} is null") for name in own), ("null", none)]
    return [
        f"select 'without_identifier', null, null, {field}, count(*) filter ({when}) from golden"
        for field, when in parts
    ]


def report(release: Release, rules: Rules) -> Document:
    """The census of a release, by entity type, with the balance of its records.

    Raises:
        NotFoundError: the release was made before there was a census.
    """
    entities = {name: _entity(release, name, rules.entities.get(name)) for name in release.manifest.entities}
    return {
        "release": release.manifest.release,
        "as_of": release.manifest.as_of.isoformat(),
        "states": {name: {"zh": zh, "en": en} for name, (zh, en) in VALUE_STATES.items()},
        "entities": entities,
    }


def _entity(release: Release, name: str, rules: EntityRules | None) -> Document:
    folder = release.folder / name
    if not has_table(folder, "census"):
        raise NotFoundError(
            f"release {release.manifest.release} has no census; it was made by an earlier version: "
            "run 'shuyuan plan' and 'shuyuan publish'"
        )
    with aside() as con:
        told = con.execute(
            f"select item, region, state, field, n from {table_sql(folder, 'census')} order by all"
        ).fetchall()
    total = {item: sum(row[4] for row in told if row[0] == item) for item in ITEMS}
    fields = {row[3]: row[4] for row in told if row[0] == "without_identifier" and row[3]}
    disputed = _by([row for row in told if row[2] == "disputed"], "values", 3)
    anywhere = [row[4] for row in told if row[0] == "without_identifier" and not row[3]]
    return {
        "title": {"zh": rules.entity.title.zh, "en": rules.entity.title.en} if rules else None,
        "fields": {n: {"zh": f.title.zh, "en": f.title.en} for n, f in rules.entity.fields.items()} if rules else {},
        "state_titles": _state_titles(rules),
        "golden": total["golden"],
        "by_state": _by(told, "golden", 2),
        "by_region": _by(told, "golden", 1) if any(row[1] for row in told) else {},
        "by_region_and_state": [
            {"region": row[1], "state": row[2], "golden": row[4]} for row in told if row[0] == "golden" and row[1]
        ],
        "values": total["values"],
        "values_by_state": _by(told, "values", 2),
        "duplicates": total["members"] - total["golden"],
        "conflicts": {
            "values_disputed": sum(disputed.values()),
            "by_field": disputed,
            "unions_refused": total["unions_refused"],
            "by_reason": _by(told, "unions_refused", 2),
            "pairs_waiting": total["pairs_waiting"],
        },
        "without_identifier": {"any": anywhere[0], "by_field": fields} if anywhere else None,
        "balance": {
            **{item: total[item] for item in ("records", "members", "quarantined", "withdrawn")},
            "rows_read": total["rows_read"],
            "rows_rejected": total["rows_rejected"],
            "adds_up": total["records"] == total["members"] + total["quarantined"],
        },
    }


ITEMS = (
    "golden",
    "records",
    "members",
    "quarantined",
    "withdrawn",
    "rows_read",
    "rows_rejected",
    "unions_refused",
    "pairs_waiting",
    "values",
)


def _by(told: list[tuple[Any, ...]], item: str, column: int) -> dict[str, int]:
    """The numbers of an item by region, state or field; what has none is counted as unknown (空)."""
    found: dict[str, int] = {}
    for row in told:
        if row[0] == item:
            name = row[column] or ""
            found[name] = found.get(name, 0) + row[4]
    return dict(sorted(found.items()))


def _state_titles(rules: EntityRules | None) -> dict[str, dict[str, str]]:
    """What people call the states of life of an entity type, as far as its rules say."""
    cycle = rules.entity.lifecycle if rules else None
    return {name: {"zh": one.zh, "en": one.en} for name, one in cycle.states.items()} if cycle else {}
