"""What becomes of people and households: the province on the day of each of the three deliveries.

Before the first delivery some old people die, and some parents live in a household of their own. Between deliveries
children are born, people die (the next head is the spouse or the eldest), marry, move, divide a household, join
one, or leave the province. A household has one such event at most, so that none depends on another's order.
Deaths that the registry was not told of change nothing in it: `Life.died` knows them.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np

from demo import kin
from demo.kin import Days
from demo.names import Flags, Ints, Strings
from demo.people import OF_AREA, TOWNSHIPS, People, addresses, county_code, division_codes, elsewhere

DELIVERIES = ("20251201", "20251231", "20260131")
INTERVALS = tuple(
    np.arange(np.datetime64(first), np.datetime64(last))
    for first, last in (("2025-12-02", "2025-12-30"), ("2026-01-02", "2026-01-29"))
)
BEFORE = np.arange(np.datetime64("2024-01-01"), np.datetime64("2025-11-20"))
ALIVE, DEAD, CANCELLED, RESTORED = 1, 2, 3, 4
STANDS, FOUNDED, DIVIDED, JOINED, CLOSED = 1, 2, 3, 4, 5
OLD = np.datetime64("1960-12-31")
YOUNG, GROWN = np.datetime64("1975-01-01"), np.datetime64("2003-01-01")
OF_AGE = np.datetime64("2009-01-01")
DIED_BEFORE, DIES = 0.03, 0.008
SHARES = {"divide": 0.003, "leave_home": 0.0025, "join": 0.0015, "marry": 0.003, "move": 0.003, "emigrate": 0.0007}
TOLD_REGISTRY, TOLD_FUNERAL = 0.85, 0.85
NEVER = np.datetime64("NaT", "D")


@dataclass
class Moment:
    """The registered state on one day; per person, then per household (`head` is -1 where there is none)."""

    household: Ints
    spouse: Ints
    status: Ints
    status_day: Days
    day: Days
    head: Ints
    county: Ints
    township: Ints
    door: Ints
    home_status: Ints
    home_day: Days

    def living(self) -> Flags:
        """Who is registered as living in a household."""
        found: Flags = (self.household >= 0) & (self.status == ALIVE)
        return found

    def relation(self, people: People) -> Ints:
        """Everybody's relation to the head of the household, as GB/T 4761 numbers it."""
        who = np.arange(len(people))
        head = np.where(self.household >= 0, self.head[self.household], -1)
        alone = (head < 0) & (people.role != kin.LODGER)
        return np.where(alone, 2, kin.relation(people.kin(self.spouse), who, head))

    def divisions(self) -> Strings:
        """The division code of every household."""
        return division_codes(self.county, self.township)

    def addresses(self) -> Strings:
        """The address of every household."""
        return addresses(self.county, self.township, self.door)

    def days_of_people(self) -> Days:
        """When the registry last wrote something of a person or of the household."""
        home = np.where(self.household >= 0, self.home_day[self.household], NEVER)
        found: Days = np.fmax(self.day, home)
        return found


@dataclass
class Life:
    """The moments of the three deliveries, and what is true beside what is registered.

    number    the number of every household
    type      1 a family, 2 a collective household
    died      the day of death (NaT alive), and for whom the registry and the funeral service know of it
    married   the interval in which one marries (0 none)
    """

    moments: tuple[Moment, ...]
    number: Strings
    type: Ints
    died: Days
    registered: Flags
    funeral: Flags
    married: Ints
    wedding: Days

    def true_status(self) -> Ints:
        """Alive, dead or cancelled at the end."""
        last = self.moments[-1].status
        found: Ints = np.where(np.isnat(self.died), last, DEAD)
        return found


@dataclass
class _Telling:
    """A moment that is being changed, with the members of every household as they were at its beginning."""

    rng: np.random.Generator
    people: People
    now: Moment
    free: int
    busy: Flags
    members: list[Ints] = field(default_factory=list)

    def begin(self) -> None:
        """Note who lives where."""
        living = np.flatnonzero(self.now.living())
        order = living[np.argsort(self.now.household[living], kind="stable")]
        homes = len(self.now.head)
        cuts = np.searchsorted(self.now.household[order], np.arange(1, homes))
        self.members = np.split(order, cuts)

    def choose(self, who: Ints, share: float, least: int = 1) -> list[int]:
        """Some of `who`, one per household that nothing happened in: `share` of all households, `least` at any rate."""
        wanted = max(least, round(share * len(self.now.head)))
        return self.take(who, wanted)

    def take(self, who: Ints, wanted: int) -> list[int]:
        """`wanted` of `who`, one per household that nothing happened in; these households are busy then."""
        found: list[int] = []
        for one in self.rng.permutation(who).tolist():
            if len(found) >= wanted:
                break
            home = int(self.now.household[one])
            if home >= 0 and not self.busy[home]:
                self.busy[home] = True
                found.append(one)
        return found

    def found(self, who: list[int], place: tuple[int, int], day: np.datetime64, status: int = FOUNDED) -> int:
        """A new household of `who`, the first of them its head, in the county and township `place`."""
        home, now = self.free, self.now
        self.free += 1
        now.household[who] = home
        now.head[home] = who[0]
        now.county[home], now.township[home] = place
        now.door[home] = int(self.rng.integers(100, 190))
        now.home_status[home], now.home_day[home] = status, day
        now.day[who] = day
        self.busy[home] = True
        return home

    def end(self, one: int, day: np.datetime64, status: int = DEAD) -> None:
        """Somebody dies or is cancelled; the household gets another head, or is closed."""
        now, home = self.now, int(self.now.household[one])
        now.status[one], now.status_day[one], now.day[one] = status, day, day
        now.home_day[home] = day
        left = [i for i in self.members[home].tolist() if i != one]
        if not left:
            now.head[home] = -1
            now.home_status[home] = CLOSED
        elif now.head[home] == one:
            of_age = [i for i in left if self.people.birth[i] < OF_AGE] or left
            spouse = int(now.spouse[one])
            now.head[home] = spouse if spouse in left else min(of_age, key=lambda i: (self.people.birth[i], i))


