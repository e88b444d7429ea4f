"""What goes wrong between a person and a record: one function per kind of error, each counted, each switchable.

A kind has a rate per record (a tenth of it in the source that leads, the civil registry). Kinds that spoil the same
field exclude each other. `Records` keeps, for every kind, which records have it, so that recall can be told by kind.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from demo.names import Flags, Ints, Strings, confusions, given_names
from demo.people import OF_AREA, TOWNSHIPS, People, addresses, division_codes, elsewhere
from rules.kinds.gb11643 import is_valid
from rules.loader import SHIPPED

Rng = np.random.Generator
RATES = {
    "id_missing": 0.20,
    "id_failing": 0.012,
    "id_other_person": 0.003,
    "id_15_digits": 0.03,
    "id_spreadsheet": 0.01,
    "name_homophone": 0.015,
    "name_shape": 0.008,
    "name_variant": 0.01,
    "name_changed": 0.005,
    "name_placeholder": 0.003,
    "birth_default": 0.02,
    "birth_typo": 0.015,
    "birth_lunar": 0.01,
    "phone_missing": 0.30,
    "phone_outdated": 0.20,
    "phone_shared": 0.15,
    "address_outdated": 0.15,
    "withdrawn": 0.01,
}
GROUPS = (
    ("id_missing", "id_failing", "id_other_person", "id_15_digits"),
    ("name_homophone", "name_shape", "name_variant", "name_changed", "name_placeholder"),
    ("birth_default", "birth_typo", "birth_lunar"),
    ("phone_missing", "phone_outdated", "phone_shared"),
    ("address_outdated",),
)
IN_PERSON = ("twins", "namesakes")
IN_LIFE = {"death_unreported": 0.15, "death_mistaken": 0.001, "guardian_failing": 0.03}
KINDS = (*RATES, *IN_PERSON, *IN_LIFE)
LEADING_SHARE = 0.1
LAST_15 = np.datetime64("1985-01-01")


@dataclass
class Records:
    """One element per source record in every array; `person` is its position in the population.

    `day` is when the source last wrote the record: outdated values stand in older ones. `first` is the delivery in
    which the record appears; `guardian` is a position in the population, -1 where none is named.
    """

    person: Ints
    source: Ints
    name: Strings
    former_name: Strings
    sex: Ints
    birth: Strings
    citizen_id: Strings
    phone: Strings
    division: Strings
    address: Strings
    day: NDArray[np.datetime64]
    first: Ints
    guardian: Ints
    has: dict[str, Flags] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.person)


def spoil(rng: Rng, people: People, records: Records, leading: Flags, without: frozenset[str]) -> None:
    """Apply every kind of error that is not in `without`; `leading` marks records of the leading source."""
    records.has |= {"twins": people.twin[records.person], "namesakes": people.namesake[records.person]}
    factor = np.where(leading, LEADING_SHARE, 1.0)
    for group in GROUPS:
        drawn = rng.random(len(records))
        low = np.zeros(len(records))
        for kind in group:
            rate = RATES[kind] * factor
            hit = (drawn >= low) & (drawn < low + rate) & (kind not in without)
            low += rate
            records.has[kind] = np.zeros(len(records), dtype=bool)
            where = np.flatnonzero(hit)
            done = APPLY[kind](rng, people, records, where)
            records.has[kind][done] = True


def _id_missing(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    records.citizen_id[where] = None
    return where


def _id_failing(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    """One digit wrong, or two neighbours exchanged; the check character finds both."""
    for i in where.tolist():
        records.citizen_id[i] = mistyped(rng, records.citizen_id[i])
    return where


def mistyped(rng: Rng, number: str) -> str:
    """The identity number with one digit wrong or two exchanged, behind the area code, so that it is nobody's."""
    digits = list(number)
    at = int(rng.integers(6, 16))
    if rng.random() < 0.5 and digits[at] != digits[at + 1]:
        digits[at], digits[at + 1] = digits[at + 1], digits[at]
    else:
        digits[at] = str((int(digits[at]) + int(rng.integers(1, 10))) % 10)
    found = "".join(digits)
    assert not is_valid(found)
    return found


