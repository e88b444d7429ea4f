"""The true population: living people of a made-up province, in households, with every value that is true of them.

The province has the division code 88, which GB/T 2260 never used, so no identity number here is anybody's; mobile
numbers begin with 154, which no carrier was given. Names of places are invented.

A population larger than memory is made area by area. An area has thirty counties, and telephone numbers, of its own,
so that nobody of one area has a number of somebody in another; names and birth dates are shared as they fall.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from demo import kin
from demo.kin import Days, Kin, Places
from demo.names import Flags, Ints, Strings, given_names, surnames
from rules.errors import InputError
from rules.kinds.gb11643 import CHECK_CHARACTERS, WEIGHTS

PROVINCE = ("88", "沧原省")
PREFECTURES = ("北屏", "南溪", "东岚", "西泽", "清川", "和宁")
COUNTY_HEAD, COUNTY_TAIL = "青白石云龙凤金玉安永", "泉峰岭台沙"
TOWN_HEAD, TOWN_TAIL = "新大双高平三长红松柳", "庄店塘坪坝集港寨"
COUNTIES = 5
TOWNSHIPS = 16
OF_AREA = len(PREFECTURES) * COUNTIES
AREAS_BESIDE = 16
AREA_MARKS = ("", *"东西南北中上下前后左右内外远近古今春夏秋冬天地日月")
AREAS = len(AREA_MARKS)
TWINS = 0.01
NAMESAKES = 0.003
ADULT = np.datetime64("2012-01-01")
BORN = 0.001
CHILDREN_OF = (np.datetime64("1980-01-01"), np.datetime64("2004-01-01"))


def _no_text() -> Strings:
    return np.empty(0, dtype=object)


def _no_flags() -> Flags:
    return np.empty(0, dtype=bool)


@dataclass
class People:
    """One element per person in every array; `birth` is datetime64[D], `sex` 1 male and 2 female.

    household, county and township are where one lives at first; father, mother and spouse are positions, -1 where
    they are not of the population. `interval` is 0, or the interval between deliveries in which one is born.
    """

    household: Ints
    role: Ints
    surname: Strings
    given: Strings
    sex: Ints
    birth: Days
    county: Ints
    township: Ints
    father: Ints
    mother: Ints
    spouse: Ints
    interval: Ints
    father_name: Strings = field(default_factory=_no_text)
    mother_name: Strings = field(default_factory=_no_text)
    citizen_id: Strings = field(default_factory=_no_text)
    phone: Strings = field(default_factory=_no_text)
    head_phone: Strings = field(default_factory=_no_text)
    area: int = 0
    twin: Flags = field(default_factory=_no_flags)
    namesake: Flags = field(default_factory=_no_flags)

    def __len__(self) -> int:
        return len(self.sex)

    @property
    def name(self) -> Strings:
        """Surname and given name together."""
        found: Strings = self.surname + self.given
        return found

    def kin(self, spouse: Ints) -> Kin:
        """Who is kin to whom while people are married as in `spouse`."""
        return Kin(self.father, self.mother, spouse, self.sex, self.birth)


def populate(
    rng: np.random.Generator,
    count: int,
    without: frozenset[str] = frozenset(),
    intervals: tuple[Days, ...] = (),
    area: tuple[int, int] = (0, 1),
) -> People:
    """`count` people; `without` may name "twins" and "namesakes".

    `intervals` are days in which some of them are born, later than everybody else; `area` is (which, of how many).
    """
    places = kin.settle(rng, count)
    homes = int(places.household[-1]) + 1
    home_county = rng.integers(0, OF_AREA, homes) + area[0] * OF_AREA
    home_township = rng.integers(0, TOWNSHIPS, homes)
    sex = kin.sexes(rng, places)
    birth = kin.births(rng, places)
    father, mother, spouse = kin.relatives(places, sex)
    interval = _newborn(rng, places, birth, mother, intervals)
    years = _years(birth)
    people = People(
        household=places.household,
        role=places.role,
        surname=_family_names(rng, places, father, sex),
        given=given_names(rng, years, sex == 1),
        sex=sex,
        birth=birth,
        county=home_county[places.household],
        township=home_township[places.household],
        father=father,
        mother=mother,
        spouse=spouse,
        interval=interval,
        area=area[0],
    )
    people.twin, people.namesake = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    if "twins" not in without:
        _twins(rng, people)
    if "namesakes" not in without:
        _namesakes(rng, people)
    people.father_name, people.mother_name = _parents_names(rng, people, places)
    people.citizen_id = _citizen_ids(rng, people)
    numbers = phones(rng, count, area)
    people.head_phone = numbers[places.first]
    people.phone = np.where(people.birth > ADULT, people.head_phone, numbers)
    return people


def _years(birth: Days) -> Ints:
    found: Ints = birth.astype("datetime64[Y]").astype(np.int64) + 1970
    return found


def _newborn(rng: np.random.Generator, places: Places, birth: Days, mother: Ints, intervals: tuple[Days, ...]) -> Ints:
    """Let the last child of some younger mothers be born in one of the intervals; tells in which."""
    interval = np.zeros(len(birth), dtype=np.int64)
    last = np.append(places.place[1:] == 0, True)
    of = np.where(mother >= 0, birth[mother], np.datetime64("1900-01-01"))
    able = last & np.isin(places.role, (kin.CHILD, kin.GRANDCHILD)) & (of >= CHILDREN_OF[0]) & (of < CHILDREN_OF[1])
    chosen = rng.permutation(np.flatnonzero(able))
    each = min(max(1, round(len(birth) * BORN)), len(chosen) // max(len(intervals), 1))
    for i, days in enumerate(intervals):
        here = chosen[i * each : (i + 1) * each]
        birth[here] = rng.choice(days, len(here))
        interval[here] = i + 1
    return interval


def _family_names(rng: np.random.Generator, places: Places, father: Ints, sex: Ints) -> Strings:
    """Surnames: spouses and mothers keep their own, children have the father's."""
    own = surnames(rng, len(places.role))
    family = surnames(rng, int(places.household[-1]) + 1)[places.household]
    kept = np.isin(places.role, (kin.SPOUSE, kin.IN_LAW, kin.LODGER)) | ((places.role == kin.PARENT) & (sex == 2))
    surname = np.where(kept, own, family)
    for role in (kin.CHILD, kin.GRANDCHILD):
        of = (places.role == role) & (father >= 0)
        surname[of] = surname[father[of]]
    return surname


