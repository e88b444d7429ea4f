"""The true population: living people of a made-up province, in households, with every value that is true of them.

The province has the division code 88, which GB/T 2260 never used, so no identity number here is anybody's; mobile
numbers begin with 154, which no carrier was given. Names of places are invented.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from demo.names import Flags, Ints, Strings, given_names, surnames
from rules.kinds.gb11643 import CHECK_CHARACTERS, WEIGHTS

PROVINCE = ("88", "沧原省")
PREFECTURES = ("北屏", "南溪", "东岚", "西泽", "清川", "和宁")
COUNTY_HEAD, COUNTY_TAIL = "青白石云龙凤金玉安永", "泉峰岭台沙"
TOWN_HEAD, TOWN_TAIL = "新大双高平三长红松柳", "庄店塘坪坝集港寨"
COUNTIES = 5
TOWNSHIPS = 16
HOUSEHOLD_SIZES = (0.25, 0.30, 0.21, 0.13, 0.11)
FIRST_DAY, LAST_DAY = np.datetime64("1928-01-01"), np.datetime64("2023-12-31")
TWINS = 0.01
NAMESAKES = 0.003
ADULT = np.datetime64("2012-01-01")


@dataclass
class People:
    """One element per person in every array; `birth` is datetime64[D], `sex` 1 male and 2 female."""

    household: Ints
    surname: Strings
    given: Strings
    sex: Ints
    birth: NDArray[np.datetime64]
    county: Ints
    township: Ints
    citizen_id: Strings = field(default_factory=lambda: np.empty(0, dtype=object))
    phone: Strings = field(default_factory=lambda: np.empty(0, dtype=object))
    head_phone: Strings = field(default_factory=lambda: np.empty(0, dtype=object))
    twin: Flags = field(default_factory=lambda: np.empty(0, dtype=bool))
    namesake: Flags = field(default_factory=lambda: np.empty(0, dtype=bool))

    def __len__(self) -> int:
        return len(self.sex)

    @property
    def name(self) -> Strings:
        """Surname and given name together."""
        found: Strings = self.surname + self.given
        return found


def populate(rng: np.random.Generator, count: int, without: frozenset[str] = frozenset()) -> People:
    """`count` people; `without` may name "twins" and "namesakes"."""
    household, place = _households(rng, count)
    homes = int(household[-1]) + 1
    head = place == 0
    home_county = rng.integers(0, len(PREFECTURES) * COUNTIES, homes)
    home_township = rng.integers(0, TOWNSHIPS, homes)
    sex = np.where(place == 0, 1, np.where(place == 1, 2, rng.integers(1, 3, count)))
    sex = np.where(head & (rng.random(count) < 0.3), 2, sex)
    birth = _births(rng, household, place, homes)
    family = surnames(rng, homes)
    own = surnames(rng, count)
    surname = np.where(place == 1, own, family[household])
    years = birth.astype("datetime64[Y]").astype(np.int64) + 1970
    given = given_names(rng, years, sex == 1)
    people = People(household, surname, given, sex, birth, home_county[household], home_township[household])
    people.twin, people.namesake = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    if "twins" not in without:
        _twins(rng, people, place)
    if "namesakes" not in without:
        _namesakes(rng, people)
    people.citizen_id = _citizen_ids(rng, people)
    numbers = phones(rng, count)
    people.head_phone = numbers[np.flatnonzero(head)][household]
    people.phone = np.where(birth > ADULT, people.head_phone, numbers)
    return people


def phones(rng: np.random.Generator, count: int) -> Strings:
    """`count` different mobile numbers that no carrier gives out."""
    drawn = rng.permutation(np.unique(rng.integers(0, 10**8, count + count // 50 + 10)))
    assert len(drawn) >= count
    return np.array([f"154{number:08}" for number in drawn[:count].tolist()], dtype=object)


def county_code(county: Ints) -> Ints:
    """The six digits of a county's number."""
    found: Ints = 880000 + (county // COUNTIES + 1) * 100 + county % COUNTIES + 1
    return found


def division_codes(county: Ints, township: Ints) -> Strings:
    """The nine digits of a township."""
    codes = county_code(county) * 1000 + 101 + township
    return codes.astype(str).astype(object)


def addresses(county: Ints, township: Ints, door: Ints) -> Strings:
    """An address down to the township and a number in it."""
    prefecture = np.array([f"{PROVINCE[1]}{name}市" for name in PREFECTURES], dtype=object)
    found: Strings = (
        prefecture[county // COUNTIES]
        + np.array([county_name(i) for i in range(len(PREFECTURES) * COUNTIES)], dtype=object)[county]
        + np.array([township_name(i) for i in range(len(TOWN_HEAD) * len(TOWN_TAIL))], dtype=object)[
            (county * 7 + township) % (len(TOWN_HEAD) * len(TOWN_TAIL))
        ]
        + door.astype(str).astype(object)
        + "号"
    )
    return found


def county_name(county: int) -> str:
    """The invented name of a county."""
    head, tail = COUNTY_HEAD[county % len(COUNTY_HEAD)], COUNTY_TAIL[county // len(COUNTY_HEAD) % len(COUNTY_TAIL)]
    return f"{head}{tail}县"


def township_name(number: int) -> str:
    """The invented name of a township."""
    return f"{TOWN_HEAD[number % len(TOWN_HEAD)]}{TOWN_TAIL[number // len(TOWN_HEAD) % len(TOWN_TAIL)]}镇"


def _households(rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
    """The household of every person, and the place in it (0 the head, 1 the spouse, then children)."""
    sizes = rng.choice(len(HOUSEHOLD_SIZES), count, p=HOUSEHOLD_SIZES) + 1
    ends = np.cumsum(sizes)
    household = np.searchsorted(ends, np.arange(count), side="right")
    place = np.arange(count) - (ends - sizes)[household]
    return household.astype(np.int64), place.astype(np.int64)


def _births(rng: np.random.Generator, household: Ints, place: Ints, homes: int) -> NDArray[np.datetime64]:
    """Birth dates: heads are adults, spouses near their age, children 20 to 35 years younger."""
    first, last = FIRST_DAY.astype(np.int64), LAST_DAY.astype(np.int64)
    youngest_head = np.datetime64("1998-12-31").astype(np.int64)
    head_day = rng.integers(first, youngest_head, homes)[household]
    count = len(household)
    apart = np.where(
        place == 0,
        0,
        np.where(place == 1, rng.integers(-5 * 365, 5 * 365, count), rng.integers(20 * 365, 35 * 365, count)),
    )
    days = np.clip(head_day + apart, first, last)
    clipped = days >= last
    days = np.where(clipped, last - rng.integers(0, 12 * 365, count), days)
    return days.astype("datetime64[D]")


def _twins(rng: np.random.Generator, people: People, place: Ints) -> None:
    """Make one in a hundred people a twin: the next child of the home has the birth date of this one."""
    pairs = np.flatnonzero((place[:-1] >= 2) & (place[1:] == place[:-1] + 1))
    chosen = pairs[rng.random(len(pairs)) < TWINS * len(people) / 2 / max(len(pairs), 1)]
    chosen = chosen[np.diff(chosen, prepend=-2) > 1]
    people.birth[chosen + 1] = people.birth[chosen]
    people.sex[chosen + 1] = people.sex[chosen]
    years = people.birth[chosen].astype("datetime64[Y]").astype(np.int64) + 1970
    fresh = given_names(rng, years, people.sex[chosen] == 1)
    alike = rng.random(len(chosen)) < 0.5
    start = np.array([text[0] for text in people.given[chosen]], dtype=object)
    end = np.array([text[-1] for text in fresh], dtype=object)
    people.given[chosen + 1] = np.where(alike, start + end, fresh)
    same = people.given[chosen + 1] == people.given[chosen]
    people.given[chosen[same] + 1] = np.array([text[0] + "二" for text in people.given[chosen[same]]], dtype=object)
    people.twin[chosen] = people.twin[chosen + 1] = True


def _namesakes(rng: np.random.Generator, people: People) -> None:
    """Give some people the name and birth date of somebody in another county."""
    count = int(len(people) * NAMESAKES / 2)
    drawn = rng.permutation(len(people))[: 2 * count]
    one, other = drawn[:count], drawn[count:]
    apart = people.county[one] != people.county[other]
    one, other = one[apart], other[apart]
    for values in (people.surname, people.given, people.sex, people.birth):
        values[other] = values[one]
    people.namesake[one] = people.namesake[other] = True


def _citizen_ids(rng: np.random.Generator, people: People) -> Strings:
    """A valid number for everyone: county of the home, birth date, a sequence odd for men, the check character."""
    day = people.birth.astype("datetime64[D]").astype(str)
    digits = np.char.replace(day.astype("U10"), "-", "").astype(np.int64)
    stem = county_code(people.county) * 10**8 + digits
    sequence = _sequences(rng, stem, people.sex)
    bodies = stem * 1000 + sequence
    total = np.zeros(len(people), dtype=np.int64)
    for i, weight in enumerate(WEIGHTS[:17]):
        total += bodies // 10 ** (16 - i) % 10 * weight
    check = np.array(list(CHECK_CHARACTERS), dtype=object)[total % 11]
    found: Strings = bodies.astype(str).astype(object) + check
    return found


def _sequences(rng: np.random.Generator, stem: Ints, sex: Ints) -> Ints:
    """Three digits, odd for men, different among people of one county, day and sex."""
    key = stem * 10 + sex
    order = np.lexsort((rng.random(len(key)), key))
    ordered = key[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1) != 0)
    rank = np.arange(len(key)) - np.repeat(starts, np.diff(np.append(starts, len(key))))
    offset = rng.integers(0, 400, len(starts))
    slot = (np.repeat(offset, np.diff(np.append(starts, len(key)))) + rank) % 499
    found = np.empty(len(key), dtype=np.int64)
    found[order] = slot * 2 + np.where(sex[order] == 1, 1, 2)
    return found
