"""The decisions as a release knew them: what was said, withdrawn or confirmed later is left out.

Reads: decision, confirmation, decision_evidence. Writes: the same tables of a new database.

Numbers of decisions only grow, and what was withdrawn or confirmed stays so. So the last number, and how many had been
withdrawn and confirmed (`Taken`), say what a release knew, whatever the clocks of those who decided showed: of the
decisions up to that number, the first so many withdrawals and confirmations had been made. What never counts in a
release (a proposal, an answer, clear text) goes by its time.
"""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from linkage.decision_schema import copy_to, opened
from linkage.decisions import COUNTED, DecisionStore, Taken
from rules.errors import RefusedError


def copy_as_of(source: Path, target: Path, taken: Taken, at: str) -> DecisionStore:
    """Make `target`, a store of the decisions that a release of the time `at` knew, from the store `source`.

    Raises:
        RefusedError: `source` does not hold that many.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        copy = Path(scratch) / "held.sqlite"
        copy_to(source, copy)
        with opened(copy):  # brings a layout of before up to date
            pass
        with opened(target) as db:
            db.execute("attach ? as held", (str(copy),))
            _take(db, taken, at)
            db.execute("detach held")
    store = DecisionStore(target)
    if store.taken() != taken:
        raise RefusedError(
            f"the decisions are not those of the release: it knew {_said(taken)}, "
            f"of these there are {_said(store.taken())}"
        )
    return store


def _take(db: sqlite3.Connection, taken: Taken, at: str) -> None:
    known = {"last": taken.last, "withdrawn": taken.withdrawn, "confirmed": taken.confirmed, "at": at}
    for statement in (_CONFIRMED, _ENDED, _DECISIONS, *_BESIDE):
        names = {name: value for name, value in known.items() if f":{name}" in statement}
        db.execute(statement, names)


def _said(taken: Taken) -> str:
    return f"{taken.last} decisions, {taken.withdrawn} withdrawn, {taken.confirmed} confirmed"


_CONFIRMED = f"""
create temp table was_confirmed as
select c.* from held.confirmation as c join held.said using (decision_id)
where decision_id <= :last and {COUNTED} order by c.confirmed_at, decision_id limit :confirmed"""

_ENDED = f"""
create temp table was_withdrawn as
select decision_id from held.said
where decision_id <= :last and {COUNTED} and withdrawn_at is not null
  and (needs is null or decision_id in (select decision_id from was_confirmed))
order by withdrawn_at, decision_id limit :withdrawn"""

# Behind the last that counted only what did not count: a proposal, unless it came confirmed from elsewhere.
_DECISIONS = f"""
insert into decision
select d.decision_id, d.kind, d.entity, d.subjects, d.payload, d.steward, d.reason, d.evidence, d.decided_at,
       iif(s.gone, d.withdrawn_at, null), iif(s.gone, d.withdrawn_by, null), d.needs, d.blind, d.item
from held.decision as d
join (
    select decision_id,
           decision_id in (select decision_id from was_withdrawn)
           or withdrawn_at <= :at and not ({COUNTED} and (needs is null
              or decision_id in (select decision_id from was_confirmed))) as gone
    from held.said
) as s using (decision_id)
left join held.confirmation as c using (decision_id)
where d.decision_id <= :last
   or d.decided_at <= :at and (not ({COUNTED}) or d.needs is not null and ifnull(c.confirmed_at > d.decided_at, true))
order by d.decision_id"""

_BESIDE = (
    "insert into confirmation select * from was_confirmed",
    "insert into decision_evidence select * from held.decision_evidence "
    "where decision_id in (select decision_id from decision)",
    "drop table was_confirmed",
    "drop table was_withdrawn",
)
