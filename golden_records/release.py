"""Publishes a plan: audited, written aside, switched to by one atomic rename; earlier releases never change.

    releases/<n>/manifest.json                 what it was made of, the hash of every file
    releases/<n>/<entity>/<table>.parquet      bulk reading, sorted; segments.py says how what changed stands beside it
    releases/<n>/lookup.sqlite                 look-ups by key and identifier
    releases/<n>/<entity>/<table>-00003-of-00012.parquet, lookup-….sqlite   one file per partition: see partitions.py
    releases/<n>/<entity>/match/, rules/, reference/   who a new record may be, by which rules: see match_index.py
    releases/current -> <n>

A run that dies leaves `.making-<n>`, or <n> and `.current` -> <n>: nobody reads it and the next publication clears
it away.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow.parquet as pq

from golden_records import by_id, match_index
from golden_records.affected import within
from golden_records.changes import tell_changes
from golden_records.far_audits import ALONE, FEW, audit_far
from golden_records.far_release import index_partitions, write_index_far, write_tables_far
from golden_records.ids import create_macros
from golden_records.lookup import add_keys, copy_rows, indexing, indexing_beside, renew
from golden_records.manifest import (
    MANIFEST,
    PENDING,
    EntityState,
    Landed,
    Manifest,
    Written,
    current_release,
    file_sha256,
    lineage,
    pending_release,
    read_manifest,
    releases_of,
    software_version,
)
from golden_records.partitions import file_name, index_files
from golden_records.plan import Plan, inputs_hash, next_release, open_previous
from golden_records.release_tables import TABLES, select_sql, write_table, write_tables
from golden_records.segments import KEYS, REPLACED, has_table, link_file, segments, table_of, table_sql
from golden_records.tickets import TicketStore
from linkage import sql as linkage_sql
from linkage.audit_trail import AuditTrail
from linkage.decisions import DecisionStore
from linkage.link import linked
from linkage.progress import SILENT, Reporter
from linkage.rule_set import parts_of, tables_of, version_of
from linkage.spark.shelf import Shelf
from linkage.workspace import Workspace, use_entity, write_atomically
from rules.columns import quote
from rules.errors import NotFoundError, RefusedError
from rules.model import EntityRules, Rules

if TYPE_CHECKING:
    from linkage.spark.engine import Spark

Fill = Callable[[Path], Manifest]
# When a table is written whole again: a reader of all of it reads a tenth too much at most, and a look-up opens no more
# than this many files of a table.
SHARE = 0.1
AUDITS, RELEASE, INDEX = "audits", "release", "index"  # what Spark is handed
MOST_SEGMENTS = 40
# living: the records that count, asked of what was loaded and not of what linking made of it; once for all audits.
LIVING = "create or replace temp table living as select record_id, source, source_key from current_record"


def publish(
    con: duckdb.DuckDBPyConnection,
    ws: Workspace,
    rules: Rules,
    decisions: DecisionStore,
    plan: Plan,
    reporter: Reporter = SILENT,
    forced: str | None = None,
    full: bool = False,
    spark: Spark | None = None,
) -> int:
    """Publish `plan`; gives the number of the release. `forced` is the reason to exceed its limits.

    Of a plan of what changed, what did not change is taken over from the release before, unless `full` asks for whole
    tables. Where there is `spark`, whole tables and a whole look-up index that are large are written there, in
    partitions.

    Raises:
        RefusedError: the plan is out of date or too surprising, an audit found rows, or the disk is full.
            In every case the current release is as it was.
    """
    taken = decisions.taken()  # read first: what is decided from here on makes the plan out of date, or is not in it
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
    inputs = f"{plan.inputs} {plan.release}"
    if spark is not None:
        spark.clear()  # what is audited and written is what stands now, not what a run that died was handed
    with reporter.step("audits"):
        shelf_of = partial(spark.shelf, con, name=AUDITS, inputs=inputs) if spark is not None else None
        audit(con, rules, decisions, full or plan.whole, shelf_of)

    previous = None if plan.previous is None else ws.releases / str(plan.previous)
    before = None if full or plan.whole else previous
    names = [name for name, _ in entities]

    def fill(folder: Path) -> Manifest:
        con.execute("set preserve_insertion_order = true")
        linked_files: set[str] = set()
        written: list[Written] = []

        def fill_tables() -> None:
            for name in names:
                use_entity(con, name)
                with reporter.step(f"{name}: release tables", con=con):
                    if before is not None and not _outgrown(con, before / name):
                        linked_files.update(_add_segment(con, before / name, folder / name, plan.release))
                    elif spark is not None:
                        written.extend(write_tables_far(con, spark.shelf(con, name, RELEASE, inputs), folder, name))
                    else:
                        write_tables(con, folder / name)
                    con.execute(f"drop schema if exists {_part_of(name)} cascade")
                earlier = previous / name if previous is not None else None
                linked_files.update(match_index.carry(ws.packed / name, folder / name, earlier))

        told = {name: _told_before(previous, name) for name in names}
        if spark is not None and (count := index_partitions(con, names)) > 1:
            fill_tables()
            with reporter.step("look-up index", con=con):
                shelf = spark.shelf(con, names[-1], INDEX, inputs)
                written += write_index_far(con, shelf, folder, count, told)
        elif before is not None and len(index_files(before)) == 1:
            fill_tables()
            _renew_index(con, folder, before, told, reporter)
        else:
            with indexing_beside(con, folder, told) as indexed:
                fill_tables()
                with reporter.step("look-up index"):
                    indexed()
        linked_files.update(match_index.keep_rules(rules, folder, previous))
        known = read_manifest(previous).files if previous is not None else ()
        kept = [one for one in known if one.path in linked_files]
        return manifest.model_copy(update={"files": (*kept, *written)})

    tables = tables_of(rules)
    manifest = Manifest(
        release=plan.release,
        previous=plan.previous,
        published_at=datetime.now(UTC).isoformat(timespec="seconds"),
        as_of=plan.as_of,
        node=ws.node,
        software=software_version(),
        rules=rules.sha256,
        rule_set=version_of(rules, tables),
        inputs=plan.inputs,
        last_decision=taken.last + taken.withdrawn + taken.confirmed,
        decided=taken,
        forced=forced if plan.exceeded else None,
        first_seq=plan.first_seq,
        next_seq=plan.next_seq,
        entities={name: _state(one, plan, tables) for name, one in entities},
        landed=tuple(file for name, _ in entities for file in _landed(con, name)),
    )
    write_release(ws, plan.release, names, fill)
    if spark is not None:
        spark.clear()
    _refresh_tickets(ws, rules, decisions, reporter)
    return plan.release


def _renew_index(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    before: Path,
    told: Mapping[str, Sequence[Path]],
    reporter: Reporter,
) -> None:
    """Write the look-up index in one file after that of the release `before`."""
    with indexing(folder, before) as lookup:
        for name, earlier in told.items():
            use_entity(con, name)
            with reporter.step(f"{name}: look-up index"):
                renew(lookup, con, name)
                if by_id.is_whole(lookup):
                    by_id.renew(lookup, con, name, folder / name)
                else:
                    by_id.add_whole(lookup, name, folder / name, [*earlier, folder / name])


def _refresh_tickets(ws: Workspace, rules: Rules, decisions: DecisionStore, reporter: Reporter) -> None:
    """Take in the differences of what was published; where that fails the release stands, and the next time does it."""
    try:
        with reporter.step("tickets"):
            TicketStore(decisions).refresh(ws, rules)
    except (OSError, sqlite3.Error, duckdb.Error) as error:
        reporter.note(f"the release is published, its tickets are not ({error}); 'shuyuan tickets list' catches up")


def write_release(ws: Workspace, release: int, entities: Sequence[str], fill: Fill) -> None:
    """Write a release beside the others, make it last on disk, and switch `current` to it.

    `fill` writes the tables and the look-up index into the folder it is handed and gives the manifest, with those files
    in it of which the hash is known.
    """
    clear_unpublished(ws)
    making = ws.releases / f".making-{release}"
    try:
        making.mkdir(mode=0o700)
        for name in entities:
            (making / name).mkdir(mode=0o700)
        manifest = fill(making)
        known = {one.path: one for one in manifest.files}
        found = [path for path in sorted(making.rglob("*")) if path.is_file()]
        written = tuple(known.get(path.relative_to(making).as_posix()) or _written(making, path) for path in found)
        write_atomically(making / MANIFEST, manifest.model_copy(update={"files": written}).text())
        for path in [*making.rglob("*"), making]:
            _sync(path)
        switch(ws, making, manifest)
    except (OSError, sqlite3.OperationalError, duckdb.IOException) as error:
        clear_unpublished(ws)
        raise RefusedError(
            f"the release could not be written ({error}); nothing was published, the current release is as it was. "
            f"Free disk space in {ws.releases} and publish again"
        ) from error
    except BaseException:
        clear_unpublished(ws)
        raise


def switch(ws: Workspace, making: Path, manifest: Manifest) -> None:
    """Give a finished release its name and its entry in the audit trail, then point `current` at it by one rename.

    Until that rename `.current` says which release is not published yet.
    """
    scratch = ws.releases / PENDING
    scratch.symlink_to(str(manifest.release))
    making.rename(ws.releases / str(manifest.release))
    AuditTrail(ws.decisions).append(*_told(manifest, file_sha256(ws.releases / str(manifest.release) / MANIFEST)))
    scratch.replace(ws.releases / "current")
    _sync(ws.releases)


def clear_unpublished(ws: Workspace) -> None:
    """Remove what a run left that did not come as far as to switch `current`."""
    for leftover in ws.releases.glob(".making-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    number = pending_release(ws.releases)
    if number is not None:
        shutil.rmtree(ws.releases / str(number), ignore_errors=True)
        (ws.releases / PENDING).unlink()


def _told(manifest: Manifest, sha256: str | None) -> tuple[str, dict[str, object]]:
    """What the audit trail keeps of a release: the action and its detail, with the hash that seals the manifest."""
    if manifest.rollback_of is not None:
        return "rollback", {"release": manifest.release, "to": manifest.rollback_of, "manifest": sha256}
    return "publish", {"release": manifest.release, "forced": manifest.forced, "manifest": sha256}


def audit(
    con: duckdb.DuckDBPyConnection,
    rules: Rules,
    decisions: DecisionStore,
    whole: bool = True,
    shelf_of: Callable[[str], Shelf] | None = None,
) -> None:
    """Run every audit over every entity type; RefusedError names those that found rows, with a sample.

    Where not the `whole` is asked for, audits that look at one golden record at a time look at the replaced ones alone:
    the others were audited for an earlier release.
    Where it is and there is `shelf_of`, which gives the folder of Spark for an entity type, many golden records are
    audited there.
    """
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
        con.execute(LIVING)
        if not whole:
            _narrow(con, name)
        far: Mapping[str, Sequence[object]] = {}
        if whole and shelf_of is not None and linkage_sql.number(con, "select count(*) from golden") > FEW:
            far = audit_far(con, shelf_of(name), {file: texts[file] for file in ALONE})
        for file, text in sorted(texts.items()):
            rows = far.get(file, ())
            if file not in far:
                with within(con, name, _part_of(name)) if file in ALONE and not whole else nullcontext():
                    rows = con.execute(text.rstrip().rstrip(";")).fetchall()
            if rows:
                faults.append(f"{name}: {file} found {len(rows):,} rows, the first is {rows[0]}")
    if faults:
        raise RefusedError("audits refuse the release: " + "; ".join(faults))


def _narrow(con: duckdb.DuckDBPyConnection, entity: str) -> None:
    """Take what the release replaces of the tables of an entity type aside, to be read more than once."""
    part = _part_of(entity)
    con.execute(f"drop schema if exists {part} cascade")
    con.execute(f"create schema {part}")
    for table, key in KEYS.items():
        replaced = f"{key} in (select golden_id from replaced)"
        if table == "provenance":  # the largest: a number is found in half the time of a text
            replaced = f"g in (select g from golden_number where {replaced})"
        con.execute(f"create table {part}.{table} as from {table} where {replaced}")


def _part_of(entity: str) -> str:
    """The schema of what is replaced in an entity type, quoted."""
    return quote(f"replaced {entity}")


def rollback(ws: Workspace, release: int, as_of: date) -> int:
    """Publish the content of an earlier release as a new one; ids minted since stay resolvable.

    An id that the earlier release does not know answers with the ids that hold its records there; every record
    of an entity type that it does not know is withdrawn.

    Raises:
        NotFoundError: there is no such release.
    """
    now = current_release(ws.releases)
    if now is None or release not in releases_of(ws.releases):
        raise NotFoundError(f"there is no release {release}; 'shuyuan status' lists them")
    present, earlier = read_manifest(ws.releases / str(now)), read_manifest(ws.releases / str(release))
    number = next_release(ws)
    entities = {**present.entities, **earlier.entities}

    def fill(folder: Path) -> Manifest:
        seq = present.next_seq
        states = {}
        with indexing(folder) as lookup:
            for name, state in entities.items():
                then = ws.releases / str(release) / name if name in earlier.entities else None
                before = ws.releases / str(now) / name if name in present.entities else None
                with duckdb.connect() as con:
                    _bring_back(con, then, before, folder / name, as_of)
                    events = tell_changes(con, number, seq, as_of)
                    write_tables(con, folder / name, ("crosswalk", "redirect", "change"))
                    add_keys(lookup, con, name)
                    match_index.carry(ws.releases / str(release) / name / match_index.MATCH, folder / name, None)
                    told = [*_told_before(ws.releases / str(now), name), folder / name]
                    by_id.add_whole(lookup, name, folder / name, told)
                    seq += linkage_sql.number(con, "select count(*) from change")
                    states[name] = state.model_copy(
                        update={
                            "serial": present.entities.get(name, state).serial,
                            "golden": linkage_sql.number(con, "select count(*) from golden"),
                            "records": linkage_sql.number(con, "select count(*) from crosswalk where until is null"),
                            "events": events,
                        }
                    )
            copy_rows(lookup, ws.releases / str(release), ["identifier"])
        match_index.keep_rules_of(ws.releases / str(release), folder)
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
                "files": (),
            }
        )

    write_release(ws, number, list(entities), fill)
    return number


def _told_before(release: Path | None, entity: str) -> list[Path]:
    """The folders of an entity type in a release and in all before it that are still there, oldest first."""
    return [] if release is None else [one / entity for one in lineage(release)]


def _bring_back(
    con: duckdb.DuckDBPyConnection, then: Path | None, before: Path | None, folder: Path, as_of: date
) -> None:
    """Write the earlier values of an entity type to `folder`, and make what `tell_changes` reads.

    `then` and `before` are its folders in the earlier and in the current release, None where that one lacks it.
    """
    open_previous(con, before)
    for table in ("golden", "provenance", "dispute", "relation", "state", "quality", "census", "level", "crosswalk"):
        nothing = "" if then else " where false"
        source = then or before or folder
        if table in ("dispute", "quality", "census", "level") and not has_table(source, table):
            continue
        con.execute(f"create view then_{table} as select * from {table_sql(source, table)}{nothing}")
        if table != "crosswalk":
            write_table(con, f"select * from then_{table}", folder / file_name(table, 0, 1))
    for table in ("golden", "relation"):
        con.execute(f"create view {table} as select * from then_{table}")
    linkage_sql.execute(con, _ROLLBACK_CROSSWALK, as_of=as_of)


def _outgrown(con: duckdb.DuckDBPyConnection, before: Path) -> bool:
    """Whether so much was replaced since the tables of the release before were whole that they should be again."""
    paths = [str(path) for _, path in segments(before, REPLACED)]
    count = "select count(*) from replaced"
    replaced = linkage_sql.number(con, count)
    if paths:
        replaced += int(con.execute("select count(*) from read_parquet(?)", [paths]).fetchall()[0][0])
    return len(paths) >= MOST_SEGMENTS or replaced > SHARE * linkage_sql.number(con, "select count(*) from golden")


def _add_segment(con: duckdb.DuckDBPyConnection, before: Path, folder: Path, release: int) -> set[str]:
    """Link the files of the release before and write what was replaced; gives the paths of what was linked."""
    kept = [path for path in sorted(before.glob("*.parquet")) if table_of(path) in (*KEYS, REPLACED)]
    for path in kept:
        link_file(path, folder / path.name)
    if linkage_sql.number(con, "select count(*) from replaced"):
        write_table(con, "select golden_id from replaced order by golden_id", folder / f"{REPLACED}.{release}.parquet")
        with within(con, folder.name, _part_of(folder.name)):
            for table in KEYS:
                write_table(con, select_sql(table), folder / f"{table}.{release}.parquet")
    write_tables(con, folder, tuple(table for table in TABLES if table not in KEYS))
    return {f"{folder.name}/{path.name}" for path in kept}


def _state(rules: EntityRules, plan: Plan, tables: Mapping[str, Path]) -> EntityState:
    one = plan.entities[rules.name]
    return EntityState(
        prefix=rules.entity.prefix,
        serial=one.serial,
        golden=one.golden,
        records=one.records,
        events=one.events,
        **vars(parts_of(rules, tables)),
    )


def _landed(con: duckdb.DuckDBPyConnection, entity: str) -> list[Landed]:
    use_entity(con, entity)
    rows = con.execute("select source, sha256, rows, observed_on from batch order by source, sha256").fetchall()
    return [Landed(entity=entity, source=r[0], sha256=r[1], rows=r[2], observed_on=r[3]) for r in rows]


def _written(folder: Path, path: Path) -> Written:
    rows = 0
    if path.suffix == ".parquet":
        rows = pq.read_metadata(path).num_rows
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
union all by name
select n.source, n.source_key, n.golden_id, n.since, coalesce(n.until, $as_of::date) as until, n.since_release
from previous_crosswalk as n
where not exists (select 1 from then_crosswalk as t where t.source = n.source and t.source_key = n.source_key
                  and t.golden_id = n.golden_id and t.since_release = n.since_release)"""
