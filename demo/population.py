"""Generates the demo population: a small province in the files of many departments, and the truth behind them.

People, households, committees, organizations and institutions come in three deliveries. Everything follows from
`size`, `seed` and `without`: the same three give the same bytes. Area codes begin with 88, which no authority ever
gave out; see `people.py` and `credit_codes.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demo import errors, households, institutions, organizations, registry_committees
from demo.committees import deliver_years, residences
from demo.credit_codes import CreditCodes
from demo.enrollment import CIVIL, DISABILITY, ELDERLY, FUNERAL, LEADING, MARRIAGE, enroll, records_of
from demo.errors import IN_LIFE, LEADING_SHARE, RATES, Records, mistyped, spoil
from demo.households import World, deliver_households, plan_assistance, typed_numbers
from demo.institutions import deliver_institutions
from demo.life import BEFORE, DELIVERIES, INTERVALS, NEVER, Life, live
from demo.names import Flags, Ints, Strings
from demo.organizations import deliver_organizations
from demo.people import People, populate
from demo.person_truth import known_numbers, tell_people
from demo.registers import Book, Noted
from demo.registry_committees import deliver_registry
from demo.sources import Delivery, Mistaken, Told, deliver, keys
from rules.errors import InputError

PEOPLE_PER_RECORD = 1 / 1.6
SPREADSHEET = ELDERLY
COMMITTEES_PER_RECORD = 1 / 213
LEAST_COMMITTEES = 48
KINDS_OF = {
    "person": errors.KINDS,
    "household": households.KINDS,
    "committee": registry_committees.KINDS,
    "organization": organizations.KINDS,
    "institution": institutions.KINDS,
}
KINDS = tuple(kind for kinds in KINDS_OF.values() for kind in kinds)


@dataclass(frozen=True)
class Generated:
    """What was made.

    files      (entity, source, file) in the order of delivery
    truth      entity -> its truth file: source, source_key, truth, error, true_<field> …
    counts     kind of error -> records that have it
    relations  type, from_entity, from_truth, to_entity, to_truth, until
    states     entity, truth, state at the end
    """

    files: tuple[tuple[str, str, Path], ...]
    truth: dict[str, Path]
    counts: dict[str, int]
    relations: Path
    states: Path


def generate(folder: Path, size: int = 20_000, seed: int = 1, without: Collection[str] = ()) -> Generated:
    """Write `size` person records of five departments and all that belongs to them into `folder`/delivered.

    The truth stands in `folder`/truth.

    Raises:
        InputError: `without` names an unknown kind of error.
    """
    unknown = sorted(set(without) - set(KINDS))
    if unknown:
        raise InputError(f"no kind of error {unknown[0]!r}; known are {', '.join(KINDS)}")
    delivered, known = folder / "delivered", folder / "truth"
    for made in (delivered, known):
        made.mkdir(parents=True, exist_ok=True)
    left_out, book = frozenset(without), Book(known)
    streams = [np.random.default_rng([seed, i]) for i in range(6)]
    world, delivery, counts, plan = people_and_records((streams[0], streams[1]), size, left_out)
    noted = {
        "household": plan[0],
        "committee": Noted(streams[2], registry_committees.RATES, left_out),
        "organization": Noted(streams[3], organizations.RATES, left_out),
        "institution": Noted(streams[4], institutions.RATES, left_out),
    }
    codes = CreditCodes(streams[5])
    made_by = {"person": deliver(delivered, delivery)}
    tell_people(book, delivery)
    count = max(LEAST_COMMITTEES, round(size * COMMITTEES_PER_RECORD))
    yearly, townships, told = deliver_years(delivered, book, streams[2], count)
    world.residences = residences(townships)
    made_by["household"] = deliver_households(delivered, book, noted["household"], world, plan[1])
    made_by["committee"] = [(-1, *one) for one in yearly]
    made_by["committee"] += deliver_registry(delivered, book, noted["committee"], world, (townships, codes))
    made_by["organization"], operators = deliver_organizations(
        delivered, book, noted["organization"], world, (townships, codes)
    )
    made_by["institution"] = deliver_institutions(delivered, book, noted["institution"], world, (operators, codes))
    files = sorted(
        ((number, entity, source, path) for entity, made in made_by.items() for number, source, path in made),
        key=lambda one: (one[0], list(KINDS_OF).index(one[1])),
    )
    truth = book.write()
    for one in noted.values():
        counts |= one.counts()
    counts["household_number_missing"] = int((plan[1][2] == "household_number_missing").sum())
    return Generated(
        files=tuple((entity, source, path) for _, entity, source, path in files),
        truth={entity: truth[entity] for entity in KINDS_OF},
        counts=counts | told,
        relations=known / "relations.csv",
        states=known / "states.csv",
    )


_Plan = tuple[Noted, tuple[households.Assistance, tuple[Strings, ...], Strings]]


def people_and_records(
    streams: tuple[np.random.Generator, np.random.Generator],
    size: int,
    without: frozenset[str],
    area: tuple[int, int] = (0, 1),
) -> tuple[World, Delivery, dict[str, int], _Plan]:
    """People with their life and records, spoiled, and what the records say of households."""
    rng, home_rng = streams
    people = populate(rng, round(size * PEOPLE_PER_RECORD * 1.03) + 10, without, INTERVALS, area)
    person, source = enroll(rng, people, size)
    in_registry, in_marriage = (_in(people, person, source, one) for one in (CIVIL, MARRIAGE))
    life = live(rng, people, (in_registry, in_marriage), "death_unreported" not in without)
    records = records_of(rng, people, life, person, source)
    written = records.day.copy()
    spoil(rng, people, records, records.source == LEADING, without)
    # What was written between deliveries, or after a death, is not older than that, whatever it repeats.
    fixed = (records.first > 0) | (records.source == FUNERAL)
    records.day = np.where(fixed, written, np.maximum(records.day, people.birth[records.person]))
    gone, damaged = _late(rng, records, without)
    key = keys(rng, records, area[0])
    mistaken = _mistaken(rng, life, records, gone, without)
    world = World(people, life, records, key, gone, np.empty(0, dtype=bool))
    noted = Noted(home_rng, households.RATES, without)
    assistance = plan_assistance(home_rng, world)
    typed, fault = typed_numbers(noted, world)
    numbers, relations = _told(world, assistance, typed)
    told = Told(numbers, relations, _guardian_ids(rng, people, records, without), mistaken)
    records.has["death_unreported"] = (
        (records.source == CIVIL) & ~np.isnat(life.died[records.person]) & ~life.registered[records.person]
    )
    delivery = Delivery(people, life, records, key, told, gone, damaged)
    world.known = known_numbers(delivery)
    counts = {kind: int(records.has[kind].sum()) for kind in errors.KINDS}
    return world, delivery, counts, (noted, (assistance, typed, fault))


def _in(people: People, person: Ints, source: Ints, which: int) -> Flags:
    found = np.zeros(len(people), dtype=bool)
    found[person[source == which]] = True
    return found


def _late(rng: np.random.Generator, records: Records, without: frozenset[str]) -> tuple[Flags, Flags]:
    """The records that are taken back, and those whose number a spreadsheet damages; noted in `records.has`."""
    drawn = rng.random((2, len(records)))
    rate = RATES["withdrawn"] * np.where(records.source == LEADING, LEADING_SHARE, 1.0)
    gone = (drawn[0] < rate) & ("withdrawn" not in without)
    gone &= (records.first == 0) & (records.source < FUNERAL)
    whole = np.array([text is not None and len(text) == 18 and text.isdigit() for text in records.citizen_id.tolist()])
    number = (drawn[1] < RATES["id_spreadsheet"]) & (records.source == SPREADSHEET) & whole
    number &= "id_spreadsheet" not in without
    records.has |= {"withdrawn": gone, "id_spreadsheet": number}
    return gone, number


def _mistaken(rng: np.random.Generator, life: Life, records: Records, gone: Flags, without: frozenset[str]) -> Mistaken:
    """Whom the registry takes for dead, in the first or second delivery, and when it finds out."""
    count, kind = len(records), "death_mistaken"
    mistaken, revived = np.full(count, -1, dtype=np.int64), np.full(count, len(DELIVERIES), dtype=np.int64)
    dead, back = np.full(count, NEVER), np.full(count, NEVER)
    last = life.moments[-1]
    able = (records.source == CIVIL) & ~gone & (records.first == 0) & np.isnat(life.died[records.person])
    able &= np.isnat(last.status_day[records.person]) & np.isnat(last.day[records.person])
    able &= records.birth < "1990"
    wanted = max(2, round(IN_LIFE[kind] * int((records.source == CIVIL).sum())))
    chosen = rng.permutation(np.flatnonzero(able))[:wanted] if kind not in without else np.empty(0, dtype=np.int64)
    for i, one in enumerate(chosen.tolist()):
        mistaken[one], revived[one] = i % 2, 1 + i % 2 if i % 4 else 2
        dead[one] = rng.choice(BEFORE if i % 2 == 0 else INTERVALS[0])
        back[one] = rng.choice(INTERVALS[revived[one] - 1])
        if i % 2 == 0:
            records.day[one] = dead[one]
    records.has[kind] = mistaken >= 0
    return Mistaken(mistaken, revived, dead, back)


def _guardian_ids(rng: np.random.Generator, people: People, records: Records, without: frozenset[str]) -> Strings:
    found = np.full(len(records), None, dtype=object)
    here = np.flatnonzero(records.guardian >= 0)
    found[here] = people.citizen_id[records.guardian[here]]
    kind = "guardian_failing"
    wrong = here[(rng.random(len(here)) < IN_LIFE[kind]) & (kind not in without)]
    found[wrong] = [mistyped(rng, number) for number in found[wrong]]
    records.has[kind] = np.isin(np.arange(len(records)), wrong)
    return found


def _told(
    world: World, assistance: households.Assistance, typed: tuple[Strings, ...]
) -> tuple[tuple[Strings, ...], tuple[Ints, ...]]:
    """Per moment the household's number and the relation that every record tells; assistance has its own of both."""
    records, life = world.records, world.life
    own = np.array([assistance.number.get(home) for home in assistance.home.tolist()], dtype=object)
    numbers, relations = [], []
    for i, moment in enumerate(life.moments):
        home = moment.household[records.person]
        relation = moment.relation(world.people)[records.person]
        civil, disabled = records.source == CIVIL, records.source == DISABILITY
        number = np.where(civil & (home >= 0), life.number[home], own)
        numbers.append(np.where(disabled, typed[i], number))
        relations.append(np.where((civil | disabled) & (home >= 0), relation, assistance.relation))
    return tuple(numbers), tuple(relations)
