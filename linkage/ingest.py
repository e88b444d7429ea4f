"""Lands files and turns their rows into versions of source records; nothing that was read is lost.

Reads: a delivered file. Writes: landed/<sha256>/, batch, record, observation, reject, finding.

    rows read = new versions + unchanged + withdrawals + rejected        (sql/audit_accounting.sql)

A file is read before it is landed, so a refused one leaves nothing behind. It is landed before its rows are
committed, in one transaction: after a crash either nothing or everything of it counts, and what is landed
without rows is taken in by the next command (`reload_landed`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import duckdb

from linkage import reading, sql
from linkage.workspace import Workspace, use_entity, write_atomically
from rules.columns import quote
from rules.errors import InputError, NotFoundError
from rules.model import EntityRules, Rules, Source

ROW = 400  # bytes of a row in the work database: 330 to 380, measured of committees and persons

_DATE_IN_NAME = re.compile(r"(?<!\d)(20\d{2})-?([01]\d)-?([0-3]\d)(?!\d)")
# What reads a file of a source of an entity type and makes table `staged_row` of its rows.
Stage = Callable[[duckdb.DuckDBPyConnection, EntityRules, str, Path], reading.Incoming]


@dataclass(frozen=True)
class LoadReport:
    """What became of one file. `withdrawn` counts keys that a snapshot no longer lists."""

    entity: str
    source: str
    file: str
    sha256: str
    batch_id: int
    read: int
    new: int
    unchanged: int
    deleted: int
    rejected: int
    withdrawn: int
    already: bool = False


def match_source(rules: Rules, path: Path) -> tuple[str, str]:
    """The (entity, source) whose `files` patterns fit the name of `path`.

    Raises:
        InputError: none does, or several do.
    """
    fits = [
        (entity, name)
        for entity, one in rules.entities.items()
        for name, source in one.sources.sources.items()
        if any(fnmatch(path.name, pattern) for pattern in source.files)
    ]
    if len(fits) == 1:
        return fits[0]
    known = ", ".join(delivering(rules.entities.values()))
    said = "belongs to no registered source" if not fits else f"fits several sources ({', '.join(s for _, s in fits)})"
    raise InputError(f"{path.name}: {said}; name one with --source ({known}), or register it in sources.toml")


def delivering(entities: Iterable[EntityRules]) -> list[str]:
    """The names of the sources that deliver files, in order."""
    return sorted(name for one in entities for name, source in one.sources.sources.items() if source.grouped is None)


def load_file(
    con: duckdb.DuckDBPyConnection,
    ws: Workspace,
    entity: EntityRules,
    source: str,
    path: Path,
    observed_on: date | None = None,
    stage: Stage | None = None,
) -> LoadReport:
    """Land `path` as a delivery of `source` and take in its rows; the same file again adds nothing.

    `stage` is what reads the file; by default this process.

    The same content of another day is another delivery: a snapshot may say again what an earlier one said. Content
    that names no day and was loaded before is not delivered anew.

    Raises:
        InputError: the source is not registered, or the file does not hold what the source declares.
    """
    declared = entity.sources.sources.get(source)
    if declared is None or declared.grouped is not None:
        known = ", ".join(delivering([entity]))
        raise InputError(f"{source!r} is no source of {entity.name} that delivers files ({known}); see sources.toml")
    prepare(con, entity)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    sha256 = _sha256(path)
    done = _batches_of(con, source, sha256)
    stated = observed_on or _day_in(path.name)
    if done and (stated in done or (stated is None and declared.observed_on is None)):
        return _already(entity, source, path, sha256, done, stated)
    incoming = (stage or stage_file)(con, entity, source, path)
    told = stated or _latest_row_day(con, declared)
    if done and (told is None or told in done):
        con.execute("drop table staged_row")
        return _already(entity, source, path, sha256, done, told)
    day = told or datetime.now(UTC).date()
    loaded_at = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    _land(ws, entity.name, source, path, sha256, day, loaded_at)
    return _take_in(con, entity, source, path.name, sha256, day, loaded_at, incoming)


def is_new(con: duckdb.DuckDBPyConnection, entity: EntityRules, source: str, path: Path) -> bool:
    """Whether `path` is a file that a source of the entity type may deliver, and of which nothing was loaded yet."""
    declared = entity.sources.sources.get(source)
    if declared is None or declared.grouped is not None or not path.is_file():
        return False
    prepare(con, entity)
    return not _batches_of(con, source, _sha256(path))


def _batches_of(con: duckdb.DuckDBPyConnection, source: str, sha256: str) -> dict[date, int]:
    """The batches that a file's content was loaded as, by day."""
    found = con.execute("select observed_on, batch_id from batch where sha256 = ? and source = ?", [sha256, source])
    return dict(found.fetchall())


