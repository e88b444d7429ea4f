"""Pairs that measure stewards: some with a known answer, some that somebody else has answered already.

Reads: item, decision, item_event. Writes nothing; `queue.py` hands the pairs out and keeps what is answered.

A pair is drawn by the hash that is its key, so that nobody chose it and every run draws the same. What is answered is a
row of `decision` whose `blind` says what it measures, `control <known answer>` or `second <number of the decision>`; it
is kept and listed as any other and reaches neither linkage nor an export.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from golden_records.kappa import Agreement, agreement
from linkage import items
from linkage.decisions import PAIRED, Decision
from linkage.items import Item

SHARES = {"control": 0.05, "second": 0.10}  # of what a steward is handed
Part = tuple[str | None, str, list[str] | None]


@dataclass(frozen=True)
class Quality:
    """How well stewards agree: with the known answers (`known`, and by steward), and with each other (`second`).

    `apart` are the numbers of a decision and of the other answer to it, where the two differ.
    """

    known: Agreement
    second: Agreement
    stewards: dict[str, Agreement]
    apart: tuple[tuple[int, int], ...]


def due(db: sqlite3.Connection, steward: str, count: int, part: Part) -> list[tuple[Item, str]]:
    """The pairs that measure the steward, with what, as many as are due among the next `count`."""
    told = dict(db.execute(_HANDED, (steward,)).fetchall())
    total = sum(told.values()) + count
    entity, region, sources = part
    found: list[tuple[Item, str]] = []
    for what, share in SHARES.items():
        wanted = min(count - len(found), int(total * share) - told.get(what, 0))
        if wanted > 0:
            values = (steward, entity, region, as_list(sources) if sources is not None else None, wanted)
            keys = [key for (key,) in db.execute(_DRAWN[what], values).fetchall()]
            read = items.read(db, "i.item in (select value from json_each(?1))", as_list(keys))
            found += [(one, what) for one in read]
    return found


def measures(db: sqlite3.Connection, decision: Decision) -> str | None:
    """What a decision measures; None where it decides. It measures where the steward was handed the pair for that."""
    if decision.kind not in PAIRED:
        return None
    handed = db.execute(_HANDED_FOR, (decision.item, decision.steward)).fetchone()
    what = handed[0] if handed else None
    if what == "control":
        row = db.execute("select control from item where item = ?", (decision.item,)).fetchone()
    elif what == "second":
        row = db.execute(_FIRST, (decision.item, decision.steward)).fetchone()
    else:
        return None
    # What waits in earnest by now is decided in earnest.
    return f"{what} {row[0]}" if row and row[0] is not None else None


def quality(db: sqlite3.Connection, entity: str | None = None) -> Quality:
    """How far answers agree with the known ones and with each other (Cohen's kappa)."""
    known = db.execute(_KNOWN, (entity,)).fetchall()
    second = db.execute(_SECOND, (entity,)).fetchall()
    by: dict[str, list[tuple[str, str]]] = {}
    for steward, truth, said in known:
        by.setdefault(steward, []).append((truth, said))
    return Quality(
        agreement([(truth, said) for _, truth, said in known]),
        agreement([(one, other) for one, other, _, _ in second]),
        {steward: agreement(answers) for steward, answers in sorted(by.items())},
        tuple((first, other) for one, said, first, other in second if one != said),
    )


def as_list(values: Iterable[str]) -> str:
    """Texts as a JSON list, which SQLite takes for a table."""
    return json.dumps(list(values), ensure_ascii=False)


_HANDED = """
select coalesce(reason, ''), count(distinct item) from item_event
where steward = ? and kind in ('claimed', 'assigned') group by 1"""

_HANDED_FOR = """
select reason from item_event where item = ? and steward = ? and kind in ('claimed', 'assigned')
order by event_id desc limit 1"""

_FIRST = """
select a.decision_id from answered as a join decision as d using (decision_id)
where a.item = ? and d.steward <> ? and d.kind in ('same', 'different', 'unsure')"""

_FITS = """
  and (?2 is null or i.entity = ?2) and substr(i.region, 1, length(?3)) = ?3
  and (?4 is null or exists (select 1 from json_each(i.subjects) as s
    where i.entity || '/' || json_extract(s.value, '$[0]') in (select value from json_each(?4))))
  and not exists (select 1 from item_event as e where e.item = i.item and e.steward = ?1
                  and e.kind in ('claimed', 'assigned'))
order by i.item limit ?5"""

_DRAWN = {
    "control": "select i.item from item as i where i.control is not null and i.closed_because is null " + _FITS,
    "second": """
select i.item from item as i join answered as a using (item) join decision as d using (decision_id)
where d.steward <> ?1 and d.kind in ('same', 'different', 'unsure') and d.evidence = i.evidence
  and not exists (select 1 from item_event as e where e.item = i.item and e.reason = 'second')"""
    + _FITS,
}

_KNOWN = """
select steward, substr(blind, 9), kind from decision
where blind like 'control %' and withdrawn_at is null and (?1 is null or entity = ?1) order by decision_id"""

_SECOND = """
select f.kind, d.kind, f.decision_id, d.decision_id
from decision as d join decision as f on f.decision_id = cast(substr(d.blind, 8) as integer)
where d.blind like 'second %' and d.withdrawn_at is null and (?1 is null or d.entity = ?1) order by d.decision_id"""
