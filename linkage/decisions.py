"""What stewards decided, and what waits for them: append-only, in SQLite, written by many at once.

A decision names source records as (source, source_key), never ids that a re-run renumbers. It is withdrawn
by a time stamp, never deleted, and is replayed in every run. `evidence` is the hash of what the steward saw;
where that changed, the pair returns to the queue with the old decision beside it.
"""

from __future__ import annotations

import csv
import getpass
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations, product
from pathlib import Path
from typing import Any

from linkage.decided import Decided, SourceRecord
from rules.errors import InputError, NotFoundError, RefusedError

KINDS = ("same", "different", "unsure", "value", "split", "merge", "answer")
ANSWERS = ("corrected", "upheld", "rejected")
COLUMNS = (
    "decision_id",
    "kind",
    "entity",
    "subjects",
    "payload",
    "steward",
    "reason",
    "evidence",
    "decided_at",
)
_SCHEMA = """
create table if not exists decision (
  decision_id integer primary key autoincrement, kind text not null, entity text not null,
  subjects text not null, payload text not null, steward text not null, reason text not null,
  evidence text, decided_at text not null, withdrawn_at text, withdrawn_by text);
create trigger if not exists decision_stays before update on decision
  when old.withdrawn_at is not null or new.subjects <> old.subjects or new.kind <> old.kind
    or new.payload <> old.payload or new.steward <> old.steward or new.reason <> old.reason
  begin select raise(abort, 'a decision is never changed, only withdrawn'); end;
create trigger if not exists decision_remains before delete on decision
  begin select raise(abort, 'a decision is never deleted, only withdrawn'); end;
create table if not exists queue (
  entity text not null, left_source text not null, left_key text not null,
  right_source text not null, right_key text not null, match_weight real, verdict text not null,
  reason text not null, evidence text not null, said text not null, levels text not null,
  primary key (entity, left_source, left_key, right_source, right_key)) without rowid;
"""


@dataclass(frozen=True)
class Decision:
    """One decision. `subjects` are the source records it is about; what else it says is `payload`:
    value {"field", "value"}; split {"groups": [[subject, …], …]}; answer {"ticket", "field", "answer", "value"}: what
    the owner of the record says to a ticket about it."""

    kind: str
    entity: str
    subjects: tuple[SourceRecord, ...]
    reason: str
    steward: str = ""
    payload: tuple[tuple[str, object], ...] = ()
    evidence: str | None = None
    decision_id: int = 0
    decided_at: str = ""
    withdrawn_at: str | None = None


