"""What waits for a steward: items that every run works out anew, in the order of what an answer is worth.

Reads: decision. Writes: item, item_event (SQLite; see sql/decision.sql).

    value = closeness × (records that would move + attributes in dispute + 3 × events that wait)

closeness  2^(-|weight - accept| / h), h half the width of the zone of doubt (at least 1): 1 at the line, ½ one h away
moved      the records of the smaller of the two clusters: as many would change their golden record
disputed   the golden fields in which both records say something and not the same
events     the events of the life cycle that records of one side tell of and none of the other: a death that has not
           reached the golden record counts three times as much as a differing attribute

A decision whose evidence changed has closeness 1. What nobody answered for longer than it was due goes first.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from linkage.decided import SourceRecord
from linkage.decision_schema import item_key

EVENT_COUNTS = 3
CLOSED = ("answered", "together", "withdrawn", "unlikely", "apart", "settled")


@dataclass(frozen=True)
class Worth:
    """What the value of an answer is made of (see above); `disputed` names fields, `events` events."""

    closeness: float = 0.0
    moved: int = 0
    disputed: tuple[str, ...] = ()
    events: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        """The value of an answer."""
        return round(self.closeness * (self.moved + len(self.disputed) + EVENT_COUNTS * len(self.events)), 4)

    def __str__(self) -> str:
        disputed = f" ({', '.join(self.disputed)})" if self.disputed else ""
        events = f" ({', '.join(self.events)})" if self.events else ""
        return (
            f"{self.value:.2f} = {self.closeness:.2f} close to the line × ({self.moved} records would move + "
            f"{len(self.disputed)} attributes differ{disputed} + "
            f"{EVENT_COUNTS} × {len(self.events)} events wait{events})"
        )


@dataclass(frozen=True)
class Waiting:
    """A pair that waits for a steward, or a decision that is put again (`about`), and why.

    said    field -> what the left and the right record say, as they came
    levels  comparison -> the label of its level, and what it adds to the match weight
    region  the region that holds both, "" where none is known or none below the whole does
    also    the further records of a decision about more than two
    control the answer, where it is known and stewards are to be measured by it
    found_by the blocking rule that made the pair
    """

    left: SourceRecord
    right: SourceRecord
    match_weight: float | None
    verdict: str
    reason: str
    evidence: str
    said: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    levels: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    worth: Worth = Worth()
    region: str = ""
    about: int | None = None
    also: tuple[SourceRecord, ...] = ()
    control: str | None = None
    field: str = ""
    found_by: str | None = None

    @property
    def subjects(self) -> tuple[SourceRecord, ...]:
        """The records that it is about, each once."""
        return tuple(dict.fromkeys((self.left, self.right, *self.also)))


@dataclass(frozen=True)
class Item:
    """Something that waits, with its key, the days on which it opened and is due, and who holds it until when (UTC)."""

    item: str
    entity: str
    waiting: Waiting
    opened_on: str
    due: str
    closed_because: str | None = None
    steward: str | None = None
    until: str | None = None


WhyGone = Callable[[Sequence[Item]], Mapping[str, str]]


def settled(gone: Sequence[Item]) -> Mapping[str, str]:
    """Why items do not wait any more, where nobody knows better."""
    return {one.item: "settled" for one in gone}


def fill(
    db: sqlite3.Connection, entity: str, waiting: Sequence[Waiting], dates: tuple[date, date], why_gone: WhyGone
) -> int:
    """Open what waits now and was not open, close what does not wait any more; gives how many wait, controls aside."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    keyed = {item_key(entity, one.subjects, one.field): one for one in waiting}
    was = db.execute("select item from item where entity = ? and closed_because is null", (entity,)).fetchall()
    lost = json.dumps([key for (key,) in was if key not in keyed])
    gone = read(db, "i.item in (select value from json_each(?))", lost)
    answered = db.execute(
        "select item from answered where item in (select value from json_each(?))", (lost,)
    ).fetchall()
    because = {**why_gone(gone), **{key: "answered" for (key,) in answered}}
    db.executemany(
        "update item set closed_because = ?, closed_at = ? where item = ?",
        [(because[one.item], now, one.item) for one in gone],
    )
    db.executemany(
        "insert into item_event (item, kind, steward, reason, actor, at) values (?, 'closed', '', ?, '', ?)",
        [(one.item, because[one.item], now) for one in gone if one.waiting.control is None],
    )
    opened_on, due = (day.isoformat() for day in dates)
    db.executemany(_PUT, [(*_row(key, entity, one), opened_on, due) for key, one in keyed.items()])
    return sum(one.control is None for one in keyed.values())


