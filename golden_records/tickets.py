"""Every difference goes back to its source until it ends in a correction (多元校核).

Reads: the releases' dispute, crosswalk and provenance. Writes: ticket, ticket_event, ticket_refresh (SQLite).

A ticket is named by what it asks: entity type, source record, field and the two values (`evidence`), never by a golden
id, so the same difference is asked once. It is never changed; where it stands follows from its events:

    open -> sent -> corrected | upheld | rejected -> closed, and escalated where nobody can settle it

Closed by itself, with the reason: `agrees` (the source's record agrees now), `settled` (the golden value is now what
the source said), `withdrawn` (the row or its value is gone), `superseded` (it differs in another way: another ticket),
`dropped` (the rules no longer verify the field). By people: `rejected`, `steward`. An upheld difference stays known. It
is then asked back to the source of the golden value: the same difference seen from there; where both uphold theirs,
the common superior decides. A source that is late with its deliveries closes nothing.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from json.encoder import encode_basestring
from pathlib import Path
from typing import Any, Literal, get_args

import duckdb
import pyarrow as pa

from golden_records import sql
from golden_records.manifest import Manifest, read_manifest, releases_of
from golden_records.segments import KEYS, REPLACED, has_table, table_of, table_sql
from linkage.decided import SourceRecord
from linkage.decision_schema import transaction, with_tables
from linkage.decisions import DecisionStore
from linkage.sql import aside
from linkage.workspace import Workspace
from rules.errors import InputError, NotFoundError, RefusedError
from rules.loader import reference_path
from rules.model import EntityRules, Rules
from rules.working_days import TABLE, Calendar, read_calendar

State = Literal["open", "sent", "corrected", "upheld", "rejected", "escalated", "closed"]
STATES: tuple[str, ...] = get_args(State)
DAYS = 10  # 《政务数据共享条例》: the owner of a value answers within ten working days
_ROWS = 50_000
# KiB for the pages of each of the two databases. With the 2 MB of SQLite a large release is read over and over.
_CACHE = 256 << 10
_COLUMNS = (
    "ticket_id",
    "entity",
    "source",
    "source_key",
    "field",
    "evidence",
    "golden_id",
    "value",
    "value_source",
    "value_source_key",
    "said",
    "observed_on",
    "owner",
    "release",
    "opened_at",
    "due",
    "state",
    "since",
    "reason",
    "answer",
    "superior",
)


@dataclass(frozen=True)
class Ticket:
    """A ticket and where it stands.

    value     the golden value, from record (value_source, value_source_key); said  what (source, source_key) says
    evidence  the hash of what both say; golden_id  where the two stood when the ticket was opened, for display
    since     the day of its last event; reason  of that event; answer  the one in force; superior  who was asked last
    """

    ticket_id: int
    entity: str
    source: str
    source_key: str
    field: str
    evidence: str
    golden_id: str
    value: str | None
    value_source: str
    value_source_key: str
    said: str | None
    observed_on: str | None
    owner: str
    release: int | None
    opened_at: str
    due: str
    state: str
    since: str
    reason: str | None
    answer: str | None
    superior: str | None

    @property
    def seal(self) -> str:
        """Eight digits that tell this ticket from one of the same number elsewhere. No value is in them: a short hash
        of a telephone number is as good as the number."""
        said = (self.ticket_id, self.entity, self.source, self.source_key, self.field, self.opened_at)
        return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Refreshed:
    """What the differences of one release did to the tickets."""

    release: int
    opened: int
    closed: int
    again: int


@dataclass(frozen=True)
class Escalated:
    """A ticket that its two sides cannot settle: why, and their common superior (None: the rules name none)."""

    ticket: Ticket
    why: Literal["overdue", "upheld on both sides"]
    superior: str | None


def evidence(field: str, value: str | None, said: str | None) -> str:
    """The hash of what the two records say: the same difference has the same hash, in whichever release.

    It is that of a JSON list, put together here: of hundreds of thousands of differences, the list costs most.
    """
    texts = ", ".join("null" if text is None else encode_basestring(text) for text in (field, value, said))
    return hashlib.sha256(f"[{texts}]".encode()).hexdigest()


def calendar_of(rules_folder: Path) -> Calendar:
    """The working days of a workspace."""
    return read_calendar(reference_path(rules_folder, TABLE))


def due_on(rules_folder: Path, day: date) -> date:
    """The day on which a ticket opened on `day` is due."""
    return calendar_of(rules_folder).after(day, DAYS)


class TicketStore:
    """The tickets of a workspace, beside its decisions."""

    def __init__(self, decisions: DecisionStore) -> None:
        self.decisions = decisions

    def refresh(self, ws: Workspace, rules: Rules) -> list[Refreshed]:
        """Take in the differences of every release not yet taken in; a release once. Gives what each did.

        A release that brings back an earlier one tells nothing new: no source has said anything.
        """
        with self.reading() as db:
            last = _last_refresh(db)
        found = []
        for number in releases_of(ws.releases):
            if number > last:
                manifest = read_manifest(ws.releases / str(number))
                done = self._take_in(ws, rules, manifest)
                if done is not None:
                    found.append(done)
        return found

    def tickets(
        self,
        source: str | None = None,
        entity: str | None = None,
        states: Sequence[str] = (),
        limit: int = -1,
    ) -> list[Ticket]:
        """The tickets, oldest first; of one source, of one entity type, in some states."""
        with self.reading() as db:
            return tickets_where(
                db,
                "($source is null or source = $source) and ($entity is null or entity = $entity) and "
                "($states = '[]' or state in (select value from json_each($states))) order by ticket_id limit $limit",
                source=source,
                entity=entity,
                states=json.dumps(list(states)),
                limit=limit,
            )

    def to_send(self, source: str | None, entity: str | None, again: bool, most: int) -> list[list[Ticket]]:
        """The open tickets, those of one source of one entity type together, the oldest first, `most` of them each.

        `again` takes along those that were sent or escalated and have no answer yet.
        """
        chosen = "answer is null and state in (select value from json_each($states))"
        states = json.dumps(["open", "sent", "escalated"] if again else ["open"])
        with self.reading() as db:
            groups = db.execute(
                f"select distinct entity, source from ticket_now where {chosen} and ($source is null or "
                "source = $source) and ($entity is null or entity = $entity) order by entity, source",
                {"states": states, "source": source, "entity": entity},
            ).fetchall()
            condition = f"{chosen} and entity = $entity and source = $source order by ticket_id limit $most"
            return [
                tickets_where(db, condition, states=states, entity=name, source=where, most=most)
                for name, where in groups
            ]

    def overdue(self, as_of: date, source: str | None = None, entity: str | None = None) -> list[Ticket]:
        """The tickets without an answer, or without the correction that was promised, after the day they were due."""
        with self.reading() as db:
            return tickets_where(
                db,
                "state in ('open', 'sent', 'corrected') and due < $day and ($source is null or source = $source) "
                "and ($entity is null or entity = $entity) order by due, ticket_id",
                day=as_of.isoformat(),
                source=source,
                entity=entity,
            )

    def ticket(self, ticket_id: int) -> Ticket:
        """One ticket. Raises NotFoundError where there is none."""
        with self.reading() as db:
            return _one(db, ticket_id)

    def about(self, entity: str, records: Sequence[SourceRecord]) -> list[Ticket]:
        """The tickets about source records of an entity type, oldest first."""
        with self.reading() as db:
            return tickets_where(
                db,
                "entity = $entity and (source, source_key) in (select json_extract(value, '$[0]'), "
                "json_extract(value, '$[1]') from json_each($records)) order by ticket_id",
                entity=entity,
                records=json.dumps(list(records), ensure_ascii=False),
            )

    def events(self, ticket_id: int) -> list[dict[str, Any]]:
        """What became of a ticket, oldest first; `withdrawn` of what rested on a decision that ended."""
        names = ("kind", "at", "reason", "due", "decision_id", "release", "detail", "actor", "recorded_at")
        with self.reading() as db:
            found = db.execute(
                f"select {', '.join(f'e.{name}' for name in names)}, d.payload, d.reason, d.withdrawn_at is not null "
                "from ticket_event as e left join decision as d on d.decision_id = e.decision_id "
                "where e.ticket_id = ? order by e.event_id",
                (ticket_id,),
            ).fetchall()
        events = []
        for row in found:
            event = dict(zip(names, row, strict=False)) | {"detail": json.loads(row[6]), "withdrawn": bool(row[-1])}
            if row[-3] is not None:
                event["corrected_value"] = json.loads(row[-3]).get("value")
                event["said"] = row[-2]
            events.append(event)
        return events

    def close(self, ticket_id: int, reason: str, as_of: date, steward: str = "") -> None:
        """Close a ticket by hand; its difference is not asked again.

        Raises:
            NotFoundError: there is no such ticket.
            InputError: no reason was given.
            RefusedError: it is closed.
        """
        if not reason.strip():
            raise InputError("closing a ticket needs a reason")
        with self.writing() as db:
            ticket = _one(db, ticket_id)
            if ticket.state == "closed":
                raise RefusedError(f"ticket {ticket_id} was closed on {ticket.since} ({ticket.reason})")
            add_event(db, ticket_id, "closed", as_of, steward, "steward", detail={"said": reason})

    def escalate(self, rules: Rules, as_of: date) -> list[Escalated]:
        """Put what the two sides cannot settle to their common superior; gives those that were not there yet."""
        day = as_of.isoformat()
        above = superiors(rules)
        with self.writing() as db:
            late = tickets_where(
                db, "state in ('open', 'sent', 'corrected') and due < $day order by ticket_id", day=day
            )
            both = tickets_where(db, _UPHELD_TWICE)
            found = [Escalated(one, "overdue", _between(rules, above, one)) for one in late]
            found += [Escalated(one, "upheld on both sides", _between(rules, above, one)) for one in both]
            for one in found:
                if one.superior is not None:
                    detail = {"to": one.superior}
                    add_event(db, one.ticket.ticket_id, "escalated", as_of, "", one.why, detail=detail)
        return sorted(found, key=lambda one: one.ticket.ticket_id)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The database with its views, closed when the block ends."""
        with with_tables(self.decisions.path, files(sql.__name__).joinpath("ticket.sql").read_text("utf-8")) as db:
            db.create_function("evidence", 3, evidence, deterministic=True)
            yield db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all that is written in the block is kept when it ends, none of it where it fails."""
        with self.reading() as db, transaction(db):
            yield db

    def _take_in(self, ws: Workspace, rules: Rules, manifest: Manifest) -> Refreshed | None:
        """Take in the differences of one release; None where another process already has."""
        number, folder = manifest.release, ws.releases / str(manifest.release)
        names = [name for name in rules.entities if has_table(folder / name, "dispute")]
        if manifest.rollback_of is not None:
            names = []
        values: dict[str, Any] = {
            "release": number,
            "as_of": manifest.as_of.isoformat(),
            "due": due_on(ws.rules_folder, manifest.as_of).isoformat(),
            "actor": getpass.getuser(),
            "now": _now(),
        }
        with self.reading() as db:
            for schema in ("main", "temp"):
                db.execute(f"pragma {schema}.cache_size = {-_CACHE}")
            db.execute("begin")
            own(db, rules)
            before = _told_before(db, ws, rules, manifest)
            reached: dict[str, pa.Table | None] = {}
            for name in names:
                changed = None if before is None else _replaced_since(folder, name, before, manifest)
                reached[name] = None if changed is None else _reached(db, folder / name, name, changed)
                _stage(db, folder / name, name, reached[name])
            db.execute("commit")
            db.execute("begin immediate")
            if _last_refresh(db) >= number:
                return None
            _run(db, "ticket_open", values)
            ends: dict[int, str] = {}
            for name in names:
                ends |= _fates(db, folder / name, rules.entities[name], manifest, reached[name])
            for name in ("ticket_mirror", "ticket_open", "ticket_return"):
                _run(db, name, values)
            for name in names:
                for row in _gone(db, name, reached[name] is not None):
                    if row[0] in ends:
                        add_event(db, row[0], "closed", manifest.as_of, "", ends[row[0]], release=number)
            db.execute("insert into ticket_refresh values (?, ?, ?)", (number, values["as_of"], values["now"]))
            db.execute("commit")
            counts = db.execute(
                "select (select count(*) from ticket where release = $n), count(*) filter (where kind = 'closed'), "
                "count(*) filter (where kind = 'reopened') from ticket_event where release = $n",
                {"n": number},
            ).fetchone()
        return Refreshed(number, *counts)


def own(db: sqlite3.Connection, rules: Rules) -> None:
    """Fill `owned`: who answers for each source."""
    db.executemany(
        "insert or replace into owned values (?, ?, ?)",
        [(name, s, source.owner) for name, one in rules.entities.items() for s, source in one.sources.sources.items()],
    )


def ask_back(db: sqlite3.Connection, rules: Rules, upheld: Iterable[Ticket], as_of: date, due: date) -> None:
    """Put differences that a source upholds to the source of the golden value, where they were not put to it yet."""
    own(db, rules)
    db.executemany(
        "insert or ignore into stands values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null, 0, 0)",
        [
            (
                *(t.entity, t.value_source, t.value_source_key, t.field, evidence(t.field, t.said, t.value)),
                *(t.golden_id, t.said, t.source, t.source_key, t.value),
            )
            for t in upheld
        ],
    )
    when = {"as_of": as_of.isoformat(), "due": due.isoformat(), "now": _now(), "actor": getpass.getuser()}
    _run(db, "ticket_open", {**when, "release": None})


def add_event(
    db: sqlite3.Connection,
    ticket_id: int,
    kind: str,
    at: date,
    actor: str = "",
    reason: str | None = None,
    decision_id: int | None = None,
    release: int | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Append one event to a ticket, inside a transaction of `TicketStore.writing`."""
    db.execute(
        "insert into ticket_event (ticket_id, kind, at, reason, decision_id, release, detail, actor, recorded_at) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            ticket_id,
            kind,
            at.isoformat(),
            reason,
            decision_id,
            release,
            json.dumps(detail or {}, ensure_ascii=False, sort_keys=True),
            actor or getpass.getuser(),
            _now(),
        ),
    )