def _parents_names(rng: np.random.Generator, people: People, places: Places) -> tuple[Strings, Strings]:
    """What father and mother are called; brothers and sisters of a household have the same."""
    count = len(people)
    years = _years(people.birth) - 27
    father = people.surname + given_names(rng, years, np.ones(count, dtype=bool))
    mother = surnames(rng, count) + given_names(rng, years, np.zeros(count, dtype=bool))
    eldest = np.where(people.role == kin.CHILD, kin.first_of(places, kin.CHILD), np.arange(count))
    father, mother = father[eldest], mother[eldest]
    father = np.where(people.father >= 0, people.name[people.father], father)
    mother = np.where(people.mother >= 0, people.name[people.mother], mother)
    return father, mother


def phones(rng: np.random.Generator, count: int, area: tuple[int, int] = (0, 1)) -> Strings:
    """`count` different mobile numbers that no carrier gives out, of the area's share of them."""
    share = 10**8 // area[1]
    room = count + count // (50 if area[1] == 1 else 4) + 10
    if 2 * count > share:
        raise InputError(f"{count:,} people need more telephone numbers than the {share:,} that nobody has")
    drawn = np.unique(rng.integers(area[0] * share, (area[0] + 1) * share, room))
    while drawn.size < count:
        drawn = np.unique(np.append(drawn, rng.integers(area[0] * share, (area[0] + 1) * share, room)))
    return np.array([f"154{number:08}" for number in rng.permutation(drawn)[:count].tolist()], dtype=object)


def county_code(county: Ints) -> Ints:
    """The six digits of a county's number: sixteen areas stand beside each other, the next sixteen after them."""
    area, at = county // OF_AREA, county % OF_AREA
    prefecture = area % AREAS_BESIDE * len(PREFECTURES) + at // COUNTIES + 1
    found: Ints = 880000 + prefecture * 100 + area // AREAS_BESIDE * COUNTIES + at % COUNTIES + 1
    return found


def elsewhere(county: Ints, step: Ints | int) -> Ints:
    """Another county of the same area, `step` further on, in 1 … OF_AREA - 1."""
    found: Ints = county // OF_AREA * OF_AREA + (county + step) % OF_AREA
    return found


def division_codes(county: Ints, township: Ints) -> Strings:
    """The nine digits of a township."""
    codes = county_code(county) * 1000 + 101 + township
    return codes.astype(str).astype(object)


def addresses(county: Ints, township: Ints, door: Ints) -> Strings:
    """An address down to the township and a number in it."""
    prefecture = np.array([f"{PROVINCE[1]}{name}{mark}市" for mark in AREA_MARKS for name in PREFECTURES], dtype=object)
    found: Strings = (
        prefecture[county // COUNTIES]
        + np.array([county_name(i) for i in range(AREAS * OF_AREA)], dtype=object)[county]
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


def _twins(rng: np.random.Generator, people: People) -> None:
    """Make one in a hundred people a twin: the next child of the home has the birth date of this one."""
    child = (people.role == kin.CHILD) & (people.interval == 0)
    pairs = np.flatnonzero(child[:-1] & child[1:] & (people.household[1:] == people.household[:-1]))
    chosen = pairs[rng.random(len(pairs)) < TWINS * len(people) / 2 / max(len(pairs), 1)]
    chosen = chosen[np.diff(chosen, prepend=-2) > 1]
    people.birth[chosen + 1] = people.birth[chosen]
    people.sex[chosen + 1] = people.sex[chosen]
    years = _years(people.birth[chosen])
    fresh = given_names(rng, years, people.sex[chosen] == 1)
    alike = rng.random(len(chosen)) < 0.5
    start = np.array([text[0] for text in people.given[chosen]], dtype=object)
    end = np.array([text[-1] for text in fresh], dtype=object)
    people.given[chosen + 1] = np.where(alike, start + end, fresh)
    same = people.given[chosen + 1] == people.given[chosen]
    people.given[chosen[same] + 1] = np.array([text[0] + "二" for text in people.given[chosen[same]]], dtype=object)
    people.twin[chosen] = people.twin[chosen + 1] = True


def _namesakes(rng: np.random.Generator, people: People) -> None:
    """Give some people who live alone the name and birth date of somebody in another county."""
    count = int(len(people) * NAMESAKES / 2)
    size = np.bincount(people.household)[people.household]
    alone = (size == 1) | (people.role == kin.LODGER)
    other = rng.permutation(np.flatnonzero(alone))[:count]
    one = rng.permutation(np.flatnonzero(~alone & (people.interval == 0)))[: len(other)]
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