def _already(
    entity: EntityRules, source: str, path: Path, sha256: str, done: dict[date, int], day: date | None
) -> LoadReport:
    batch = done[day] if day is not None else min(done.values())
    return LoadReport(entity.name, source, path.name, sha256, batch, 0, 0, 0, 0, 0, 0, already=True)


def reload_landed(con: duckdb.DuckDBPyConnection, ws: Workspace, rules: Rules) -> int:
    """Take in every landed file that the work database does not hold; gives how many there were.

    Raises:
        NotFoundError: a landed file is gone, or of a source that the rules lack.
        InputError: the note of a landed file, or the file, cannot be read.
    """
    found = [_noted(note) | {"folder": note.parent} for note in ws.landed.glob("*/load.*.json")]
    count = 0
    for note in sorted(found, key=lambda n: (n["loaded_at"], n["sha256"], n["source"])):
        entity = rules.entities.get(note["entity"])
        if entity is None or note["source"] not in entity.sources.sources:
            raise NotFoundError(f"landed file {note['file']} came from {note['source']!r}, which the rules lack")
        use_entity(con, entity.name)
        prepare(con, entity)
        day, at = date.fromisoformat(note["observed_on"]), datetime.fromisoformat(note["loaded_at"])
        if day not in _batches_of(con, note["source"], note["sha256"]):
            path = note["folder"] / note["file"]
            if not path.is_file():
                raise NotFoundError(
                    f"{path} was loaded and is gone; copy it back from a backup, or load the file again"
                )
            incoming = stage_file(con, entity, note["source"], path)
            _take_in(con, entity, note["source"], note["file"], note["sha256"], day, at, incoming)
            count += 1
    return count


def _noted(note: Path) -> dict[str, Any]:
    """What `load` wrote down of a landed file."""
    try:
        return dict(json.loads(note.read_text("utf-8")))
    except ValueError as error:
        raise InputError(f"{note} is damaged ({error}); copy it back from a backup") from error


def rejects(con: duckdb.DuckDBPyConnection, batch_id: int | None = None) -> list[tuple[str, int, str, str]]:
    """Rejected rows of one batch (or all): file name, line, reason, the row as it came."""
    return con.execute(
        "select file_name, line, reason, raw from reject join batch using (batch_id) "
        "where $batch is null or batch_id = $batch order by batch_id, line",
        {"batch": batch_id},
    ).fetchall()


def findings(
    con: duckdb.DuckDBPyConnection, rules: EntityRules, rule: str | None = None, limit: int = -1
) -> list[dict[str, object]]:
    """What is wrong in records: records by field and rule, or for one rule the rows, by source key and line."""
    prepare(con, rules)
    if rule is None:
        told = con.execute(
            "select field, rule, severity, count(*) from finding group by all order by 4 desc, 1, 2"
        ).fetchall()
        return [dict(zip(("field", "rule", "severity", "records"), row, strict=True)) for row in told]
    known = "select record_id, source, source_key, batch_id, line from record union all "
    known += "select record_id, source, source_key, batch_id, line from grouped_record"
    told = con.execute(
        f"select f.field, f.severity, f.detail, r.source, r.source_key, b.file_name, coalesce(r.line, f.line) "
        f"from finding as f left join ({known}) as r using (record_id) "
        "left join batch as b on b.batch_id = coalesce(r.batch_id, f.batch_id) where f.rule = ? "
        "order by r.source, r.source_key, f.line, f.field limit ?",
        [rule, 2**62 if limit < 0 else limit],
    ).fetchall()
    names = ("field", "severity", "detail", "source", "source_key", "file", "line")
    return [dict(zip(names, row, strict=True)) for row in told]


