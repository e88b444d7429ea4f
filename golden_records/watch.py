"""Looks for what a person should look at: the watch rules of `rules/watch/`, asked of a release.

A hit is a clue, never a verdict: it names the source records that it rests on and how strong the matches behind its
golden records are. A wrong match makes a wrong clue, so the weakest link of each is told beside it.

A rule is a SELECT that gives one row per clue:

    golden_id, entity   whom it is about
    since               the day from which it holds, null where none is known
    evidence            the records that say so, as SOURCE/KEY
    involved            optional: other golden records that it rests on
    <field>             optional: a golden value of the subject, masked by its kind
    <entity>_<field>    optional: a golden value of a record of that entity type
    any other           only what is no text: a day, a number
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from golden_records.query import Release
from golden_records.views import open_views
from rules.columns import quote
from rules.errors import NotFoundError, Problem, RulesError
from rules.masking import mask_value
from rules.model import Rules, Watch

Document = dict[str, Any]
FIXED = {"golden_id": "VARCHAR", "entity": "VARCHAR", "since": "DATE", "evidence": "VARCHAR[]"}
INVOLVED = "involved"


def watch(
    release: Release, rules: Rules, names: Sequence[str] = (), limit: int = -1, clear: bool = False
) -> list[Document]:
    """What every watch rule, or those of `names`, finds in a release, up to `limit` hits each; masked unless `clear`.

    Raises:
        NotFoundError: there is no such rule.
        RulesError: a rule reads a column that is not there, or shows one that cannot be masked.
    """
    for name in names:
        if name not in rules.watches:
            raise NotFoundError(f"no watch rule {name!r}; the rules have {', '.join(rules.watches) or 'none'}")
    with duckdb.connect() as con:
        open_views(con, rules, release.folder)
        return [_ask(con, release, rules, rules.watches[name], (limit, clear)) for name in names or rules.watches]


def problems(rules: Rules) -> list[Problem]:
    """What is wrong in watch rules once their columns are known."""
    found: list[Problem] = []
    with duckdb.connect() as con:
        open_views(con, rules)
        for one in rules.watches.values():
            try:
                _columns(con, rules, one)
            except RulesError as error:
                found += error.problems
    return found


def _ask(con: duckdb.DuckDBPyConnection, release: Release, rules: Rules, one: Watch, how: tuple[int, bool]) -> Document:
    limit, clear = how
    columns = _columns(con, rules, one)
    con.execute(f"create or replace temp table hit as select distinct * from ({_sql(one)})", _bound(one, release))
    count = int(con.execute("select count(*) from hit").fetchall()[0][0])
    rows = con.execute(
        "select * from hit order by since nulls last, golden_id, evidence limit $limit",
        {"limit": 2**62 if limit < 0 else limit},
    ).fetchall()
    said = [dict(zip(columns, row, strict=True)) for row in rows]
    strength = _strengths(con, rules, said)
    return {
        "rule": one.header.name,
        "title": {"zh": one.header.zh, "en": one.header.en},
        "why": one.header.why,
        "release": release.manifest.release,
        "as_of": release.manifest.as_of.isoformat(),
        "not_published": [name for name in one.header.needs if name not in release.manifest.entities],
        "count": count,
        "hits": [_hit(rules, row, strength, clear) for row in said],
    }


def _hit(rules: Rules, row: Document, strength: dict[str, Document], clear: bool) -> Document:
    shown = {}
    for name, value in row.items():
        if name in FIXED or name == INVOLVED:
            continue
        field = _field(rules, row["entity"], name)
        masked = mask_value(rules.entities[field[0]].entity, field[1], value) if field and not clear else value
        shown[name] = masked if isinstance(masked, str | int | float | bool | None) else str(masked)
    ids = dict.fromkeys([row["golden_id"], *(row.get(INVOLVED) or ())])
    match = [strength.get(one, {"golden_id": one, "records": None, "weakest_match": None}) for one in ids]
    weights = [one["weakest_match"] for one in match if one["weakest_match"] is not None]
    return {
        "golden_id": row["golden_id"],
        "entity": row["entity"],
        "since": row["since"].isoformat() if row["since"] else None,
        "subject": shown,
        "evidence": [dict(zip(("source", "source_key"), text.split("/", 1), strict=True)) for text in row["evidence"]],
        "match": match,
        "weakest_match": min(weights, default=None),
    }


def _columns(con: duckdb.DuckDBPyConnection, rules: Rules, one: Watch) -> list[str]:
    """The columns of a rule's rows; RulesError where one is missing, or shows text that nobody could mask."""
    file = f"watch/{one.header.name}.sql"
    try:
        described = con.execute(f"describe {_sql(one).replace('$as_of', 'current_date')}").fetchall()
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        raise RulesError([Problem(file, "", str(error).splitlines()[0])]) from error
    columns = {str(row[0]): str(row[1]) for row in described}
    found = [
        Problem(file, name, f"is missing: a rule gives {name} as {kind}")
        for name, kind in FIXED.items()
        if columns.get(name) != kind
    ]
    for name, kind in columns.items():
        known = name in FIXED or name == INVOLVED or any(_field(rules, e, name) for e in one.header.needs)
        if not known and "VARCHAR" in kind:
            found.append(Problem(file, name, "is text of no field, so it cannot be masked; name it [<entity>_]<field>"))
    if found:
        raise RulesError(found)
    return list(columns)


def _field(rules: Rules, entity: str, column: str) -> tuple[str, str] | None:
    """Entity type and field whose values a column shows."""
    if entity in rules.entities and column in rules.entities[entity].entity.fields:
        return entity, column
    for name, one in rules.entities.items():
        field = column.removeprefix(f"{name}_")
        if field != column and field in one.entity.fields:
            return name, field
    return None


def _strengths(con: duckdb.DuckDBPyConnection, rules: Rules, said: Sequence[Document]) -> dict[str, Document]:
    ids = sorted({one for row in said for one in (row["golden_id"], *(row.get(INVOLVED) or ()))})
    found: dict[str, Document] = {}
    for name in rules.entities:
        rows = con.execute(
            f"select golden_id, records, weakest_match from {quote(f'{name}_golden')} "
            "where golden_id in (select unnest($ids))",
            {"ids": ids},
        ).fetchall()
        found |= {row[0]: dict(zip(("golden_id", "records", "weakest_match"), row, strict=True)) for row in rows}
    return found


def _sql(one: Watch) -> str:
    return one.sql.strip().rstrip(";")


def _bound(one: Watch, release: Release) -> dict[str, object]:
    return {"as_of": release.manifest.as_of} if "$as_of" in one.sql else {}