def tickets_where(db: sqlite3.Connection, condition: str, **values: object) -> list[Ticket]:
    """The tickets for which a condition over `ticket_now` holds, in the order that it asks for."""
    found = db.execute(f"select {', '.join(_COLUMNS)} from ticket_now as n where {condition}", values).fetchall()
    return [Ticket(*row) for row in found]


def superiors(rules: Rules) -> dict[str, str]:
    """Department -> the one above it."""
    return {owner: said.superior for one in rules.entities.values() for owner, said in one.sources.owners.items()}


def common_superior(above: dict[str, str], one: str, other: str) -> str | None:
    """The lowest department that stands over both, or is one of them and over the other; None where none is known."""
    if one == other:
        return above.get(one)
    line = list(_line(above, other))
    return next((name for name in _line(above, one) if name in line), None)


def _line(above: dict[str, str], name: str) -> Iterator[str]:
    at: str | None = name
    while at is not None:
        yield at
        at = above.get(at)


def _between(rules: Rules, above: dict[str, str], ticket: Ticket) -> str | None:
    sources = rules.entities[ticket.entity].sources.sources if ticket.entity in rules.entities else {}
    other = sources.get(ticket.value_source)
    return common_superior(above, ticket.owner, other.owner if other else "")


def _one(db: sqlite3.Connection, ticket_id: int) -> Ticket:
    found = tickets_where(db, "ticket_id = $ticket", ticket=ticket_id)
    if not found:
        raise NotFoundError(f"there is no ticket {ticket_id}; 'shuyuan tickets list' shows them")
    return found[0]


