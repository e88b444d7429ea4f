"""Which people the seven departments hold records of, since when, and what a record says before anything goes wrong.

Five departments share the asked number of records; the people of a household tend to be in the same of them. The
dead of the funeral service and the children of the child-welfare offices come on top.
"""

from __future__ import annotations

import numpy as np

from demo.errors import Records
from demo.kin import Days
from demo.life import DELIVERIES, INTERVALS, Life
from demo.names import Flags, Ints, Strings
from demo.people import People

NAMES = (
    "civil_registry",
    "social_assistance",
    "marriage",
    "elderly_care",
    "disability",
    "funeral",
    "child_welfare",
)
CIVIL, ASSISTANCE, MARRIAGE, ELDERLY, DISABILITY, FUNERAL, CHILDREN = range(len(NAMES))
LEADING = CIVIL
SHARES = (1.4, 0.20, 0.13, 0.15, 0.10)
RECORDS_PER_PERSON = (0.55, 0.30, 0.135, 0.011, 0.004)
TOGETHER = 0.7
BORN_BY = {
    ASSISTANCE: np.datetime64("2025-11-30"),
    MARRIAGE: np.datetime64("2001-01-01"),
    ELDERLY: np.datetime64("1966-01-01"),
    DISABILITY: np.datetime64("2025-11-30"),
}
FIRST_DAY, LAST_DAY = np.datetime64("2018-01-01"), np.datetime64("2025-11-30")
CHILD, OF_AGE = np.datetime64("2008-01-01"), np.datetime64("2004-01-01")
NEW_CASES = {ASSISTANCE: 0.04, ELDERLY: 0.04, CHILDREN: 0.3}
IN_CHILD_WELFARE, GUARDED = 0.03, 0.2


def enroll(rng: np.random.Generator, people: People, size: int) -> tuple[Ints, Ints]:
    """Exactly `size` pairs of person and source: everyone in one to five sources, never twice in the same one."""
    count, homes = len(people), int(people.household[-1]) + 1
    together = (rng.random(count) < TOGETHER) & (np.bincount(people.household)[people.household] <= 5)
    shares = np.array(RECORDS_PER_PERSON)
    wanted = np.where(
        together, rng.choice(len(shares), homes, p=shares)[people.household], rng.choice(len(shares), count, p=shares)
    )
    noise = np.where(
        together[:, None],
        rng.gumbel(size=(homes, len(SHARES)))[people.household],
        rng.gumbel(size=(count, len(SHARES))),
    )
    chance = np.log(np.array(SHARES)) + noise
    for column, latest in BORN_BY.items():
        chance[people.birth > latest, column] = -np.inf
    order = np.argsort(-chance, axis=1)
    possible = np.isfinite(chance).sum(axis=1)
    taken = np.arange(len(SHARES)) < np.minimum(wanted + 1, possible)[:, None]
    person, rank = np.nonzero(taken)
    return person[:size].astype(np.int64), order[person, rank][:size].astype(np.int64)


def records_of(rng: np.random.Generator, people: People, life: Life, person: Ints, source: Ints) -> Records:
    """The true records of the pairs, and those of the funeral service and of child welfare."""
    dead, buried_in = _funerals(life, person)
    children = _children(rng, people, life, person)
    more = len(dead) + len(children)
    old = len(person)
    person = np.concatenate([person, dead, children])
    source = np.concatenate([source, np.full(len(dead), FUNERAL), np.full(len(children), CHILDREN)])
    first = people.interval[person].copy()
    first[old : old + len(dead)] = buried_in
    fresh = np.array([NEW_CASES.get(i, 0.0) for i in range(len(NAMES))])[source]
    late = (rng.random(len(person)) < fresh) & np.isnat(life.died[person])
    first[late] = rng.integers(1, len(DELIVERIES), int(late.sum()))
    wed = (source == MARRIAGE) & (life.married[person] > 0)
    first[wed] = life.married[person[wed]]
    span = int((LAST_DAY - FIRST_DAY).astype(np.int64))
    day: Days = FIRST_DAY + rng.integers(0, span, len(person)).astype("timedelta64[D]")
    day = _day_of(rng, people, life, person, source, first, day)
    home = np.stack([moment.household[person] for moment in life.moments])[first, np.arange(len(person))]
    divisions, addresses = _places(life, home, first)
    assert more == len(person) - old
    return Records(
        person=person,
        source=source,
        name=people.name[person],
        former_name=np.full(len(person), None, dtype=object),
        sex=people.sex[person],
        birth=people.birth[person].astype("datetime64[D]").astype(str).astype(object),
        citizen_id=people.citizen_id[person],
        phone=people.phone[person],
        division=divisions,
        address=addresses,
        day=day,
        first=first,
        guardian=_guardians(rng, people, life, person, source),
    )


