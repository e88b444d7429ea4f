"""Compares a published release with a known truth: who was merged, and whether the golden values are true.

Reads: a truth file, the release's Parquet files and, for values, `standard` in the work database (what the
records said). Writes: temporary tables only.

A golden value counts as wrong only where a member record gave the true one: nobody can publish what no source
said. Two values are equal where their kind says so (their keys are), as everywhere else.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from golden_records.preferences import golden_fields
from golden_records.query import Release
from golden_records.segments import table_sql
from linkage import outside_judge
from linkage.bootstrap import intervals
from linkage.breakdown import broken_down, by_rule, curve
from linkage.evaluate import TRUE, Document, Truth, compare, read_truth
from linkage.labels import judge
from linkage.references import has_table
from linkage.sql import execute, rows
from linkage.values import load_references, trimmed
from linkage.workspace import use_entity
from rules.columns import quote
from rules.errors import NotFoundError, RefusedError
from rules.kinds import KINDS
from rules.kinds.base import literal
from rules.model import EntityRules


def evaluate(
    con: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    rules_folder: Path,
    release: Release,
    truth_file: Path,
    precision: float | None = None,
    outside: bool = False,
) -> Document:
    """Pairwise, B-cubed and by-error figures of `release`, and the share of golden records whose values are true.

    Where the work database has the records, also by source pair and region; where they are linked, by blocking rule and
    threshold, with the least threshold of the wanted `precision`. With `outside` the pairs are judged by recordlinkage,
    too.

    Raises:
        NotFoundError: the release lacks the entity type.
        RefusedError: the outside judge is not installed, or cannot judge these pairs.
        InputError: the truth file cannot be used.
    """
    folder = release.folder / rules.name
    if not folder.is_dir():
        raise NotFoundError(f"release {release.manifest.release} has no entity type {rules.name!r}")
    use_entity(con, rules.name)
    truth = read_truth(con, truth_file)
    con.execute(
        "create or replace temp table placed as select source, source_key, golden_id as grp "
        f"from {table_sql(folder, 'crosswalk')} where until is null"
    )
    found = compare(con, truth)
    for name, interval in intervals(con).items():
        found[name]["intervals"] = {key: one.as_dict() for key, one in interval.items()}
    if has_table(con, rules.name, "standard"):
        found |= broken_down(con, rules.entity)
    if has_table(con, rules.name, "candidate_pair"):
        found |= {"by_rule": by_rule(con, rules.entity), "thresholds": curve(con, precision)}
    if outside:
        if not has_table(con, rules.name, "standard"):
            raise RefusedError(f"{rules.name} has no records in the work database; run 'shuyuan link' first")
        found["outside"] = outside_judge.judge(con, rules)
    published = [name for name in golden_fields(rules.entity) if name in truth.fields]
    if published and has_table(con, rules.name, "standard"):
        load_references(con, rules.entity, rules_folder)
        found["values"] = _values(con, rules, folder, published, truth, release)
    return found


def labelled(con: duckdb.DuckDBPyConnection, entity: str, release: Release, labels: Path) -> Document:
    """How a release agrees with labels of pairs from outside.

    Raises:
        NotFoundError: the release lacks the entity type.
        InputError: the file cannot be used.
    """
    folder = release.folder / entity
    if not folder.is_dir():
        raise NotFoundError(f"release {release.manifest.release} has no entity type {entity!r}")
    con.execute(
        "create or replace temp table placed as select source, source_key, golden_id as grp "
        f"from {table_sql(folder, 'crosswalk')} where until is null"
    )
    return judge(con, labels)


def _values(
    con: duckdb.DuckDBPyConnection,
    rules: EntityRules,
    folder: Path,
    fields: list[str],
    truth: Truth,
    release: Release,
) -> Document:
    """Golden records with only true values, in all, by field and by kind of error of their members."""
    provenance = table_sql(folder, "provenance")
    error = "coalesce(t.error, '')" if truth.errors else "''"
    con.execute(
        "create or replace temp table owner as select grp, mode(truth order by truth) as truth, "
        f"list_distinct(flatten(list(string_split({error}, ';')))) as errors "
        "from truth as t join placed using (source, source_key) group by grp"
    )
    con.execute("create or replace temp table verdict_of_value (grp varchar, field varchar, right_value boolean)")
    for field in fields:
        said = quote(TRUE + field)
        con.execute(
            "create or replace temp table raw as select distinct "
            f"{trimmed(said)} as raw from truth where {trimmed(said)} is not null"
        )
        rule = rules.entity.fields[field]
        parse = KINDS[rule.kind].parse("raw", rule.options)
        execute(
            con,
            f"create or replace temp table true_key as select raw, coalesce(key, value) as key from ({parse})",
            as_of=release.manifest.as_of,
        )
        key = f"coalesce(s.{quote(field + '__key')}, s.{quote(field)})"
        con.execute(
            f"""
            insert into verdict_of_value
            with answer as (
              select o.grp, any_value(k.key order by k.key) as key
              from owner as o
              join truth as t on t.truth = o.truth
              join true_key as k on k.raw = {trimmed("t." + said)}
              group by o.grp
            ), given as (
              select p.grp, bool_or({key} = a.key) as somebody
              from answer as a join placed as p using (grp)
              join standard as s on s.source = p.source and s.source_key = p.source_key
              group by p.grp
            ), chosen as (
              select v.golden_id as grp, {key} as key
              from {provenance} as v
              join standard as s on s.source = v.source and s.source_key = v.source_key
              where v.field = {literal(field)} and v.valid_to is null
            )
            select a.grp, {literal(field)}, coalesce(c.key = a.key, false)
            from answer as a join given as g using (grp) left join chosen as c using (grp)
            where g.somebody
            """
        )
    return _told(con)


def _told(con: duckdb.DuckDBPyConnection) -> Document:
    con.execute(
        "create or replace temp table true_golden as "
        "select o.grp, o.errors, coalesce(bool_and(right_value), true) as ok "
        "from owner as o left join verdict_of_value using (grp) group by o.grp, o.errors"
    )
    whole = rows(con, "select count(*), count(*) filter (ok) from true_golden")[0]
    by_field = rows(
        con, "select field, count(*), count(*) filter (right_value) from verdict_of_value group by 1 order by 1"
    )
    by_error = rows(
        con,
        "select kind, count(*), count(*) filter (ok) from (select unnest(errors) as kind, ok from true_golden) "
        "where kind <> '' group by 1 order by 1",
    )
    return {
        **_share(whole[0], whole[1]),
        "by_field": {str(name): _share(n, right) for name, n, right in by_field},
        "by_error": {str(name): _share(n, right) for name, n, right in by_error},
    }


def _share(count: object, right: object) -> Document:
    n, ok = int(str(count)), int(str(right))
    return {"golden": n, "right": ok, "share": ok / n if n else 1.0}
