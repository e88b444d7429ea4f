"""Who lives with whom: shapes of households, everybody's place in one, and how two people are kin.

A shape is a word of letters, one per person: H the head, S the spouse, C a child, P a parent of the head, I the
first child's spouse, G the first child's child. Shares are those of the 2020 census by size of household; how many
of each size are which shape is assumed. L is somebody in a collective household, where nobody is kin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demo.names import Flags, Ints

SHAPES = {
    "H": 0.25,
    "HS": 0.21,
    "HC": 0.05,
    "HP": 0.04,
    "HSC": 0.13,
    "HCC": 0.03,
    "HSP": 0.05,
    "HSCC": 0.07,
    "HSCP": 0.03,
    "HSPP": 0.03,
    "HSCCC": 0.025,
    "HSCCP": 0.02,
    "HSCPP": 0.03,
    "HSCIG": 0.035,
}
LETTERS = "HSCPIGL"
HEAD, SPOUSE, CHILD, PARENT, IN_LAW, GRANDCHILD, LODGER = range(len(LETTERS))
PEOPLE_PER_COLLECTIVE = 4000
COLLECTIVE_SIZES = (20, 61)
FIRST_DAY, LAST_DAY = np.datetime64("1928-01-01"), np.datetime64("2023-12-31")
YEAR = 365
Days = NDArray[np.datetime64]


@dataclass
class Places:
    """The household of every person, the role there, and the position of the household's first person."""

    household: Ints
    role: Ints
    first: Ints

    @property
    def place(self) -> Ints:
        """How many people of the household stand before."""
        found: Ints = np.arange(len(self.role)) - self.first
        return found


def settle(rng: np.random.Generator, count: int) -> Places:
    """Households for `count` people: a few collective households, then families of every shape."""
    lodgers = _collectives(rng, count)
    family = count - sum(lodgers)
    shapes = list(SHAPES)
    drawn = rng.choice(len(shapes), family, p=np.array(list(SHAPES.values())))
    sizes = np.array([len(shape) for shape in shapes])[drawn]
    ends = np.cumsum(sizes)
    household = np.searchsorted(ends, np.arange(family), side="right")
    first = (ends - sizes)[household]
    table = np.array([[LETTERS.index(letter) for letter in shape.ljust(5, "H")] for shape in shapes])
    role = table[drawn[household], np.arange(family) - first]
    more = np.repeat(np.arange(len(lodgers)), lodgers)
    starts = np.cumsum([0, *lodgers[:-1]])
    return Places(
        np.append(more, len(lodgers) + household).astype(np.int64),
        np.append(np.full(len(more), LODGER), role).astype(np.int64),
        np.append(starts[more], len(more) + first).astype(np.int64),
    )


def _collectives(rng: np.random.Generator, count: int) -> list[int]:
    wanted = max(1, round(count / PEOPLE_PER_COLLECTIVE))
    return [int(size) for size in rng.integers(*COLLECTIVE_SIZES, wanted)]


def sexes(rng: np.random.Generator, places: Places) -> Ints:
    """1 male, 2 female: couples are of both sexes, two parents are father and mother."""
    role, count = places.role, len(places.role)
    sex = rng.integers(1, 3, count)
    sex = np.where(role == HEAD, np.where(rng.random(count) < 0.3, 2, 1), sex)
    head = sex[places.first]
    sex = np.where(role == SPOUSE, 3 - head, sex)
    after = _follows(places, PARENT)
    sex = np.where(role == PARENT, np.where(rng.random(count) < 0.35, 1, 2), sex)
    before = np.append(after[1:], False)
    sex = np.where(before, 1, np.where(after, 2, sex))
    child = first_of(places, CHILD)
    found: Ints = np.where(role == IN_LAW, 3 - sex[child], sex).astype(np.int64)
    return found


def births(rng: np.random.Generator, places: Places) -> Days:
    """Birth dates: parents 20 to 35 years before their children, couples near in age, nobody after 2023."""
    role, count = places.role, len(places.role)
    last = LAST_DAY.astype(np.int64)
    has = {letter: _has(places, i) for i, letter in enumerate(LETTERS)}
    low = np.select([has["P"], has["G"], has["L"]], [_day("1955"), _day("1940"), _day("1985")], _day("1928"))
    high = np.select([has["G"], has["C"], has["L"]], [_day("1972"), _day("1993"), _day("2005")], _day("1998"))
    head = np.floor(low + rng.random(count) * (high - low)).astype(np.int64)
    day = np.where(role == LODGER, head, head[places.first])
    apart = rng.integers(-5 * YEAR, 5 * YEAR, count)
    day = np.where(role == SPOUSE, day + apart, day)
    day = np.where(role == PARENT, day - rng.integers(20 * YEAR, 33 * YEAR, count), day)
    spouse = first_of(places, SPOUSE)
    younger = np.maximum(day[places.first], np.where(spouse >= 0, day[spouse], day[places.first]))
    rank = places.place - first_of(places, CHILD) + places.first
    born = younger + rng.integers(20 * YEAR, 30 * YEAR, count) + rank * rng.integers(400, 5 * YEAR, count)
    room = np.maximum(last - younger - 19 * YEAR, 1)
    late = younger + 19 * YEAR + np.floor(rng.random(count) * room).astype(np.int64)
    day = np.where(role == CHILD, np.where(born > last, late, born), day)
    child = day[first_of(places, CHILD)]
    day = np.where(role == IN_LAW, child + rng.integers(-3 * YEAR, 3 * YEAR, count), day)
    born = child + rng.integers(21 * YEAR, 30 * YEAR, count)
    late = last - rng.integers(0, 3 * YEAR, count)
    day = np.where(role == GRANDCHILD, np.where(born > last, late, born), day)
    return np.clip(day, FIRST_DAY.astype(np.int64), last).astype("datetime64[D]")


