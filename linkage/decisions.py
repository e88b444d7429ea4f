"""What stewards decided, and what waits for them: append-only, in SQLite, written by many at once.

A decision names source records as (source, source_key), never ids that a re-run renumbers. It is withdrawn
by a time stamp, never deleted, and is replayed in every run. `evidence` is the hash of what the steward saw;
where that changed, the decision stands and is put to stewards again. One that `needs` a second person counts
from the moment on which another one confirms it.
"""

from __future__ import annotations

import getpass
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import combinations, product
from pathlib import Path
from typing import Any

from linkage import items
from linkage.decided import Decided, SourceRecord
from linkage.decision_schema import item_key, opened, transaction
from linkage.items import Waiting
from rules.errors import InputError, NotFoundError, RefusedError

PAIRED = ("same", "different", "unsure")
KINDS = (*PAIRED, "value", "split", "merge", "pin", "answer", "unmask")
ASIDE = ("answer", "unmask")  # no cluster and no value is a function of these
ANSWERS = ("corrected", "upheld", "rejected")
# SQL over `said`: what counts, or may come to count when a second person confirms it.
COUNTED = f"kind not in ({', '.join(repr(kind) for kind in ASIDE)}) and blind is null"
_COLUMNS = (
    "kind, entity, subjects, reason, steward, payload, evidence, decision_id, decided_at, withdrawn_at, needs, second, "
    "state"
)


@dataclass(frozen=True)
class Decision:
    """One decision. `subjects` are the source records it is about; what else it says is `payload`:
    value {"field", "value"}; split {"groups": [[subject, …], …]}; answer {"ticket", "field", "answer", "value"}: what
    the owner of the record says to a ticket about it; unmask {"until"}: clear text of these records until then.

    needs   why a second person must confirm it (None: nobody must); second  who did
    state   in force, proposed (a second person is missing) or withdrawn
    """

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
    needs: str | None = None
    second: str | None = None
    state: str = "in force"

    @property
    def item(self) -> str:
        """The key of what waits, or would wait, for it."""
        return item_key(self.entity, self.subjects, str(dict(self.payload).get("field", "")))