def live(rng: np.random.Generator, people: People, recorded: tuple[Flags, Flags], unreported: bool = True) -> Life:
    """Three moments for `people`.

    recorded    who has a record in the registry, and who has one of a wedding
    unreported  lets the registry miss deaths
    """
    in_registry, in_marriage = recorded
    homes = int(people.household[-1]) + 1
    room = homes + 8 + 2 * sum(max(2, round(2 * SHARES[one] * homes)) for one in ("divide", "leave_home", "join"))
    now = _first(people, homes, room)
    telling = _Telling(rng, people, now, homes, np.zeros(room, dtype=bool))
    telling.busy[people.household[people.role == kin.LODGER]] = True
    telling.busy[people.household[people.interval > 0]] = True
    telling.begin()
    apart = [_live_apart(telling) for _ in INTERVALS]
    died = np.full(len(people), NEVER)
    married, wedding = np.zeros(len(people), dtype=np.int64), np.full(len(people), NEVER)
    funeral = (rng.random(len(people)) < TOLD_FUNERAL) | ~in_registry
    registered = ~funeral | (rng.random(len(people)) < TOLD_REGISTRY) | (not unreported)
    telling.begin()
    _die(telling, died, registered, BEFORE, DIED_BEFORE)
    now.home_day[:], now.day[now.status == ALIVE] = NEVER, NEVER
    now.home_status[: telling.free][now.home_status[: telling.free] == FOUNDED] = STANDS
    moments = [now]
    for i, days in enumerate(INTERVALS):
        telling.now = deepcopy(moments[-1])
        telling.begin()
        _born(telling, i + 1)
        _die(telling, died, registered, days, DIES)
        _emigrate(telling, in_registry, days)
        _join(telling, apart[i], days)
        _marry(telling, (married, wedding, in_marriage), i + 1, days)
        _divide(telling, days)
        _move(telling, days)
        moments.append(telling.now)
    count = telling.free
    for moment in moments:
        for name in ("head", "county", "township", "door", "home_status", "home_day"):
            setattr(moment, name, getattr(moment, name)[:count])
    type_ = np.ones(count, dtype=np.int64)
    type_[people.household[people.role == kin.LODGER]] = 2
    return Life(tuple(moments), _numbers(rng, moments[-1]), type_, died, registered, funeral, married, wedding)


def _first(people: People, homes: int, room: int) -> Moment:
    head = np.full(room, -1, dtype=np.int64)
    first = np.flatnonzero(people.role == kin.HEAD)
    head[people.household[first]] = first
    county, township, door = (np.zeros(room, dtype=np.int64) for _ in range(3))
    county[people.household], township[people.household] = people.county, people.township
    door[:homes] = np.arange(homes) % 89 + 1
    status = np.zeros(room, dtype=np.int64)
    status[:homes] = STANDS
    return Moment(
        household=np.where(people.interval > 0, -1, people.household),
        spouse=people.spouse.copy(),
        status=np.full(len(people), ALIVE),
        status_day=np.full(len(people), NEVER),
        day=np.full(len(people), NEVER),
        head=head,
        county=county,
        township=township,
        door=door,
        home_status=status,
        home_day=np.full(room, NEVER),
    )


def _day(telling: _Telling, days: Days) -> np.datetime64:
    found: np.datetime64 = telling.rng.choice(days)
    return found


def _live_apart(telling: _Telling) -> list[tuple[int, int]]:
    """Parents who live by themselves until they join their child's household: (their household, the child's)."""
    people, now = telling.people, telling.now
    found = []
    for one in telling.choose(np.flatnonzero(people.role == kin.PARENT), SHARES["join"]):
        home = int(now.household[one])
        parents = [i for i in telling.members[home].tolist() if people.role[i] == kin.PARENT]
        place = (int(now.county[home]), int(now.township[home]))
        found.append((telling.found(parents, place, BEFORE[0]), home))
    return found


