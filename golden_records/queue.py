"""The review queue and the decisions of a workspace, as stewards work with them: one face for all who ask.

Reads: item, decision, the current release. Writes: decision, confirmation, item_event, audit (SQLite).

What waits is worked out by `link` and ordered there (linkage/items.py). A steward claims the next items for some hours,
answers them, and takes an answer back by withdrawing it. Among what is claimed are, never marked as such, pairs with a
known answer and pairs that somebody else has answered; what is answered to these measures stewards and decides nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from golden_records import blind
from golden_records.blind import Quality, as_list
from golden_records.second_person import needs_second
from linkage import items
from linkage.audit_trail import AuditTrail
from linkage.decided import SourceRecord
from linkage.decisions import Decision, DecisionStore
from linkage.items import Item
from linkage.workspace import Workspace
from rules.errors import InputError, NotFoundError, RefusedError
from rules.model import EntityRules, Rules

CLAIM_HOURS = 8
UNMASK_HOURS = 8
MOST = 500  # items that a steward may hold


@dataclass(frozen=True)
class Where:
    """Which part of the queue: an entity type, a region by the beginning of its code, a line of business (zh or en)."""

    entity: str | None = None
    region: str = ""
    line: str | None = None


@dataclass(frozen=True)
class Receipt:
    """What became of a decision: its number, and why it waits for a second person (None: it counts)."""

    number: int
    needs: str | None


class Queue:
    """What waits and what is decided. `clock` gives the time (UTC); who is asking comes from outside."""

    def __init__(self, ws: Workspace, rules: Rules, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.ws = ws
        self.rules = rules
        self.clock = clock
        self.store = DecisionStore(ws.decisions)

    # ── what waits ──────────────────────────────────────────────────────────────────────────────────

    def items(self, where: Where = Where(), limit: int = -1) -> list[Item]:
        """What waits and nobody answered, with who holds it: the overdue first, then by the value of an answer.

        Raises:
            NotFoundError: the rules know no such entity type or line of business.
        """
        with self.store.reading() as db:
            found = items.open_items(db, *self._part(where), controls=False, limit=limit, day=self._today())
            return [self._holder(db, one) for one in found]

    def claim(self, steward: str, count: int, where: Where = Where(), hours: float = CLAIM_HOURS) -> list[Item]:
        """Hold the next `count` items that nobody holds for some hours; gives them in the order of the queue.

        Raises:
            InputError: no steward is named, or the count is not positive.
            RefusedError: the steward would hold more than `MOST`.
        """
        if not steward or count < 1:
            raise InputError("a claim needs a steward and a count of 1 or more")
        with self.store.writing() as db:
            if len(self._held(db, steward)) + count > MOST:
                raise RefusedError(f"{steward} would hold more than {MOST} items; answer or release some first")
            part = self._part(where)
            taken: list[tuple[Item, str | None]] = [*blind.due(db, steward, count, part)]
            left = count - len(taken)
            free = items.open_items(db, *part, controls=False, limit=left, day=self._today(), free_at=self._now())
            taken += [(one, None) for one in free]
            until = self._text(self.clock() + timedelta(hours=hours))
            for one, why in taken:
                self._note(db, one.item, "claimed", steward, until, why, steward)
        self._audit("claim", steward, {"count": len(taken), "until": until})
        return sorted((_shown(one, steward, until) for one, _ in taken), key=_order)

    def held(self, steward: str) -> list[Item]:
        """What a steward holds now and has not answered, in the order of the queue."""
        with self.store.reading() as db:
            return sorted(self._held(db, steward), key=_order)

    def item(self, key: str, steward: str) -> Item:
        """One item, as `steward` may see it: what waits, and what was handed out (NotFoundError: neither)."""
        with self.store.reading() as db:
            held = [one for one in self._held(db, steward) if one.item == key]
            waiting = held or items.read(
                db,
                "i.item = ?1 and i.closed_because is null and i.control is null and i.item not in (select item from "
                "answered)",
                key,
            )
            if not waiting:
                raise NotFoundError(f"nothing with the key {key!r} waits")
            return held[0] if held else self._holder(db, waiting[0])

    def answer_to(self, key: str) -> Decision | None:
        """The decision that answers an item, None where none does."""
        with self.store.reading() as db:
            found = db.execute("select max(decision_id) from answered where item = ?", (key,)).fetchone()
        return self.store.one(found[0]) if found[0] else None

    def release(self, steward: str, keys: Iterable[str] = ()) -> int:
        """Give back items, all that the steward holds where none is named; gives how many."""
        with self.store.writing() as db:
            wanted = set(keys)
            mine = [one for one in self._held(db, steward) if not wanted or one.item in wanted]
            for one in mine:
                self._note(db, one.item, "released", steward, None, None, steward)
        return len(mine)

    def assign(self, keys: Sequence[str], steward: str, by: str, until: datetime) -> int:
        """Let `steward` hold items until a time, whoever held them before; gives how many.

        Raises:
            NotFoundError: one of them does not wait.
        """
        with self.store.writing() as db:
            waiting = {one.item for one in items.open_items(db)}
            for key in keys:
                if key not in waiting:
                    raise NotFoundError(f"nothing with the key {key!r} waits; 'shuyuan review --json' shows the keys")
                for (other,) in db.execute("select steward from held where item = ?", (key,)).fetchall():
                    self._note(db, key, "released", other, None, None, by)
                self._note(db, key, "assigned", steward, self._text(until), None, by)
        self._audit("assign", by, {"to": steward, "items": list(keys)})
        return len(keys)

    def closed(self, entity: str | None = None, limit: int = 20) -> list[tuple[Item, str]]:
        """What closed by itself because a run made it pointless, with when, the last first (see `items.CLOSED`)."""
        with self.store.reading() as db:
            return list(items.closed(db, entity, limit))

    # ── decisions ───────────────────────────────────────────────────────────────────────────────────

    def decide(self, decision: Decision, seen: str | None = None) -> Receipt:
        """Keep a decision; where it needs a second person it is proposed only.

        `seen` is the evidence of the item that the steward looked at: somebody who answered it meanwhile, or a run that
        found its records changed, refuses the decision. Without it the last word counts.

        Raises:
            InputError: the decision does not make sense.
            NotFoundError: the rules know no such entity type.
            RefusedError: somebody else holds what it answers, or was faster.
        """
        decision = replace(decision, needs=self.needs_second(decision))
        with self.store.writing() as db:
            measured = blind.measures(db, decision)
            if measured is None:
                self._refuse_late(db, decision, seen)
            number = self.store.append(db, [decision], measured)[0]
        detail = {"decision_id": number, "kind": decision.kind, "entity": decision.entity}
        self._audit("decide", decision.steward, detail)
        return Receipt(number, decision.needs)

    def again(self, number: int, steward: str, reason: str) -> Receipt:
        """Make a decision anew on what its records say now (NotFoundError: none in force has this number)."""
        found = [d for d in self.store.entries() if d.decision_id == number]
        if not found:
            raise NotFoundError(f"no decision {number} in force; 'shuyuan decide list' shows them")
        old = found[0]
        return self.decide(Decision(old.kind, old.entity, old.subjects, reason, steward, old.payload))

    def needs_second(self, decision: Decision) -> str | None:
        """Why a second, different person must confirm a decision; None where one person is enough."""
        return needs_second(self.ws, self._entity(decision.entity), decision)

    def pending(self, entity: str | None = None) -> list[Decision]:
        """The decisions that wait for a second person, oldest first."""
        return self.store.proposed(entity)

    def confirm(self, number: int, steward: str, reason: str) -> None:
        """Let a proposed decision count, as a second, different person (see `DecisionStore.confirm`)."""
        self.store.confirm(number, steward, reason)
        self._audit("confirm", steward, {"decision_id": number})

    def withdraw(self, number: int, steward: str) -> None:
        """End a decision, or take an answer back; it stays readable (NotFoundError: none has this number)."""
        self.store.withdraw(number, steward or None)
        self._audit("withdraw", steward, {"decision_id": number})

    def ask_clear_text(self, entity: str, subjects: Sequence[SourceRecord], steward: str, purpose: str) -> Receipt:
        """Ask a second person for leave to see the clear text of records for `UNMASK_HOURS`."""
        until = self._text(self.clock() + timedelta(hours=UNMASK_HOURS))
        return self.decide(Decision("unmask", entity, tuple(subjects), purpose, steward, (("until", until),)))

    def may_unmask(self, entity: str, subjects: Sequence[SourceRecord], steward: str) -> bool:
        """Whether a second person let the steward see the clear text of all these records now."""
        allowed = {
            subject
            for d in self.store.entries(entity)
            if d.kind == "unmask" and d.steward == steward and str(dict(d.payload)["until"]) > self._now()
            for subject in d.subjects
        }
        return set(subjects) <= allowed

    # ── how well stewards agree ─────────────────────────────────────────────────────────────────────

    def quality(self, entity: str | None = None) -> Quality:
        """How far answers agree with the known ones and with each other (Cohen's kappa)."""
        with self.store.reading() as db:
            return blind.quality(db, entity)

    # ── within a transaction ────────────────────────────────────────────────────────────────────────

    def _held(self, db: sqlite3.Connection, steward: str) -> list[Item]:
        rows = db.execute(_HELD, (steward, self._now())).fetchall()
        until = dict(rows)
        found = items.read(db, "i.item in (select value from json_each(?1))", as_list(until))
        return [_shown(one, steward, until[one.item]) for one in found]

    def _refuse_late(self, db: sqlite3.Connection, decision: Decision, seen: str | None) -> None:
        """RefusedError where somebody else holds what a decision answers, or was faster than one who saw `seen`."""
        named = " and ".join("/".join(record) for record in decision.subjects)
        other = db.execute(
            "select steward, until from held where item = ? and steward <> ? and until > ? and exists "
            "(select 1 from item as i where i.item = held.item and i.closed_because is null and i.control is null)",
            (decision.item, decision.steward, self._now()),
        ).fetchone()
        done = db.execute(
            "select s.decision_id, s.steward, s.kind, s.decided_at from answered join said as s using (decision_id) "
            "where answered.item = ? order by s.decision_id desc limit 1",
            (decision.item,),
        ).fetchone()
        if seen is not None and done is not None:
            raise RefusedError(
                f"{named}: {done[1]} decided {done[2]!r} at {done[3]} (decision {done[0]}) while you looked at them; "
                "look again, and withdraw that decision if you know better"
            )
        if other is not None and done is None:
            raise RefusedError(f"{named}: {other[0]} holds this until {other[1]}; take another one")
        if seen is not None:
            now = db.execute(
                "select evidence from item where item = ? and closed_because is null", (decision.item,)
            ).fetchone()
            if now is None or now[0] != seen:
                what = "does not wait any more" if now is None else "says something else than you saw"
                raise RefusedError(f"{named}: {what} since the last run; look again")

    def _holder(self, db: sqlite3.Connection, one: Item) -> Item:
        row = db.execute("select steward, until from held where item = ? and until > ?", (one.item, self._now()))
        steward, until = row.fetchone() or (None, None)
        return replace(one, steward=steward, until=until)

    def _part(self, where: Where) -> tuple[str | None, str, list[str] | None]:
        """The arguments of `items.open_items` for a part of the queue."""
        if where.entity is not None:
            self._entity(where.entity)
        if where.line is None:
            return where.entity, where.region, None
        lines = {
            f"{name}/{source}": said.line
            for name, one in self.rules.entities.items()
            for source, said in one.sources.sources.items()
        }
        known = {name for line in lines.values() if line for name in (line.zh, line.en)}
        if where.line not in known:
            raise NotFoundError(f"no line of business {where.line!r}; the rules have {', '.join(sorted(known))}")
        return where.entity, where.region, [k for k, line in lines.items() if line and where.line in (line.zh, line.en)]

    def _entity(self, name: str) -> EntityRules:
        if name not in self.rules.entities:
            raise NotFoundError(f"no entity type {name!r}; the rules have {', '.join(self.rules.entities)}")
        return self.rules.entities[name]

    def _note(
        self, db: sqlite3.Connection, key: str, kind: str, steward: str, until: str | None, why: str | None, by: str
    ) -> None:
        db.execute(
            "insert into item_event (item, kind, steward, until, reason, actor, at) values (?, ?, ?, ?, ?, ?, ?)",
            (key, kind, steward, until, why, by, self._now()),
        )

    def _audit(self, action: str, steward: str, detail: dict[str, object]) -> None:
        AuditTrail(self.ws.decisions).append(action, detail, steward or None)

    def _now(self) -> str:
        return self._text(self.clock())

    def _today(self) -> str:
        return self._now()[:10]

    def _text(self, at: datetime) -> str:
        return at.astimezone(UTC).isoformat(timespec="seconds")


def _shown(one: Item, steward: str, until: str) -> Item:
    """An item as it is handed to a steward: nothing in it tells what it measures."""
    return replace(one, waiting=replace(one.waiting, control=None), closed_because=None, steward=steward, until=until)


def _order(one: Item) -> tuple[float, float, str]:
    return -one.waiting.worth.value, -(one.waiting.match_weight or 0.0), one.item


# What a steward holds and has not answered: what waits still, and what measures.
_HELD = """
select h.item, h.until from held as h join item as i using (item)
where h.steward = ?1 and h.until > ?2
  and not exists (select 1 from decision as d where d.item = h.item and d.steward = ?1 and d.withdrawn_at is null
                  and d.kind not in ('answer', 'unmask')
                  and (d.evidence is null or d.evidence = i.evidence))
  and (h.reason is not null or (i.closed_because is null
       and not exists (select 1 from answered as a where a.item = h.item)))"""