def _told_before(db: sqlite3.Connection, ws: Workspace, rules: Rules, manifest: Manifest) -> Manifest | None:
    """The release before, where its differences were taken in last and a late source is no other than then: what did
    not change since stands as it did."""
    number = manifest.previous
    if number is None or number != _last_refresh(db) or number not in releases_of(ws.releases):
        return None
    before = read_manifest(ws.releases / str(number))
    if before.rollback_of is not None or before.rules != manifest.rules:
        return None
    late = [
        [_resting(one, said, ws.releases / str(said.release)) for one in rules.entities.values()]
        for said in (before, manifest)
    ]
    return before if late[0] == late[1] else None


def _resting(one: EntityRules, manifest: Manifest, folder: Path) -> list[str]:
    """The sources that are late and of which nothing differs: what they said before is not asked, and not over."""
    late = _late(one, manifest)
    if not late or not has_table(folder / one.name, "dispute"):
        return late
    with aside() as con:
        told = con.execute(f"select distinct source from {table_sql(folder / one.name, 'dispute')}").fetchall()
    return [name for name in late if (name,) not in told]


def _replaced_since(folder: Path, entity: str, before: Manifest, manifest: Manifest) -> list[str] | None:
    """The files that name the ids of which a release replaced something; None where it wrote an entity type whole."""
    then, now = (
        {
            (one.path, one.sha256)
            for one in said.files
            if one.path.startswith(f"{entity}/") and table_of(Path(one.path)) in (*KEYS, REPLACED)
        }
        for said in (before, manifest)
    )
    written = {Path(path).name: str(folder / path) for path, _ in now - then}
    segments = {f"{table}.{manifest.release}.parquet" for table in (*KEYS, REPLACED)}
    if not then <= now or not written.keys() <= segments:
        return None
    return [path for name, path in written.items() if table_of(Path(name)) == REPLACED]