@dataclass(frozen=True)
class Taken:
    """How far the decisions had come: the last one, and how many had been withdrawn and confirmed. None is ever undone,
    so it says which of them were in force (see decisions_then.py)."""

    last: int
    withdrawn: int
    confirmed: int


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
                refuse_overtaken(db, decision, seen)
            return self.append(db, [decision])[0]

    def add_all(self, decisions: Sequence[Decision]) -> list[int]:
        """Append decisions, all or none."""
        with self.writing() as db:
            return self.append(db, decisions)

    def append(self, db: sqlite3.Connection, decisions: Sequence[Decision], blind: str | None = None) -> list[int]:
        """Append decisions inside a transaction of `writing`; gives their ids.

        Without evidence of its own a decision has that of what waits for it. `blind` ones measure stewards: they are
        kept and listed as others and never count.
        """
        for decision in decisions:
            check(decision)
        ids = []
        for d in decisions:
            steward, key = d.steward or getpass.getuser(), d.item
            cursor = db.execute(
                "insert into decision (kind, entity, subjects, payload, steward, reason, evidence, decided_at, needs, "
                "blind, item) values (?, ?, ?, ?, ?, ?, "
                "coalesce(?, (select evidence from item where item = ? and closed_because is null)), ?, ?, ?, ?)",
                (
                    d.kind,
                    d.entity,
                    json.dumps(d.subjects, ensure_ascii=False),
                    json.dumps(dict(d.payload), ensure_ascii=False, sort_keys=True),
                    steward,
                    d.reason,
                    d.evidence,
                    key,
                    d.decided_at or now_text(),
                    d.needs,
                    blind,
                    key,
                ),
            )
            ids.append(int(cursor.lastrowid or 0))
            if d.needs and d.second:
                second = (ids[-1], d.second, d.reason, d.decided_at or now_text())
                db.execute("insert into confirmation values (?, ?, ?, ?)", second)
        return ids

    def confirm(self, decision_id: int, steward: str, reason: str) -> None:
        """Let a proposed decision count, as a second person.

        Raises:
            InputError: no reason was given.
            NotFoundError: no decision of this id waits for a second person.
            RefusedError: it is the steward's own, or somebody decided on the same records since.
        """
        if not reason.strip():
            raise InputError("a confirmation needs a reason")
        with self.writing() as db:
            found = _read(db, "decision_id = ? and state = 'proposed' and blind is null", decision_id)
            if not found:
                raise NotFoundError(f"no decision {decision_id} waits for a second person; 'shuyuan decide list' tells")
            if found[0].steward == steward:
                raise RefusedError(f"decision {decision_id} is {steward}'s own; a second, different person confirms it")
            refuse_overtaken(db, found[0], decision_id)
            db.execute("insert into confirmation values (?, ?, ?, ?)", (decision_id, steward, reason, now_text()))

    def withdraw(self, decision_id: int, steward: str | None = None) -> None:
        """End a decision now; it stays readable. Raises NotFoundError where no live one has this id."""
        with self.reading() as db:
            cursor = db.execute(
                "update decision set withdrawn_at = ?, withdrawn_by = ? where decision_id = ? and withdrawn_at is null",
                (now_text(), steward or getpass.getuser(), decision_id),
            )
        if not cursor.rowcount:
            raise NotFoundError(f"no decision {decision_id} in force; 'shuyuan decide list' shows them")

    def entries(self, entity: str | None = None, withdrawn: bool = False) -> list[Decision]:
        """The decisions in force, oldest first; or, with `withdrawn`, all that ever counted or may come to count."""
        with self.reading() as db:
            return _read(
                db,
                "(?1 is null or entity = ?1) and (?2 or state = 'in force') and blind is null",
                *(entity, withdrawn),
            )

    def listed(self, entity: str | None = None, withdrawn: bool = False) -> list[Decision]:
        """What stewards are shown: all that was decided and not withdrawn, whether it counts or not, oldest first."""
        with self.reading() as db:
            return _read(db, "(?1 is null or entity = ?1) and (?2 or state <> 'withdrawn')", entity, withdrawn)

    def proposed(self, entity: str | None = None) -> list[Decision]:
        """The decisions that wait for a second person, oldest first."""
        with self.reading() as db:
            return _read(db, "(?1 is null or entity = ?1) and state = 'proposed' and blind is null", entity)

    def one(self, decision_id: int) -> Decision:
        """One decision, whatever became of it (NotFoundError: there is none)."""
        with self.reading() as db:
            found = _read(db, "decision_id = ?1", decision_id)
        if not found:
            raise NotFoundError(f"there is no decision {decision_id}; 'shuyuan decide list' shows them")
        return found[0]

    def last_id(self) -> int:
        """A number that grows with every decision, withdrawal and confirmation that counts; a manifest names it."""
        said = self.taken()
        return said.last + said.withdrawn + said.confirmed

    def taken(self) -> Taken:
        """How far the decisions that count have come.

        Answers to tickets and leave to see clear text do not count: no cluster and no value is a function of them.
        """
        with self.reading() as db:
            row = db.execute(
                "select coalesce(max(decision_id), 0), count(withdrawn_at), count(second) from said "
                f"where {COUNTED} and (needs is null or second is not null)"
            ).fetchone()
        return Taken(*row)

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

    def pinned(self, entity: str) -> set[SourceRecord]:
        """The records of pinned entities: only decisions join anything to them."""
        return {one for d in self.entries(entity) if d.kind == "pin" for one in d.subjects}

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

    def stamp(self, evidence: Mapping[int, str]) -> None:
        """Keep what the records said when decisions that name no evidence were first taken in."""
        with self.writing() as db:
            rows = [(number, said, now_text()) for number, said in evidence.items()]
            db.executemany("insert or ignore into decision_evidence values (?, ?, ?)", rows)

    def fill_queue(
        self,
        entity: str,
        waiting: Iterable[Waiting],
        dates: tuple[date, date] | None = None,
        why_gone: items.WhyGone = items.settled,
    ) -> int:
        """Let the queue of `entity` be what waits now; gives how many items wait for a steward, controls aside.

        `dates` are the days on which what is new opens and is due; `why_gone` says why what is left out does not wait
        any more.
        """
        with self.writing() as db:
            return items.fill(db, entity, list(waiting), dates or (date.today(), date.today()), why_gone)

    def queue(self, entity: str | None = None, limit: int = -1) -> list[Waiting]:
        """What waits and nobody answered yet, the most valuable first."""
        with self.reading() as db:
            return [one.waiting for one in items.open_items(db, entity=entity, controls=False, limit=limit)]

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all that is written in the block is kept when it ends, none of it where it fails."""
        with self.reading() as db, transaction(db):
            yield db

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The database, closed when the block ends."""
        with opened(self.path) as db:
            yield db


