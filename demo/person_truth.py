"""The truth about people: one row per record, who is kin or guardian to whom, and who is alive.

A relation is told of only where a record says it and the record of the other end can be found by what it says: a
household's number and a place in it or a name, the day of a wedding, or an identity number.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from demo.enrollment import ASSISTANCE, CIVIL, DISABILITY, MARRIAGE, NAMES
from demo.errors import GROUPS, KINDS
from demo.life import ALIVE, CANCELLED, DEAD
from demo.names import Flags, Ints, Strings, days_as_text, where_known
from demo.registers import Book
from demo.sources import STATUS, Delivery

STATES = {ALIVE: "alive", DEAD: "dead", CANCELLED: "cancelled"}
NAME_KINDS = next(group for group in GROUPS if group[0].startswith("name"))


def tell_people(book: Book, delivery: Delivery) -> None:
    """Add rows, relations and states of people."""
    book.tell("person", rows(delivery))
    book.relate("spouse", ("person", "person"), _spouses(delivery))
    book.relate("child_of", ("person", "person"), _children(delivery))
    records, told = delivery.records, delivery.told
    right = (records.guardian >= 0) & known_numbers(delivery)[records.guardian] & ~delivery.gone
    right &= ~records.has["guardian_failing"]
    here = np.flatnonzero(right)
    assert (told.guardian_id[here] == delivery.people.citizen_id[records.guardian[here]]).all()
    wards, guardians = records.person[here].tolist(), records.guardian[here].tolist()
    pairs = [(f"p{one}", f"p{other}", None) for one, other in zip(wards, guardians, strict=True)]
    book.relate("guardian", ("person", "person"), pairs)
    status = delivery.life.true_status().tolist()
    book.state("person", {f"p{n}": STATES[status[n]] for n in np.unique(records.person).tolist()})


def known_numbers(delivery: Delivery) -> Flags:
    """Who is known to some record by the right identity number."""
    records, people = delivery.records, delivery.people
    right = (records.citizen_id == people.citizen_id[records.person]) & ~delivery.gone & ~delivery.damaged
    found = np.zeros(len(people), dtype=bool)
    found[records.person[right]] = True
    return found


def rows(delivery: Delivery) -> pl.DataFrame:
    """One truth row per record, by source and source key."""
    records, people, life, key = delivery.records, delivery.people, delivery.life, delivery.key
    last, person = life.moments[-1], records.person
    home = last.household[person]
    errors = np.full(len(records), "", dtype=object)
    for kind in KINDS:
        errors[records.has[kind]] += f";{kind}"
    status = life.true_status()[person]
    revived = np.zeros(len(people), dtype=bool)
    revived[person[delivery.told.mistaken.since >= 0]] = True
    written = np.where(revived[person] & (status == ALIVE), "恢复", STATUS[status])
    died = np.where(np.isnat(life.died), last.status_day, life.died)[person]
    spouse = last.spouse[person]
    relation = last.relation(people)[person]
    return pl.DataFrame(
        {
            "source": _texts(np.array(NAMES, dtype=object)[records.source]),
            "source_key": _texts(key),
            "truth": pl.Series([f"p{n}" for n in person.tolist()], dtype=pl.String),
            "error": _texts(errors).str.strip_prefix(";").replace("", None),
            "true_name": _texts(people.name[person]),
            "true_sex": pl.Series(people.sex[person]).cast(pl.String),
            "true_birth_date": _texts(people.birth[person].astype(str)),
            "true_citizen_id": _texts(people.citizen_id[person]),
            "true_phone": _texts(people.phone[person]),
            "true_division": _texts(last.divisions()[home]),
            "true_address": _texts(last.addresses()[home]),
            "true_household_no": _texts(life.number[home]),
            "true_relation": pl.Series([f"{code:02}" for code in relation.tolist()], dtype=pl.String),
            "true_spouse_name": _texts(where_known(spouse >= 0, people.name[spouse])),
            "true_father_name": _texts(people.father_name[person]),
            "true_mother_name": _texts(people.mother_name[person]),
            "true_status": _texts(written),
            "true_status_date": _texts(days_as_text(died)),
        }
    ).sort("source", "source_key")


def _texts(values: Strings) -> pl.Series:
    return pl.Series(values.tolist(), dtype=pl.String)


def _record_of(delivery: Delivery, source: int, named: bool = False) -> Ints:
    """The record of every person in a source, -1 where there is none or it was withdrawn, or its name is wrong."""
    records = delivery.records
    right = (records.source == source) & ~delivery.gone
    for kind in NAME_KINDS if named else ():
        right &= ~records.has[kind]
    found = np.full(len(delivery.people), -1, dtype=np.int64)
    mine = np.flatnonzero(right)
    found[records.person[mine]] = mine
    return found


def _together(delivery: Delivery, one: Ints, other: Ints) -> Flags:
    """Whether records of two people tell, in some delivery, that they are kin.

    They stand under one number of a household, and either one of them is the head there (or the applicant), or the
    other is the head's spouse, or both are in the registry, where one's record has the other's name.
    """
    told, found = delivery.told, np.zeros(len(one), dtype=bool)
    named = [_record_of(delivery, CIVIL, named=True)[who] for who in (one, other)]
    by_name = (named[0] >= 0) & (named[1] >= 0)
    pairs = ((CIVIL, CIVIL), (CIVIL, DISABILITY), (DISABILITY, CIVIL), (DISABILITY, DISABILITY))
    for numbers, relations in zip(told.numbers, told.relations, strict=True):
        known = np.array([number is not None for number in numbers.tolist()], dtype=bool)
        for first, second in (*pairs, (ASSISTANCE, ASSISTANCE)):
            left, right = _record_of(delivery, first)[one], _record_of(delivery, second)[other]
            same = (left >= 0) & (right >= 0) & (numbers[left] == numbers[right])
            same &= known[left]
            found |= same & ((relations[left] == 2) | np.isin(relations[right], (2, 10)))
            if first == second == CIVIL:
                found |= same & by_name
    return found


def _spouses(delivery: Delivery) -> list[tuple[str, str, str | None]]:
    """Both directions of every couple that records tell of, newly-weds by their names and the day."""
    life, people = delivery.life, delivery.people
    spouse = life.moments[-1].spouse
    one = np.flatnonzero(spouse >= 0)
    other = spouse[one]
    wedding = _record_of(delivery, MARRIAGE, named=True)
    wed = (life.married[one] > 0) & (wedding[one] >= 0) & (wedding[other] >= 0)
    died = np.fmin(life.died[one], life.died[other])
    until = days_as_text(died)
    assert (people.sex[one] != people.sex[other]).all()
    here = np.flatnonzero(_together(delivery, one, other) | wed)
    return [(f"p{one[i]}", f"p{other[i]}", until[i]) for i in here.tolist()]


def _children(delivery: Delivery) -> list[tuple[str, str, str | None]]:
    people, found = delivery.people, list[tuple[str, str, str | None]]()
    for parent in (people.father, people.mother):
        one = np.flatnonzero(parent >= 0)
        here = one[_together(delivery, one, parent[one])]
        found += [(f"p{i}", f"p{parent[i]}", None) for i in here.tolist()]
    return found
