"""Publishes a plan: audited, written aside, switched to by one atomic rename; earlier releases never change.

    releases/<n>/manifest.json                 what it was made of, the hash of every file
    releases/<n>/<entity>/<table>.parquet      bulk reading, sorted
    releases/<n>/lookup.sqlite                 look-ups by key and identifier
    releases/current -> <n>

A run that dies leaves `.making-<n>`, which nobody reads and the next publication clears away.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path

import duckdb

from golden_records.ids import create_macros
from golden_records.lookup import add_identifiers, add_keys, copy_identifiers, create_lookup
from golden_records.manifest import (
    EntityState,
    Landed,
    Manifest,
    Written,
    current_release,
    file_sha256,
    read_manifest,
    software_version,
)
from golden_records.plan import Plan, inputs_hash, next_release
from linkage import sql as linkage_sql
from linkage.audit_trail import AuditTrail
from linkage.decisions import DecisionStore
from linkage.frequencies import path_of
from linkage.link import linked
from linkage.progress import SILENT, Reporter
from linkage.workspace import Workspace, use_entity, write_atomically
from rules.columns import quote
from rules.errors import NotFoundError, RefusedError
from rules.kinds import KINDS
from rules.loader import reference_path
from rules.model import EntityRules, Rules

Fill = Callable[[Path, sqlite3.Connection], Manifest]
TABLES = {
    "golden": "select * from golden order by golden_id",
    "provenance": "select * exclude (g) from provenance order by golden_id, field, valid_from, source, source_key",
    "crosswalk": "select * from crosswalk order by golden_id, source, source_key, since_release",
    "redirect": "select * from redirect order by golden_id",
    "relation": "select * from relation order by from_id, type, to_id, since",
    "state": "select * from state order by golden_id, since nulls first",
    "change": "select * from change order by seq",
}


def publish(
    con: duckdb.DuckDBPyConnection,
    ws: Workspace,
    rules: Rules,
    decisions: DecisionStore,
    plan: Plan,
    reporter: Reporter = SILENT,
    forced: str | None = None,
) -> int:
    """Publish `plan`; gives the number of the release. `forced` is the reason to exceed its limits.

    Raises:
        RefusedError: the plan is out of date or too surprising, an audit found rows, or the disk is full.
            In every case the current release is as it was.
    """
    if plan.previous != current_release(ws.releases) or plan.inputs != inputs_hash(
        con, ws, rules, decisions, plan.as_of
    ):
        raise RefusedError(
            "the plan is out of date: files, rules, decisions or the current release changed since; "
            "run 'shuyuan link' and 'shuyuan plan' again"
        )
    if plan.exceeded and not forced:
        raise RefusedError(
            "; ".join(plan.exceeded) + "; look at 'shuyuan plan', then publish with --force REASON if it is right"
        )
    entities = [(one.name, one) for one in linked(con, rules, decisions)[0]]
    create_macros(con)
    with reporter.step("audits"):
        audit(con, rules, decisions)

    def fill(folder: Path, lookup: sqlite3.Connection) -> Manifest:
        con.execute("set preserve_insertion_order = true")
        for name, one in entities:
            use_entity(con, name)
            with reporter.step(f"{name}: release tables", con=con):
                _copy_tables(con, folder / name)
            with reporter.step(f"{name}: look-up index"):
                add_keys(lookup, con, name)
                add_identifiers(lookup, con, one.entity)
        return manifest

    manifest = Manifest(
        release=plan.release,
        previous=plan.previous,
        published_at=datetime.now(UTC).isoformat(timespec="seconds"),
        as_of=plan.as_of,
        node=ws.node,
        software=software_version(),
        rules=rules.sha256,
        inputs=plan.inputs,
        last_decision=decisions.last_id(),
        forced=forced if plan.exceeded else None,
        first_seq=plan.first_seq,
        next_seq=plan.next_seq,
        entities={name: _state(one, plan, ws) for name, one in entities},
        landed=tuple(file for name, _ in entities for file in _landed(con, name)),
    )
    write_release(ws, plan.release, [name for name, _ in entities], fill)
    AuditTrail(ws.decisions).append("publish", {"release": plan.release, "forced": forced})
    return plan.release


def write_release(ws: Workspace, release: int, entities: Sequence[str], fill: Fill) -> None:
    """Write a release beside the others, make it last on disk, and switch `current` to it.

    `fill` writes the tables into the folder and the look-up index it is handed and gives the manifest.
    """
    for leftover in ws.releases.glob(".making-*"):
        shutil.rmtree(leftover)
    making = ws.releases / f".making-{release}"
    making.mkdir(mode=0o700)
    try:
        for name in entities:
            (making / name).mkdir(mode=0o700)
        lookup = create_lookup(making / "lookup.sqlite")
        try:
            manifest = fill(making, lookup)
        finally:
            lookup.close()
        written = tuple(_written(making, path) for path in sorted(making.rglob("*")) if path.is_file())
        write_atomically(making / "manifest.json", manifest.model_copy(update={"files": written}).text())
        for path in [*making.rglob("*"), making]:
            _sync(path)
        making.rename(ws.releases / str(release))
    except (OSError, sqlite3.OperationalError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        shutil.rmtree(making, ignore_errors=True)
        raise RefusedError(
            f"the release could not be written ({error}); nothing was published, the current release is as it was. "
            f"Free disk space in {ws.releases} and publish again"
        ) from error
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    switch(ws, release)


def switch(ws: Workspace, release: int) -> None:
    """Point `current` at a release by one rename."""
    scratch = ws.releases / ".current"
    scratch.unlink(missing_ok=True)
    scratch.symlink_to(str(release))
    scratch.replace(ws.releases / "current")
    _sync(ws.releases)


def audit(con: duckdb.DuckDBPyConnection, rules: Rules, decisions: DecisionStore) -> None:
    """Run every audit over every entity type; RefusedError names those that found rows, with a sample."""
    texts = {p.name: p.read_text("utf-8") for p in files("golden_records.audits").iterdir() if p.name.endswith(".sql")}
    texts["accounting.sql"] = linkage_sql.statements("audit_accounting")[0]
    faults = []
    for one in linked(con, rules, decisions)[0]:
        name = one.name
        use_entity(con, name)
        same = [s for d in decisions.replay(name) if d.kind == "same" for s in (d.left, d.right)]
        con.execute("create or replace temp table same_decision (ordinal bigint)")
        for source, key in same:
            con.execute(
                "insert into same_decision select ordinal from standard where source = ? and source_key = ?",
                [source, key],
            )
        for file, text in sorted(texts.items()):
            rows = con.execute(text.rstrip().rstrip(";")).fetchall()
            if rows:
                faults.append(f"{name}: {file} found {len(rows):,} rows, the first is {rows[0]}")
    if faults:
        raise RefusedError("audits refuse the release: " + "; ".join(faults))


def rollback(ws: Workspace, release: int, as_of: date) -> int:
    """Publish the content of an earlier release as a new one; ids minted since stay resolvable.

    An id that the earlier release does not know answers with the ids that hold its records there.

    Raises:
        NotFoundError: there is no such release.
    """
    now = current_release(ws.releases)
    if now is None or not (ws.releases / str(release) / "manifest.json").is_file():
        raise NotFoundError(f"there is no release {release}; 'shuyuan status' lists them")
    present, earlier = read_manifest(ws.releases / str(now)), read_manifest(ws.releases / str(release))
    number = next_release(ws)

    def fill(folder: Path, lookup: sqlite3.Connection) -> Manifest:
        seq = present.next_seq
        states = {}
        for name, state in earlier.entities.items():
            con = duckdb.connect()
            then = ws.releases / str(release) / name
            for table in ("golden", "provenance", "relation", "state"):
                shutil.copyfile(then / f"{table}.parquet", folder / name / f"{table}.parquet")
            _view(con, "golden", then / "golden.parquet")
            for table in ("golden", "crosswalk", "redirect"):
                _view(con, f"then_{table}", then / f"{table}.parquet")
                _view(con, f"now_{table}", ws.releases / str(now) / name / f"{table}.parquet")
            linkage_sql.execute(con, _ROLLBACK_CROSSWALK, as_of=as_of)
            linkage_sql.execute(con, _ROLLBACK_REDIRECT)
            linkage_sql.execute(con, _ROLLBACK_CHANGE, release=number, seq=seq, as_of=as_of)
            for table in ("crosswalk", "redirect", "change"):
                _copy(con, TABLES[table], folder / name / f"{table}.parquet")
            add_keys(lookup, con, name)
            told = con.execute("select kind, count(distinct golden_id) from change group by kind").fetchall()
            seq += linkage_sql.number(con, "select count(*) from change")
            states[name] = state.model_copy(
                update={"serial": present.entities[name].serial, "events": {str(k): int(n) for k, n in told}}
            )
            con.close()
        copy_identifiers(lookup, ws.releases / str(release) / "lookup.sqlite")
        return earlier.model_copy(
            update={
                "release": number,
                "previous": now,
                "rollback_of": release,
                "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "as_of": as_of,
                "first_seq": present.next_seq,
                "next_seq": seq,
                "entities": states,
            }
        )

    write_release(ws, number, list(earlier.entities), fill)
    AuditTrail(ws.decisions).append("rollback", {"release": number, "to": release})
    return number


def _copy_tables(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    for table, select in TABLES.items():
        _copy(con, select, folder / f"{table}.parquet")


def _copy(con: duckdb.DuckDBPyConnection, select: str, path: Path) -> None:
    target = str(path).replace("'", "''")
    con.execute(f"copy ({select}) to '{target}' (format parquet, compression zstd, row_group_size 30720)")


def _view(con: duckdb.DuckDBPyConnection, name: str, path: Path) -> None:
    source = str(path).replace("'", "''")
    con.execute(f"create view {quote(name)} as select * from read_parquet('{source}')")


def _state(rules: EntityRules, plan: Plan, ws: Workspace) -> EntityState:
    one = plan.entities[rules.name]
    names = sorted({n for rule in rules.entity.fields.values() for n in KINDS[rule.kind].references})
    return EntityState(
        prefix=rules.entity.prefix,
        serial=one.serial,
        golden=one.golden,
        records=one.records,
        events=one.events,
        weights=file_sha256(rules.folder / "weights.json"),
        frequencies=file_sha256(path_of(rules)),
        references={n: file_sha256(reference_path(ws.rules_folder, n)) or "" for n in names},
    )


def _landed(con: duckdb.DuckDBPyConnection, entity: str) -> list[Landed]:
    use_entity(con, entity)
    rows = con.execute("select source, sha256, rows, observed_on from batch order by source, sha256").fetchall()
    return [Landed(entity=entity, source=r[0], sha256=r[1], rows=r[2], observed_on=r[3]) for r in rows]


def _written(folder: Path, path: Path) -> Written:
    rows = 0
    if path.suffix == ".parquet":
        con = duckdb.connect()
        rows = con.execute("select count(*) from read_parquet(?)", [str(path)]).fetchall()[0][0]
        con.close()
    digest = file_sha256(path) or ""
    return Written(path=path.relative_to(folder).as_posix(), rows=rows, bytes=path.stat().st_size, sha256=digest)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_ROLLBACK_CROSSWALK = """