@dataclass(frozen=True)
class Waiting:
    """A pair that waits for a steward, and why.

    said    field -> what the left and the right record say, as they came
    levels  comparison -> the label of its level, and what it adds to the match weight
    """

    left: SourceRecord
    right: SourceRecord
    match_weight: float
    verdict: str
    reason: str
    evidence: str
    said: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    levels: Mapping[str, tuple[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Override:
    """A steward's value for one field of the golden record that holds `subject`."""

    subject: SourceRecord
    field: str
    value: str


class DecisionStore:
    """The decisions and the review queue of a workspace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, decision: Decision, seen: int | None = None) -> int:
        """Append a decision; gives its id.

        `seen` is the id of the last decision that the steward knew of: where somebody decided on the same records
        since, theirs stands and this one is refused. None: the last word counts.

        Raises:
            InputError: the decision does not make sense.
            RefusedError: somebody else was faster.
        """
        with self.writing() as db:
            if seen is not None:
                _refuse_overtaken(db, decision, seen)
            return self.append(db, [decision])[0]

    def add_all(self, decisions: Sequence[Decision]) -> list[int]:
        """Append decisions, all or none."""
        with self.writing() as db:
            return self.append(db, decisions)

    def append(self, db: sqlite3.Connection, decisions: Sequence[Decision]) -> list[int]:
        """Append decisions inside a transaction of `writing`; gives their ids."""
        for decision in decisions:
            _check(decision)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        ids = []
        for d in decisions:
            cursor = db.execute(
                "insert into decision (kind, entity, subjects, payload, steward, reason, evidence, decided_at) "
                "values (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    d.kind,
                    d.entity,
                    json.dumps(d.subjects, ensure_ascii=False),
                    json.dumps(dict(d.payload), ensure_ascii=False, sort_keys=True),
                    d.steward or getpass.getuser(),
                    d.reason,
                    d.evidence,
                    d.decided_at or now,
                ),
            )
            ids.append(int(cursor.lastrowid or 0))
        return ids

    def withdraw(self, decision_id: int, steward: str | None = None) -> None:
        """End a decision now; it stays readable. Raises NotFoundError where no live one has this id."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self.reading() as db:
            cursor = db.execute(
                "update decision set withdrawn_at = ?, withdrawn_by = ? where decision_id = ? and withdrawn_at is null",
                (now, steward or getpass.getuser(), decision_id),
            )
        if not cursor.rowcount:
            raise NotFoundError(f"no decision {decision_id} in force; 'shuyuan decide list' shows them")

    def entries(self, entity: str | None = None, withdrawn: bool = False) -> list[Decision]:
        """The decisions in force (or all of them), oldest first."""
        with self.reading() as db:
            found = db.execute(
                "select kind, entity, subjects, reason, steward, payload, evidence, decision_id, decided_at, "
                "withdrawn_at from decision where (? is null or entity = ?) and (? or withdrawn_at is null) "
                "order by decision_id",
                (entity, entity, withdrawn),
            ).fetchall()
        return [
            Decision(
                r[0],
                r[1],
                tuple((s, k) for s, k in json.loads(r[2])),
                r[3],
                r[4],
                tuple(json.loads(r[5]).items()),
                *r[6:],
            )
            for r in found
        ]

    def last_id(self) -> int:
        """The id of the last decision made; a manifest names it. Withdrawals count as well.

        Answers to tickets do not: no cluster and no value is a function of them.
        """
        with self.reading() as db:
            row = db.execute(
                "select coalesce(max(decision_id), 0), count(withdrawn_at) from decision where kind <> 'answer'"
            ).fetchone()
        return int(row[0]) + int(row[1])

    def replay(self, entity: str) -> list[Decided]:
        """What the decisions in force say about pairs of records; a later word on a pair replaces an earlier."""
        said: dict[tuple[SourceRecord, SourceRecord], Decided] = {}
        for decision in self.entries(entity):
            for kind, left, right in _pairs(decision):
                pair = (min(left, right), max(left, right))
                said.pop(pair, None)
                if kind == "same":
                    said[pair] = Decided("same", *pair, decision.decision_id)
                elif kind == "different":
                    said[pair] = Decided("different", *pair, decision.decision_id)
        return [said[pair] for pair in sorted(said)]

    def unsure(self, entity: str) -> set[tuple[SourceRecord, SourceRecord]]:
        """Pairs that a steward looked at and left open."""
        return {(min(d.subjects), max(d.subjects)) for d in self.entries(entity) if d.kind == "unsure"}

    def values(self, entity: str) -> list[Override]:
        """The stewards' values in force, the last one for each subject and field, in the order of decision."""
        found: dict[tuple[SourceRecord, str], Override] = {}
        for decision in self.entries(entity):
            if decision.kind == "value":
                said = dict(decision.payload)
                field, value = str(said["field"]), str(said["value"])
                found.pop((decision.subjects[0], field), None)
                found[decision.subjects[0], field] = Override(decision.subjects[0], field, value)
        return list(found.values())

    def fill_queue(self, entity: str, waiting: Iterable[Waiting]) -> int:
        """Replace what waits in `entity`, in one transaction; gives how many pairs wait."""
        rows = [
            (entity, *w.left, *w.right, w.match_weight, w.verdict, w.reason, w.evidence, _text(w.said), _text(w.levels))
            for w in waiting
        ]
        with self.reading() as db:
            db.execute("begin immediate")
            db.execute("delete from queue where entity = ?", (entity,))
            db.executemany("insert or replace into queue values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            db.execute("commit")
        return len(rows)

    def queue(self, entity: str | None = None, limit: int = -1) -> list[Waiting]:
        """Pairs that wait, the heaviest first."""
        with self.reading() as db:
            found = db.execute(
                "select left_source, left_key, right_source, right_key, match_weight, verdict, reason, evidence, "
                "said, levels "
                "from queue where ? is null or entity = ? "
                "order by match_weight desc, left_source, left_key, right_source, right_key limit ?",
                (entity, entity, limit),
            ).fetchall()
        return [
            Waiting((r[0], r[1]), (r[2], r[3]), r[4], r[5], r[6], r[7], _couples(r[8]), _couples(r[9])) for r in found
        ]

    def export_csv(self, path: Path, entity: str | None = None) -> int:
        """Write the decisions in force to `path`; gives how many."""
        found = self.entries(entity)
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for d in found:
                writer.writerow(
                    [
                        d.decision_id,
                        d.kind,
                        d.entity,
                        json.dumps(d.subjects, ensure_ascii=False),
                        json.dumps(dict(d.payload), ensure_ascii=False),
                        d.steward,
                        d.reason,
                        d.evidence or "",
                        d.decided_at,
                    ]
                )
        return len(found)

    def import_csv(self, path: Path) -> int:
        """Append the decisions of `path` that are not in force yet; all or, where one is wrong, none."""
        held = {(d.kind, d.entity, d.subjects, d.payload) for d in self.entries()}
        new = [d for d in _read_csv(path) if (d.kind, d.entity, d.subjects, d.payload) not in held]
        self.add_all(new)
        return len(new)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all that is written in the block is kept when it ends, none of it where it fails."""
        with self.reading() as db:
            db.execute("begin immediate")
            yield db
            db.execute("commit")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The database, closed when the block ends."""
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            db.execute("pragma journal_mode = wal")
            db.executescript(_SCHEMA)
            yield db
        finally:
            db.close()


def _refuse_overtaken(db: sqlite3.Connection, decision: Decision, seen: int) -> None:
    """RefusedError where a decision after `seen` is in force about the records of `decision`."""
    since = db.execute(
        "select decision_id, kind, steward, decided_at, subjects from decision "
        "where entity = ? and decision_id > ? and withdrawn_at is null and kind <> 'answer' order by decision_id",
        (decision.entity, seen),
    ).fetchall()
    for number, kind, steward, at, subjects in since:
        if {(source, key) for source, key in json.loads(subjects)} == set(decision.subjects):
            named = " and ".join("/".join(record) for record in decision.subjects)
            raise RefusedError(
                f"{named}: {steward} decided {kind!r} at {at} (decision {number}) while you looked at them; "
                "look again, and withdraw that decision if you know better"
            )


def _text(couples: Mapping[str, tuple[Any, Any]]) -> str:
    return json.dumps(couples, ensure_ascii=False)


def _couples(text: str) -> dict[str, tuple[Any, Any]]:
    return {name: (left, right) for name, (left, right) in json.loads(text).items()}


def _check(decision: Decision) -> None:
    payload = dict(decision.payload)
    if decision.kind not in KINDS:
        raise InputError(f"kind {decision.kind!r}: expected one of {', '.join(KINDS)}")
    if not decision.reason.strip():
        raise InputError("a decision needs a reason")
    count = len(set(decision.subjects))
    if decision.kind in ("same", "different", "unsure") and count != 2:
        raise InputError(f"{decision.kind!r} is about two different source records, found {count}")
    if decision.kind == "merge" and count < 2:
        raise InputError("'merge' needs two or more source records")
    if decision.kind == "value" and not ({"field", "value"} <= set(payload) and count == 1):
        raise InputError("'value' needs one source record and a payload with field and value")
    if decision.kind == "answer" and not (
        {"ticket", "field", "answer"} <= set(payload) and payload["answer"] in ANSWERS and count == 1
    ):
        raise InputError("'answer' needs one source record and a payload with ticket, field and answer")
    if decision.kind == "split" and "groups" not in payload:
        raise InputError("'split' needs a payload with groups of source records")


def _pairs(decision: Decision) -> Iterator[tuple[str, SourceRecord, SourceRecord]]:
    if decision.kind in ("same", "different", "unsure"):
        yield decision.kind, decision.subjects[0], decision.subjects[1]
    elif decision.kind == "merge":
        for left, right in zip(decision.subjects, decision.subjects[1:], strict=False):
            yield "same", left, right
    elif decision.kind == "split":
        groups: object = dict(decision.payload)["groups"]
        assert isinstance(groups, list)
        for one, other in combinations(groups, 2):
            for left, right in product(one, other):
                yield "different", (left[0], left[1]), (right[0], right[1])


def _read_csv(path: Path) -> Iterator[Decision]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        missing = {"kind", "entity", "subjects", "reason"} - set(reader.fieldnames or ())
        if missing:
            raise InputError(f"{path.name} line 1: column {sorted(missing)[0]!r} is missing; see 'decide export'")
        for row in reader:
            where = f"{path.name} line {reader.line_num}"
            subjects = tuple((str(s), str(k)) for s, k in _json(row["subjects"], f"{where} column subjects"))
            payload = _json(row.get("payload") or "{}", f"{where} column payload")
            decision = Decision(
                row["kind"],
                row["entity"],
                subjects,
                row["reason"],
                row.get("steward") or "",
                tuple(payload.items()),
                row.get("evidence") or None,
                0,
                row.get("decided_at") or "",
            )
            try:
                _check(decision)
            except InputError as error:
                raise InputError(f"{where}: {error}; nothing was imported") from None
            yield decision


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise InputError(f"{where}: not JSON ({text[:40]!r}); nothing was imported") from None