def refuse_overtaken(db: sqlite3.Connection, decision: Decision, seen: int) -> None:
    """RefusedError where a decision after `seen` is in force, or proposed, about the records of `decision`."""
    since = _read(db, "item = ?1 and decision_id > ?2 and state <> 'withdrawn' and blind is null", decision.item, seen)
    for other in since:
        if other.kind in ASIDE:
            continue
        named = " and ".join("/".join(record) for record in decision.subjects)
        raise RefusedError(
            f"{named}: {other.steward} decided {other.kind!r} at {other.decided_at} (decision {other.decision_id}) "
            "while you looked at them; look again, and withdraw that decision if you know better"
        )


def check(decision: Decision) -> None:
    """InputError where a decision does not make sense."""
    for _, problem in wrong(decision):
        raise InputError(problem)


def wrong(decision: Decision) -> Iterator[tuple[str, str]]:
    """What does not make sense in a decision: the column of a file of decisions, and a sentence."""
    kind, payload, count = decision.kind, dict(decision.payload), len(set(decision.subjects))
    if kind not in KINDS:
        yield "kind", f"kind {kind!r}: expected one of {', '.join(KINDS)}"
    if not decision.reason.strip():
        yield "reason", "a decision needs a reason"
    if kind in PAIRED and count != 2:
        yield "subjects", f"{kind!r} is about two different source records, found {count}"
    if kind == "merge" and count < 2:
        yield "subjects", "'merge' needs two or more source records"
    if kind in ("pin", "unmask") and not count:
        yield "subjects", f"{kind!r} needs a source record"
    if kind in ("value", "answer") and count != 1:
        yield "subjects", f"{kind!r} is about one source record, found {count}"
    if kind == "value" and not {"field", "value"} <= set(payload):
        yield "payload", "'value' needs a payload with field and value"
    if kind == "answer" and not ({"ticket", "field", "answer"} <= set(payload) and payload["answer"] in ANSWERS):
        yield "payload", "'answer' needs a payload with ticket, field and answer"
    if kind == "split" and not _whole(payload.get("groups"), decision.subjects):
        yield "payload", "'split' needs two or more groups that hold each of its source records once"


def _whole(groups: object, subjects: Sequence[SourceRecord]) -> bool:
    """Whether groups are two or more and hold every subject once, and nothing else."""
    try:
        named = [(source, key) for group in groups for source, key in group]  # type: ignore[attr-defined]
        return len(groups) > 1 and all(groups) and sorted(named) == sorted(set(subjects))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _read(db: sqlite3.Connection, condition: str, *values: Any) -> list[Decision]:
    """The decisions for which a condition over `said` holds, oldest first."""
    found = db.execute(f"select {_COLUMNS} from said where {condition} order by decision_id", values).fetchall()
    return [
        Decision(
            r[0],
            r[1],
            tuple((source, key) for source, key in json.loads(r[2])),
            r[3],
            r[4],
            tuple(json.loads(r[5]).items()),
            *r[6:],
        )
        for r in found
    ]


def _pairs(decision: Decision) -> Iterator[tuple[str, SourceRecord, SourceRecord]]:
    if decision.kind in PAIRED:
        yield decision.kind, decision.subjects[0], decision.subjects[1]
    elif decision.kind in ("merge", "pin"):
        for left, right in zip(decision.subjects, decision.subjects[1:], strict=False):
            yield "same", left, right
    elif decision.kind == "split":
        groups: object = dict(decision.payload)["groups"]
        assert isinstance(groups, list)
        for one, other in combinations(groups, 2):
            for left, right in product(one, other):
                yield "different", (left[0], left[1]), (right[0], right[1])


def now_text() -> str:
    """The time of now, as the store keeps it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