def _born(telling: _Telling, interval: int) -> None:
    people, now = telling.people, telling.now
    here = np.flatnonzero(people.interval == interval)
    now.household[here] = people.household[here]
    now.day[here] = people.birth[here]
    now.home_day[people.household[here]] = people.birth[here]


def _die(telling: _Telling, died: Days, registered: Flags, days: Days, share: float) -> None:
    people, now = telling.people, telling.now
    living = now.living() & np.isnat(died) & (people.role != kin.LODGER)
    old = np.flatnonzero(living & (people.birth <= OLD))
    young = np.flatnonzero(living & (people.birth > OLD) & (people.birth < OF_AGE))
    for one in [
        *telling.take(old, max(2, round(share * len(old)))),
        *telling.take(young, round(share / 30 * len(young))),
    ]:
        day = _day(telling, days)
        died[one] = day
        if registered[one]:
            telling.end(one, day)


def _emigrate(telling: _Telling, in_registry: Flags, days: Days) -> None:
    """Somebody leaves the province for good, and the registry cancels the record."""
    people = telling.people
    able = telling.now.living() & in_registry & (people.birth > OLD) & (people.birth < GROWN)
    for one in telling.choose(np.flatnonzero(able & (people.role != kin.LODGER)), SHARES["emigrate"]):
        telling.end(one, _day(telling, days), CANCELLED)


def _join(telling: _Telling, apart: list[tuple[int, int]], days: Days) -> None:
    """Parents who lived by themselves are joined into their child's household."""
    now = telling.now
    for small, large in apart:
        who = telling.members[small]
        if not len(who) or now.head[large] < 0:
            continue
        day = _day(telling, days)
        now.household[who], now.day[who] = large, day
        now.head[small], now.home_status[small] = -1, JOINED
        now.home_day[small] = now.home_day[large] = day


def _marry(telling: _Telling, told: tuple[Ints, Days, Flags], interval: int, days: Days) -> None:
    """A grown son, or a man who lives alone, marries a grown daughter of another household, who moves to his."""
    people, now = telling.people, telling.now
    married, wedding, able = told
    young = now.living() & able & (people.birth > YOUNG) & (people.birth < GROWN) & (now.spouse < 0)
    child = people.role == kin.CHILD
    alone = people.role == kin.HEAD
    alone &= np.bincount(people.household)[people.household] == 1
    wanted = max(1, round(SHARES["marry"] * len(now.head)))
    men = telling.take(np.flatnonzero(young & (child | alone) & (people.sex == 1)), wanted)
    women = telling.take(np.flatnonzero(young & child & (people.sex == 2)), wanted)
    for man, woman in zip(men, women, strict=False):
        day = _day(telling, days)
        now.spouse[man], now.spouse[woman] = woman, man
        old, new = int(now.household[woman]), int(now.household[man])
        now.household[woman] = new
        now.day[[man, woman]] = day
        now.home_day[old] = now.home_day[new] = day
        married[[man, woman]], wedding[[man, woman]] = interval, day


def _divide(telling: _Telling, days: Days) -> None:
    """A grown child, with spouse and children, gets a household of its own: next door, or in another county."""
    people, now = telling.people, telling.now
    grown = now.living() & (people.role == kin.CHILD) & (people.birth < GROWN)
    grown &= now.head[np.maximum(now.household, 0)] != np.arange(len(people))
    for kind in ("divide", "leave_home"):
        for one in telling.choose(np.flatnonzero(grown), SHARES[kind]):
            home, day = int(now.household[one]), _day(telling, days)
            family = [
                i
                for i in telling.members[home].tolist()
                if i in (one, now.spouse[one]) or one in (people.father[i], people.mother[i])
            ]
            family.sort(key=lambda i: i != one)
            place = (int(now.county[home]), int(now.township[home]))
            if kind == "leave_home":
                place = (_elsewhere(telling, place[0]), int(telling.rng.integers(TOWNSHIPS)))
            else:
                now.home_status[home] = DIVIDED
            now.home_day[home] = day
            telling.found(family, place, day)


def _move(telling: _Telling, days: Days) -> None:
    """A whole household moves to another township of the county."""
    now = telling.now
    for one in telling.choose(np.flatnonzero(now.living()), SHARES["move"]):
        home = int(now.household[one])
        now.township[home] = (now.township[home] + int(telling.rng.integers(1, TOWNSHIPS))) % TOWNSHIPS
        now.door[home] = int(telling.rng.integers(100, 190))
        now.home_day[home] = _day(telling, days)


def _elsewhere(telling: _Telling, county: int) -> int:
    return int(elsewhere(np.array(county), int(telling.rng.integers(1, OF_AREA))))


def _numbers(rng: np.random.Generator, last: Moment) -> Strings:
    """A number for every household: the six digits of the county and six that say nothing."""
    drawn = rng.permutation(10**6)[: len(last.head)] if len(last.head) < 10**6 else rng.permutation(len(last.head))
    codes = county_code(last.county)
    return np.array([f"{c}{n:06}" for c, n in zip(codes.tolist(), drawn.tolist(), strict=True)], dtype=object)