def _reached(db: sqlite3.Connection, folder: Path, entity: str, replaced: Sequence[str]) -> pa.Table:
    """The golden ids of which differences may stand otherwise than before: one column, golden_id.

    These are the replaced ones, and those of records of which anybody ever answered a ticket.
    """
    (statement,) = sql.statements("ticket_answered")
    answered = db.execute(statement, {"entity": entity}).fetchall()
    with aside() as con:
        con.execute("create temp table found (golden_id varchar)")
        for path in replaced:
            con.execute("insert into found from read_parquet(?)", [path])
        if answered:
            con.execute(
                f"insert into found select golden_id from {table_sql(folder, 'crosswalk')} where (source, source_key) "
                "in (select (unnest($sources::varchar[]), unnest($keys::varchar[])))",
                {"sources": [source for source, _ in answered], "keys": [key for _, key in answered]},
            )
        return con.sql("select distinct golden_id from found order by 1").to_arrow_table()


@contextmanager
def _release(folder: Path, reached: pa.Table | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Tables of an entity type in a release as views: all rows, or those of the golden ids that are `reached`."""
    with aside() as con:
        if reached is not None:
            con.register("reached", reached)
        for table in ("crosswalk", "dispute", "provenance"):
            rows = table_sql(folder, table, None if reached is None else "reached")
            con.execute(f"create temp view {table} as from {rows}")
        yield con


def _stage(db: sqlite3.Connection, folder: Path, entity: str, reached: pa.Table | None) -> None:
    """Fill `stands` with what differs in a release, and `reach` with the records of what is reached."""
    with _release(folder, reached) as con:
        if reached is not None:
            rows = con.execute("select distinct source, source_key from crosswalk").fetchall()
            db.executemany("insert into reach values (?, ?, ?)", [(entity, *row) for row in rows])
        con.execute(
            "with decided as (select golden_id, field from provenance "
            "where rule = 'steward_decision' and valid_to is null) "
            "select source, source_key, field, golden_id, value, value_source, value_source_key, said, "
            "observed_on::varchar, (golden_id, field) in (from decided) "
            "from dispute order by all"
        )
        while rows := con.fetchmany(_ROWS):
            db.executemany(
                "insert or ignore into stands (entity, source, source_key, field, evidence, golden_id, value, "
                "value_source, value_source_key, said, observed_on, decided, direct) "
                "values (?1, ?2, ?3, ?4, evidence(?4, ?6, ?9), ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1)",
                [(entity, *row) for row in rows],
            )


def _fates(
    db: sqlite3.Connection, folder: Path, one: EntityRules, manifest: Manifest, reached: pa.Table | None
) -> dict[int, str]:
    """Why the differences of open tickets do not stand any more; those that only rest are put into `stands`."""
    gone = _gone(db, one.name, reached is not None)
    if not gone:
        return {}
    direct = {row[0] for row in db.execute("select distinct source from stands where entity = ?", (one.name,))}
    ignored = set(one.entity.verification.ignore)
    names = ("ticket_id", "source", "source_key", "field", "value", "said", "superseded")
    texts = pa.string()
    types = (pa.int64(), texts, texts, texts, texts, texts, pa.bool_())
    columns = [pa.array(c, t) for c, t in zip(zip(*gone, strict=True), types, strict=True)]
    with _release(folder, reached) as con:
        con.register("gone", pa.table(columns, names=names))
        (statement,) = sql.statements("ticket_fate")
        values = {
            "verified": [n for n, rule in one.entity.fields.items() if rule.golden and n not in ignored],
            "late": [name for name in _late(one, manifest) if name not in direct],
        }
        fates = con.execute(statement, values).fetchall()
    rest = [(ticket_id,) for ticket_id, reason, _ in fates if reason is None]
    db.executemany(
        "insert or ignore into stands select entity, source, source_key, field, evidence, golden_id, value, "
        "value_source, value_source_key, said, observed_on, 0, 0 from ticket where ticket_id = ?",
        rest,
    )
    db.executemany("insert into holds values (?)", [(ticket_id,) for ticket_id, _, holds in fates if holds])
    return {ticket_id: reason for ticket_id, reason, _ in fates if reason is not None}


def _gone(db: sqlite3.Connection, entity: str, part: bool) -> list[tuple[Any, ...]]:
    (statement,) = sql.statements("ticket_gone")
    found = db.execute(statement, {"entity": entity, "part": part}).fetchall()
    return [(*row[:-1], bool(row[-1])) for row in found]


def _late(one: EntityRules, manifest: Manifest) -> list[str]:
    """The sources that delivered nothing within their cycle, as far as the landed files tell."""
    late = []
    for name, source in one.sources.sources.items():
        if source.cycle_days is None:
            continue
        said = (source.grouped.entity, source.grouped.source) if source.grouped else (one.name, name)
        days = [
            file.observed_on
            for file in manifest.landed
            if (file.entity, file.source) == said and file.observed_on and file.observed_on <= manifest.as_of
        ]
        if not days or max(days) < manifest.as_of - timedelta(days=source.cycle_days):
            late.append(name)
    return late


def _last_refresh(db: sqlite3.Connection) -> int:
    return int(db.execute("select coalesce(max(release), 0) from ticket_refresh").fetchone()[0])


def _run(db: sqlite3.Connection, name: str, values: dict[str, Any]) -> None:
    for statement in sql.statements(name):
        db.execute(statement, values)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


_UPHELD_TWICE = """
ticket_id in (
  with known as materialized (select * from ticket_now where answer = 'upheld' and state <> 'closed')
  select one.ticket_id
  from known as one
  join known as other on other.entity = one.entity and other.value_source = one.source
    and other.value_source_key = one.source_key and other.field = one.field
    and other.evidence = evidence(one.field, one.said, one.value)
  where one.state = 'upheld')
order by ticket_id"""