def _id_other_person(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    """The number of the neighbour in the list, often of the same household."""
    neighbour = (records.person[where] + 1) % len(people)
    records.citizen_id[where] = people.citizen_id[neighbour]
    return where


def _id_15_digits(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    """The number of before 1999: no century, no check character; only people born before 1985 had one."""
    birth = people.birth[records.person[where]]
    old = where[(birth < LAST_15) & (birth >= np.datetime64("1900-01-01"))]
    records.citizen_id[old] = [text[:6] + text[8:17] for text in records.citizen_id[old]]
    return old


def _replaced(kind: str) -> Callable[[Rng, People, Records, Ints], Ints]:
    """Write one character for another: of the given name, one time in seven of the surname."""

    def apply(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
        table, done = confusions()[kind], []
        for i in where.tolist():
            name = records.name[i]
            places = [0, *range(1, len(name))] if rng.random() < 1 / 7 else [*range(1, len(name)), 0]
            for at in places:
                others = table.get(name[at], "")
                if others:
                    other = others[int(rng.integers(len(others)))]
                    records.name[i] = name[:at] + other + name[at + 1 :]
                    done.append(i)
                    break
        return np.array(done, dtype=np.int64)

    return apply


def _name_changed(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    """The record has the name of before the change; other records of the person may say so."""
    person = records.person[where]
    years = people.birth[person].astype("datetime64[Y]").astype(np.int64) + 1970
    old = people.surname[person] + given_names(rng, years, people.sex[person] == 1)
    records.name[where] = old
    records.day[where] -= np.timedelta64(3000, "D")
    known = dict(zip(person.tolist(), old.tolist(), strict=True))
    others = np.flatnonzero(np.isin(records.person, person))
    told = others[(rng.random(len(others)) < 0.6) & ~np.isin(others, where)]
    records.former_name[told] = [known[p] for p in records.person[told].tolist()]
    return where


def _name_placeholder(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    """A character that the software could not write."""
    signs = ("?", "？", "*", "□", "〓")
    for i in where.tolist():
        name = records.name[i]
        at = int(rng.integers(1, len(name)))
        records.name[i] = name[:at] + signs[int(rng.integers(len(signs)))] + name[at + 1 :]
    return where


def _birth_default(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    """Only the year was known: the first of January stands there."""
    records.birth[where] = [text[:4] + "-01-01" for text in records.birth[where]]
    return where


def _birth_typo(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    """One digit of the year, month or day wrong; still a date."""
    for i in where.tolist():
        text = records.birth[i]
        while records.birth[i] == text:
            at = (3, 6, 9, 2, 8)[int(rng.integers(5))]
            other = text[:at] + str(int(rng.integers(10))) + text[at + 1 :]
            try:
                valid = np.datetime64(other) < np.datetime64("2024-01-01")
            except ValueError:
                continue
            if valid:
                records.birth[i] = other
    return where


def _birth_lunar(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    """The date of the Chinese calendar, written as if it were one of the solar calendar."""
    starts, names = _lunar_months()
    days = people.birth[records.person[where]]
    month = np.searchsorted(starts, days, side="right") - 1
    known = month >= 0
    where, days, month = where[known], days[known], month[known]
    day = (days - starts[month]).astype(np.int64) + 1
    records.birth[where] = [f"{names[m]}-{d:02}" for m, d in zip(month.tolist(), day.tolist(), strict=True)]
    return where


@cache
def _lunar_months() -> tuple[NDArray[np.datetime64], tuple[str, ...]]:
    """First solar days of the months of the Chinese calendar, and their names as year and month."""
    with (SHIPPED / "reference/lunar_months.csv").open(encoding="utf-8") as file:
        rows = sorted((r["first_day"], f"{r['lunar_year']}-{int(r['month']):02}") for r in csv.DictReader(file))
    return np.array([day for day, _ in rows], dtype="datetime64[D]"), tuple(name for _, name in rows)


def _phone_missing(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    records.phone[where] = None
    return where


def _phone_outdated(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    """A number that the person had before, the same in every outdated record; a stranger may have it now."""
    person = records.person[where]
    number = (person + people.area * 10**7) * 7919 + 31_337
    records.phone[where] = [f"154{n:08}" for n in (number % 10**8).tolist()]
    records.day[where] -= np.timedelta64(2000, "D")
    return where


def _phone_shared(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    """The number of the head of the household; the head, or who lives alone, gives that of the next in the list."""
    person = records.person[where]
    head = people.head_phone[person]
    own = head == people.phone[person]
    records.phone[where] = np.where(own, people.phone[(person + 1) % len(people)], head)
    return where


def _address_outdated(rng: Rng, people: People, records: Records, where: Ints) -> Ints:
    """Where the person lived before, the same in every outdated record."""
    person = records.person[where]
    county = elsewhere(people.county[person], 1 + person % (OF_AREA - 1))
    township = person % TOWNSHIPS
    records.division[where] = division_codes(county, township)
    records.address[where] = addresses(county, township, people.household[person] % 89 + 1)
    records.day[where] -= np.timedelta64(2000, "D")
    return where


APPLY: dict[str, Callable[[Rng, People, Records, Ints], Ints]] = {
    "id_missing": _id_missing,
    "id_failing": _id_failing,
    "id_other_person": _id_other_person,
    "id_15_digits": _id_15_digits,
    "name_homophone": _replaced("homophone"),
    "name_shape": _replaced("shape"),
    "name_variant": _replaced("variant"),
    "name_changed": _name_changed,
    "name_placeholder": _name_placeholder,
    "birth_default": _birth_default,
    "birth_typo": _birth_typo,
    "birth_lunar": _birth_lunar,
    "phone_missing": _phone_missing,
    "phone_outdated": _phone_outdated,
    "phone_shared": _phone_shared,
    "address_outdated": _address_outdated,
}