def _places(life: Life, home: Ints, first: Ints) -> tuple[Strings, Strings]:
    divisions, addresses = np.empty(len(home), dtype=object), np.empty(len(home), dtype=object)
    for i, moment in enumerate(life.moments):
        here = first == i
        divisions[here] = moment.divisions()[home[here]]
        addresses[here] = moment.addresses()[home[here]]
    return divisions, addresses


def _funerals(life: Life, person: Ints) -> tuple[Ints, Ints]:
    """The people whom the funeral service tells of, and in which delivery."""
    enrolled = np.unique(person)
    dead = enrolled[~np.isnat(life.died[enrolled]) & life.funeral[enrolled]]
    starts = np.array([days[0] for days in INTERVALS])
    return dead, np.searchsorted(starts, life.died[dead], side="right").astype(np.int64)


def _children(rng: np.random.Generator, people: People, life: Life, person: Ints) -> Ints:
    enrolled = np.unique(person)
    young = (people.birth[enrolled] > CHILD) & (people.interval[enrolled] == 0) & np.isnat(life.died[enrolled])
    children = enrolled[young & (life.moments[0].household[enrolled] >= 0)]
    found: Ints = children[rng.random(len(children)) < IN_CHILD_WELFARE]
    return found


def _day_of(
    rng: np.random.Generator, people: People, life: Life, person: Ints, source: Ints, first: Ints, day: Days
) -> Days:
    """When each record was written: nothing before a birth, of the dead nothing after, weddings on their day."""
    for i, days in enumerate(INTERVALS):
        here = np.flatnonzero(first == i + 1)
        day[here] = rng.choice(days, len(here))
    day = np.maximum(day, people.birth[person])
    wed = (source == MARRIAGE) & (life.married[person] > 0)
    day = np.where(wed, life.wedding[person], day)
    died = life.died[person]
    dead = ~np.isnat(died)
    day = np.where(dead, np.minimum(day, died - np.timedelta64(20, "D")), day)
    day = np.where(source == FUNERAL, died + np.timedelta64(1, "D"), day)
    told = (source == CIVIL) & ~np.isnat(life.moments[0].status_day[person])
    return np.where(told, life.moments[0].status_day[person], day)


def _guardians(rng: np.random.Generator, people: People, life: Life, person: Ints, source: Ints) -> Ints:
    """For children of child welfare and disabled children, and some disabled adults: who looks after them."""
    moment = life.moments[0]
    child = people.birth[person] > CHILD
    asked = (source == CHILDREN) | ((source == DISABILITY) & (child | (rng.random(len(person)) < GUARDED)))
    home = moment.household[person]
    head = np.where(home >= 0, moment.head[home], -1)
    able: Flags = np.isnat(life.died) & (people.birth < OF_AGE)
    found = np.full(len(person), -1, dtype=np.int64)
    for one in (head, people.father[person], people.mother[person], moment.spouse[person]):
        fits = (one >= 0) & able[one] & (one != person) & (rng.random(len(person)) < 0.9)
        found = np.where(fits, one, found)
    enrolled = np.zeros(len(people), dtype=bool)
    enrolled[person] = True
    return np.where(asked & (found >= 0) & enrolled[found], found, -1)