def open_items(
    db: sqlite3.Connection,
    entity: str | None = None,
    region: str = "",
    sources: Sequence[str] | None = None,
    controls: bool = True,
    limit: int = -1,
    day: str = "",
    free_at: str | None = None,
) -> list[Item]:
    """What waits and nobody answered, the overdue first (as of `day`), then the most valuable.

    `region` is a beginning; `sources` names "entity/source", of which a record must be; with `free_at` (UTC), only what
    nobody holds then.
    """
    chosen = db.execute(
        _OPEN.format(limit=int(limit)),
        (entity, region, controls, json.dumps(list(sources)) if sources is not None else None, day, free_at),
    ).fetchall()
    place = {key: n for n, (key,) in enumerate(chosen)}
    found = read(db, "i.item in (select value from json_each(?))", json.dumps(list(place)))
    return sorted(found, key=lambda one: place[one.item])


def read(db: sqlite3.Connection, condition: str, *values: Any, order: str = "i.item") -> list[Item]:
    """The items (`i`) for which a condition holds; who holds them is not asked."""
    found = db.execute(
        "select i.item, i.entity, i.opened_on, i.due, i.closed_because, i.subjects, i.match_weight, i.verdict, "
        "i.reason, i.evidence, i.said, i.levels, i.worth, i.region, i.about, i.control, i.found_by "
        f"from item as i where {condition} order by {order}",
        values,
    ).fetchall()
    return [Item(r[0], r[1], _waiting(r[5:]), *r[2:5]) for r in found]


def _waiting(r: Sequence[Any]) -> Waiting:
    subjects: list[SourceRecord] = [(source, key) for source, key in json.loads(r[0])]
    worth = json.loads(r[7])
    return Waiting(
        subjects[0],
        subjects[min(1, len(subjects) - 1)],
        r[1],
        r[2],
        r[3],
        r[4],
        said={name: tuple(values) for name, values in json.loads(r[5]).items()},
        levels={name: (label, weight) for name, (label, weight) in json.loads(r[6]).items()},
        worth=Worth(worth["closeness"], worth["moved"], tuple(worth["disputed"]), tuple(worth["events"]))
        if worth
        else Worth(),
        region=r[8],
        about=r[9],
        also=tuple(subjects[2:]),
        control=r[10],
        found_by=r[11],
    )


def _row(key: str, entity: str, one: Waiting) -> tuple[Any, ...]:
    worth = one.worth
    parts = {"closeness": worth.closeness, "moved": worth.moved, "disputed": worth.disputed, "events": worth.events}
    told = (key, entity, _text(one.subjects), one.match_weight, one.verdict, one.reason, one.evidence)
    return (
        *told,
        _text(one.said),
        _text(one.levels),
        worth.value,
        _text(parts),
        one.region,
        one.about,
        one.control,
        one.found_by,
    )


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def closed(db: sqlite3.Connection, entity: str | None, limit: int) -> Iterator[tuple[Item, str]]:
    """What closed by itself because a run made it pointless, the last first, and when (UTC)."""
    found = read(
        db,
        "i.closed_because not in ('answered') and i.control is null and (?1 is null or i.entity = ?1)",
        entity,
        order=f"i.closed_at desc, i.item limit {int(limit)}",
    )
    for one in found:
        (at,) = db.execute("select closed_at from item where item = ?", (one.item,)).fetchone()
        yield one, at


_OPEN = """
select i.item from item as i
where i.closed_because is null and (?1 is null or i.entity = ?1) and substr(i.region, 1, length(?2)) = ?2
  and (?3 or i.control is null)
  and (?4 is null or exists (select 1 from json_each(i.subjects) as s
    where i.entity || '/' || json_extract(s.value, '$[0]') in (select value from json_each(?4))))
  and not exists (
    select 1 from decision as d left join decision_evidence as e on e.decision_id = d.decision_id
    where d.item = i.item and d.blind is null and d.withdrawn_at is null and d.kind not in ('answer', 'unmask')
      and (coalesce(d.evidence, e.evidence) is null or coalesce(d.evidence, e.evidence) = i.evidence))
  and (?6 is null or not exists (select 1 from held as h where h.item = i.item and h.until > ?6))
order by i.due < ?5 desc, i.value desc, i.match_weight desc, i.item limit {limit}"""

# What was open keeps its days; what was closed opens again; what says the same is not written.
_PUT = """
insert into item (item, entity, subjects, match_weight, verdict, reason, evidence, said, levels, value, worth, region,
                  about, control, found_by, opened_on, due)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (item) do update set
  match_weight = excluded.match_weight, verdict = excluded.verdict, reason = excluded.reason, said = excluded.said,
  evidence = excluded.evidence, levels = excluded.levels, value = excluded.value, worth = excluded.worth,
  region = excluded.region, about = excluded.about, control = excluded.control, found_by = excluded.found_by,
  opened_on = iif(closed_because is null, opened_on, excluded.opened_on),
  due = iif(closed_because is null, due, excluded.due), closed_because = null, closed_at = null
where closed_because is not null or (match_weight, verdict, reason, evidence, levels, worth, region, about, control,
                                     found_by)
  is not (excluded.match_weight, excluded.verdict, excluded.reason, excluded.evidence, excluded.levels,
          excluded.worth, excluded.region, excluded.about, excluded.control, excluded.found_by)"""