def disk_needed(path: Path) -> int:
    """Bytes that loading `path` may take: its landed copy, and about as many rows as it has in the work database."""
    return path.stat().st_size + reading.rows_about(path) * ROW


def prepare(con: duckdb.DuckDBPyConnection, entity: EntityRules) -> None:
    """Make the tables that files land in, in the schema of the entity type, where they are not there as they should be.

    What they should be is noted in table `landing`, so that a command that only reads writes nothing.
    """
    use_entity(con, entity.name)
    fields = "".join(f", {quote(name)} varchar" for name in entity.entity.fields)
    wanted = hashlib.sha256(
        "".join([fields, *sql.statements("landing"), *sql.statements("versions")]).encode()
    ).hexdigest()
    con.execute("create table if not exists landing (sha256 varchar)")
    if con.execute("select sha256 from landing").fetchall() == [(wanted,)]:
        return
    for table in ("record", "grouped_record"):
        con.execute(
            f"create table if not exists {table} (record_id bigint, source varchar, source_key varchar, "
            f"batch_id integer, observed_on date, row_hash varchar, line bigint, dup_group varchar{fields})"
        )
    sql.run(con, "landing")
    sql.run(con, "versions")
    con.execute(f"create or replace table landing as select '{wanted}' as sha256")


def stage_file(con: duckdb.DuckDBPyConnection, entity: EntityRules, source: str, path: Path) -> reading.Incoming:
    """Read the file, check its headings and make table `staged_row`: one mapped row per readable row.

    Raises:
        InputError: the file cannot be read, has no rows, or lacks a column.
    """
    incoming = reading.read(con, path)
    map_rows(con, entity, source, path.name, incoming)
    return incoming


def map_rows(
    con: duckdb.DuckDBPyConnection, entity: EntityRules, source: str, name: str, incoming: reading.Incoming
) -> None:
    """Check the headings of a file that was read and make table `staged_row` of table `incoming`.

    Raises:
        InputError: the file has no rows, or lacks a column.
    """
    declared = entity.sources.sources[source]
    place = {heading: f"c{i}" for i, heading in enumerate(incoming.headings)}
    wanted = [*declared.key, *(h for field, h in declared.columns.items() if field not in declared.optional)]
    wanted += [declared.observed_on] if declared.observed_on else []
    wanted += [declared.deleted.column] if declared.deleted else []
    wanted += list(declared.duplicate_free) if isinstance(declared.duplicate_free, tuple) else []
    missing = [heading for heading in dict.fromkeys(wanted) if heading not in place]
    if missing:
        raise InputError(f"{name} line 1: {'; '.join(_missing(one, incoming.headings) for one in missing)}")
    if not incoming.rows and not incoming.rejected:
        raise InputError(f"{name}: no rows below the heading; nothing was loaded")
    values = {field: f"nullif({place[h]}, '')" for field, h in declared.columns.items() if h in place}
    fields = ", ".join(f"{values.get(name, 'null::varchar')} as {quote(name)}" for name in entity.entity.fields)
    key = " || '-' || ".join(f"trim({place[name]})" for name in declared.key)
    op = "'upsert'"
    if declared.deleted:
        marks = ", ".join("'" + value.replace("'", "''") + "'" for value in declared.deleted.values)
        op = f"case when trim({place[declared.deleted.column]}) in ({marks}) then 'delete' else 'upsert' end"
    group = {False: "null", True: "$source"}.get(declared.duplicate_free is True, "null")
    if isinstance(declared.duplicate_free, tuple):
        group = " || '/' || ".join(["$source", *(f"trim({place[name]})" for name in declared.duplicate_free)])
    day = place[declared.observed_on] if declared.observed_on else "null"
    framed = [_framed(quote(field)) if field in declared.columns else "'~'" for field in entity.entity.fields]
    text = " || ".join([*framed, _framed("observed_text"), _framed("dup_group")])
    con.execute(
        f"create or replace temp table staged_row as select *, md5({text}) as row_hash from ("
        f"select line, nullif({key}, '') as source_key, {op} as op, {_read_day(day)} as observed_on, "
        f"{day}::varchar as observed_text, {group}::varchar as dup_group, {fields} from incoming)",
        {"source": source} if "$source" in group else None,
    )
    con.execute("drop table incoming")