def _day(year: str) -> int:
    return int(np.datetime64(f"{year}-01-01").astype(np.int64))


def _has(places: Places, role: int) -> Flags:
    """Whether somebody in the household of each person has this role."""
    found = np.zeros(int(places.household[-1]) + 1, dtype=bool)
    found[places.household[places.role == role]] = True
    flags: Flags = found[places.household]
    return flags


def first_of(places: Places, role: int) -> Ints:
    """The first person of this role in the household of each person, -1 where nobody has it."""
    found = np.full(int(places.household[-1]) + 1, -1, dtype=np.int64)
    where = np.flatnonzero(places.role == role)[::-1]
    found[places.household[where]] = where
    who: Ints = found[places.household]
    return who


def _follows(places: Places, role: int) -> Flags:
    """Whether a person has this role and the one before, in the same household, has it too."""
    same = (places.role == role) & (places.place > 0)
    found = same.copy()
    found[1:] &= places.role[:-1] == role
    flags: Flags = found
    return flags


def relatives(places: Places, sex: Ints) -> tuple[Ints, Ints, Ints]:
    """Father, mother and spouse of every person among the people of the household, -1 where they are not."""
    role, count = places.role, len(places.role)
    father, mother, spouse = (np.full(count, -1, dtype=np.int64) for _ in range(3))
    wife, child, in_law = (first_of(places, one) for one in (SPOUSE, CHILD, IN_LAW))

    def couple(one: Ints, other: Ints, where: Flags) -> None:
        spouse[one[where]], spouse[other[where]] = other[where], one[where]

    def parents(who: Flags, one: Ints, other: Ints) -> None:
        for parent in (one, other):
            known = who & (parent >= 0)
            male = known & (sex[parent] == 1)
            father[male] = parent[male]
            mother[known & ~male] = parent[known & ~male]

    here = np.arange(count)
    couple(places.first, here, role == SPOUSE)
    couple(child, here, role == IN_LAW)
    second = _follows(places, PARENT)
    couple(here - 1, here, second)
    parents(role == CHILD, places.first, wife)
    parents(role == GRANDCHILD, child, in_law)
    first_parent = first_of(places, PARENT)
    other_parent = np.full(count, -1, dtype=np.int64)
    pairs = np.zeros(int(places.household[-1]) + 1, dtype=np.int64) - 1
    pairs[places.household[second]] = here[second]
    other_parent = pairs[places.household]
    parents(role == HEAD, first_parent, other_parent)
    return father, mother, spouse


@dataclass
class Kin:
    """Father, mother and spouse of every person (-1 unknown), with what tells sons from daughters and ages."""

    father: Ints
    mother: Ints
    spouse: Ints
    sex: Ints
    birth: Days


def relation(kin: Kin, who: Ints, head: Ints) -> Ints:
    """The relation of each of `who` to each of `head`, as GB/T 4761 numbers it; 99 where there is no head."""
    male = kin.sex[who] == 1
    woman = kin.sex[head] == 2

    def of(table: Ints, one: Ints) -> Ints:
        found: Ints = np.where(one >= 0, table[one], -1)
        return found

    def is_child(one: Ints, parent: Ints) -> Flags:
        found: Flags = (one >= 0) & (parent >= 0) & ((of(kin.father, one) == parent) | (of(kin.mother, one) == parent))
        return found

    def sexed(boy: int, girl: int) -> Ints:
        return np.where(male, boy, girl)

    spouse, partner = of(kin.spouse, who), of(kin.spouse, head)
    father, mother = of(kin.father, who), of(kin.mother, who)
    heads_father, heads_mother = of(kin.father, head), of(kin.mother, head)
    siblings = ((father >= 0) & (father == heads_father)) | ((mother >= 0) & (mother == heads_mother))
    older = kin.birth[who] < kin.birth[head]
    rank = _rank(kin, who)
    return np.select(
        [
            head < 0,
            who == head,
            spouse == head,
            is_child(who, head) & male,
            is_child(who, head),
            is_child(head, who),
            is_child(partner, who) & woman,
            is_child(partner, who),
            is_child(spouse, head),
            is_child(father, head),
            is_child(mother, head),
            is_child(heads_father, who),
            is_child(heads_mother, who),
            siblings & older,
            siblings,
            is_child(who, partner),
        ],
        [
            np.full(len(who), 99),
            np.full(len(who), 2),
            np.full(len(who), 10),
            np.select([rank == 0, rank == 1], [22, 23], 29),
            np.select([rank == 0, rank == 1], [32, 33], 39),
            sexed(51, 52),
            sexed(53, 54),
            sexed(55, 56),
            sexed(28, 38),
            sexed(41, 42),
            sexed(43, 44),
            sexed(61, 62),
            sexed(63, 64),
            sexed(71, 75),
            sexed(73, 77),
            sexed(27, 37),
        ],
        97,
    ).astype(np.int64)


def _rank(kin: Kin, who: Ints) -> Ints:
    """How many elder brothers (of a son) or sisters (of a daughter) with the same father, or else mother, one has."""
    parent = np.where(kin.father >= 0, kin.father, kin.mother)
    key = (parent + 1) * 2 + kin.sex - 1
    order = np.lexsort((np.arange(len(key)), kin.birth, key))
    ordered = key[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1) != 0)
    lengths = np.diff(np.append(starts, len(key)))
    rank = np.empty(len(key), dtype=np.int64)
    rank[order] = np.arange(len(key)) - np.repeat(starts, lengths)
    found: Ints = rank[who]
    return found