create table crosswalk as
select * from then_crosswalk
union all
select n.source, n.source_key, n.golden_id, n.since, coalesce(n.until, $as_of::date), n.since_release
from now_crosswalk as n
where not exists (select 1 from then_crosswalk as t where t.source = n.source and t.source_key = n.source_key
                  and t.golden_id = n.golden_id and t.since_release = n.since_release)"""

_ROLLBACK_REDIRECT = """
create table redirect as
with gone as (
  select golden_id, min(since_release) as since_release from now_crosswalk
  where golden_id not in (select golden_id from then_golden)
    and golden_id not in (select golden_id from then_redirect) group by golden_id
), heirs as (
  select g.golden_id, any_value(g.since_release) as since_release,
         list_sort(list(distinct t.golden_id) filter (where t.golden_id is not null)) as successors
  from gone as g
  left join now_crosswalk as n on n.golden_id = g.golden_id
  left join then_crosswalk as t on t.source = n.source and t.source_key = n.source_key and t.until is null
  group by g.golden_id
)
select * from then_redirect
union all
select golden_id, case when successors is null then 'retired' when len(successors) = 1 then 'merged' else 'split' end,
       coalesce(successors, []), since_release from heirs"""

_ROLLBACK_CHANGE = """
create table change as
with event as (
  select r.golden_id, r.kind, unnest(case when len(r.successors) = 0 then [null] else r.successors end) as into_id
  from redirect as r join now_golden using (golden_id) where r.golden_id not in (select golden_id from then_golden)
  union all
  select golden_id, 'revived', null from then_golden where golden_id not in (select golden_id from now_golden)
  union all
  select golden_id, 'changed', null from (
    (select * exclude (last_seen, records) from then_golden) except
    (select * exclude (last_seen, records) from now_golden)
  ) where golden_id in (select golden_id from now_golden)
)
select $seq + row_number() over (order by golden_id, kind, into_id) - 1 as seq, golden_id, kind, into_id,
       $release::integer as release, $as_of::date as at
from event"""