def _read_day(column: str) -> str:
    """SQL: the day of a row, written as a date, as eight digits or as a year (its first day)."""
    digits = f"regexp_replace(trim({column}), '[./年月]', '-', 'g')"
    return (
        f"case when regexp_full_match(trim({column}), '[0-9]{{4}}') then make_date({column}::integer, 1, 1) "
        f"when regexp_full_match(trim({column}), '[0-9]{{8}}') then try_cast(substr(trim({column}), 1, 4) || '-' || "
        f"substr(trim({column}), 5, 2) || '-' || substr(trim({column}), 7, 2) as date) "
        f"else try_cast(rtrim({digits}, '日-') as date) end"
    )


def _missing(heading: str, headings: tuple[str, ...]) -> str:
    near = get_close_matches(heading, headings, n=1, cutoff=0.4)
    nearest = f"the nearest heading is {near[0]!r}" if near else f"the file has {', '.join(headings)}"
    return f"column {heading!r} is missing; {nearest} (see columns in sources.toml)"


def _take_in(
    con: duckdb.DuckDBPyConnection,
    entity: EntityRules,
    source: str,
    name: str,
    sha256: str,
    day: date,
    loaded_at: datetime,
    incoming: reading.Incoming,
) -> LoadReport:
    """Commit the rows of `staged_row` as one batch."""
    delivery = entity.sources.sources[source].delivery
    fields = [quote(field) for field in entity.entity.fields]
    with sql.transaction(con):
        batch_id = sql.number(con, "select coalesce(max(batch_id), 0) + 1 from batch")
        con.executemany(
            "insert into reject values (?, ?, ?, ?, null)",
            [(batch_id, row.line, row.reason, row.raw) for row in incoming.rejected] or [(-1, 0, "", "")],
        )
        con.execute("delete from reject where batch_id = -1")
        con.execute(_REPEATED)
        con.execute(_REJECT.format(raw=", ".join(fields)), {"batch": batch_id})
        con.execute(
            "insert into finding select null, batch_id, line, null, 'row_rejected', 'error', reason "
            "from reject where batch_id = ?",
            [batch_id],
        )
        last = sql.number(con, "select coalesce(max(record_id), 0) from record")
        con.execute(_VERSIONS, {"source": source, "last": last})
        columns = ", ".join(fields)
        if delivery == "snapshot":
            con.execute(_BEFORE, {"source": source})
        con.execute(
            f"insert into record by position select v.record_id, $source, s.source_key, $batch, "
            f"coalesce(s.observed_on, $day), s.row_hash, line, s.dup_group, {columns} "
            "from staged_row as s join versioned as v using (line) where v.fresh",
            {"source": source, "batch": batch_id, "day": day},
        )
        con.execute(
            "insert into observation select $batch, $source, source_key, "
            "case when op = 'upsert' then record_id end, op, line from versioned",
            {"batch": batch_id, "source": source},
        )
        new, unchanged, deleted = con.execute(
            "select count(*) filter (fresh), count(*) filter (op = 'upsert' and not fresh), "
            "count(*) filter (op = 'delete') from versioned"
        ).fetchall()[0]
        rejected = sql.number(con, "select count(*) from reject where batch_id = $batch", batch=batch_id)
        rows = incoming.rows + len(incoming.rejected)
        con.execute(
            "insert into batch values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                batch_id,
                source,
                delivery,
                sha256,
                name,
                rows,
                new,
                unchanged,
                deleted,
                rejected,
                day,
                loaded_at,
            ],
        )
        withdrawn = sql.number(con, _GONE, source=source) if delivery == "snapshot" else 0
        for table in ("before_key", "staged_row", "repeated", "versioned"):
            con.execute(f"drop table if exists {table}")
    return LoadReport(entity.name, source, name, sha256, batch_id, rows, new, unchanged, deleted, rejected, withdrawn)


def _framed(column: str) -> str:
    """SQL: a value with its length before it, so that no two rows share a text (null has none)."""
    return f"coalesce(length({column})::varchar || ':' || {column}, '~')"


_NO_KEY = "(source_key is null or trim(source_key, '- ') = '')"

_REPEATED = """
create or replace temp table repeated as
select source_key from staged_row where source_key is not null group by source_key having count(*) > 1"""

_REJECT = f"""
insert into reject
select $batch, line,
       case when {_NO_KEY} then 'no key'
            else 'key ' || source_key || ' stands in lines '
                 || array_to_string(list_sort(list(line) over (partition by source_key))[:5], ', ') end,
       concat_ws('|', source_key, {{raw}}), nullif(trim(source_key), '')
from staged_row where {_NO_KEY} or source_key in (from repeated)"""

# versioned: one row per sound row: the version of its key that it shows. The number of a fresh one follows its line.
_VERSIONS = f"""
create or replace temp table versioned as
with hashed as (
  select line, source_key, op, row_hash from staged_row
  where not {_NO_KEY} and source_key not in (from repeated)
)
select h.line, h.source_key, h.op, r.record_id is null and op = 'upsert' as fresh,
       coalesce(r.record_id, $last + h.line) as record_id
from hashed as h
left join (select source_key, row_hash, record_id from record where source = $source) as r
  on r.source_key = h.source_key and r.row_hash = h.row_hash"""

_BEFORE = """
create or replace temp table before_key as select source_key from current_record where source = $source"""

_GONE = """
select count(*) from before_key
where source_key not in (select source_key from current_record where source = $source)"""


def _land(ws: Workspace, entity: str, source: str, path: Path, sha256: str, day: date, loaded_at: datetime) -> None:
    """Copy the file under its sha256 and write, last and at once, the note that makes it count."""
    folder = ws.landed / sha256
    folder.mkdir(mode=0o700, exist_ok=True)
    if path.parent.resolve() != folder.resolve():
        scratch = folder / f".{path.name}.new"
        shutil.copyfile(path, scratch)
        with scratch.open("rb") as file:
            os.fsync(file.fileno())
        scratch.replace(folder / path.name)
    note = {
        "entity": entity,
        "source": source,
        "file": path.name,
        "sha256": sha256,
        "bytes": path.stat().st_size,
        "observed_on": day.isoformat(),
        "loaded_at": loaded_at.isoformat(),
    }
    write_atomically(
        folder / f"load.{source}.{day.isoformat()}.json", json.dumps(note, ensure_ascii=False, indent=1) + "\n"
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _day_in(name: str) -> date | None:
    found = _DATE_IN_NAME.search(name)
    try:
        return date(*(int(part) for part in found.groups())) if found else None
    except ValueError:
        return None


def _latest_row_day(con: duckdb.DuckDBPyConnection, declared: Source) -> date | None:
    if declared.observed_on is None:
        return None
    found: date | None = con.execute("select max(observed_on) from staged_row").fetchall()[0][0]
    return found


def as_dict(report: LoadReport) -> dict[str, object]:
    """The report for machines."""
    return asdict(report)
