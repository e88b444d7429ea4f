"""Households in four sources: registered ones, those on assistance, applicants for housing, and the inferred ones.

A registered household (truth `h…`) and the people of it who live on assistance or apply for housing together (`l…`)
are two entities. The register of disabled people has no file of households: its numbers of households are the keys
of the inferred source, some of them missing or mistyped.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from demo.enrollment import ASSISTANCE, CIVIL, DISABILITY
from demo.errors import Records, mistyped
from demo.kin import relation
from demo.life import CLOSED, DELIVERIES, INTERVALS, JOINED, STANDS, Life, Moment
from demo.names import Flags, Ints, Strings
from demo.people import TOWNSHIPS, People, addresses, division_codes
from demo.registers import Book, Made, Noted, Row, Writing, deliver_rows, truth_rows

RATES = {
    "household_member_missing": {
        "civil_household": 0.02,
        "assistance_household": 0.05,
        "housing_household": 0.08,
    },
    "household_member_unknown": {
        "civil_household": 0.01,
        "assistance_household": 0.01,
        "housing_household": 0.02,
    },
    "household_member_twice": {"civil_household": 0.01},
    "household_head_wrong": {"civil_household": 0.015, "assistance_household": 0.03, "housing_household": 0.03},
    "household_address_old": {"civil_household": 0.03, "assistance_household": 0.10, "housing_household": 0.15},
    "household_id_failing": {"housing_household": 0.05},
    "household_id_missing": {"housing_household": 0.04},
    "household_number_typo": {"disability_household": 0.03},
    "household_number_missing": {"disability_household": 0.08},
}
KINDS = tuple(RATES)
TYPES = ("", "家庭户", "集体户", "共同生活家庭")
STATUS = (None, "正常", "立户", "分户", "并户", "销户")
ON_ASSISTANCE, APPLIED, APPLIED_AGAIN, ALSO_ON_ASSISTANCE = 0.6, 0.03, 0.08, 0.5
LATE, STOPPED = 0.08, 0.04
Members = dict[int, list[int]]


@dataclass
class World:
    """What households are made of: people, their life, their records, and the keys of these."""

    people: People
    life: Life
    records: Records
    key: Strings
    gone: Flags
    known: Flags
    names: Strings = field(default_factory=lambda: np.empty(0, dtype=object))
    places: dict[tuple[int, bool], tuple[list[str], list[str]]] = field(default_factory=dict)
    residences: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = self.people.name

    def record_of(self, source: int) -> Ints:
        """The record of every person in a source, -1 where there is none or it was withdrawn."""
        found = np.full(len(self.people), -1, dtype=np.int64)
        mine = np.flatnonzero((self.records.source == source) & ~self.gone)
        found[self.records.person[mine]] = mine
        return found

    def committee(self, delivery: int, home: int) -> tuple[str | None, str | None]:
        """Code and truth of the committee that a household lives under, where its township has any."""
        known = self.residences.get(self.place(delivery, home)[0])
        return known[home % len(known)] if known else (None, None)

    def place(self, delivery: int, home: int, old: bool = False) -> tuple[str, str]:
        """Division and address of a household in a delivery, or those of a township where it is not any more."""
        if (delivery, old) not in self.places:
            moment = self.life.moments[delivery]
            county, township = moment.county, moment.township
            if old:
                township = (township + 1 + np.arange(len(township)) % (TOWNSHIPS - 1)) % TOWNSHIPS
            found = division_codes(county, township).tolist(), addresses(county, township, moment.door).tolist()
            self.places[delivery, old] = found
        divisions, written = self.places[delivery, old]
        return divisions[home], written[home]

    def ended(self, person: int, home: int) -> str:
        """When somebody left a household: the day of death or cancelling, else of the household's event."""
        last = self.life.moments[-1]
        day = last.status_day[person]
        if np.isnat(day):
            day = np.fmax(last.day[person], last.home_day[home])
        return str(day)


@dataclass
class Assistance:
    """Households on assistance: number, applicant, first and last delivery by household; relation by record."""

    number: dict[int, str]
    applicant: dict[int, int]
    begins: dict[int, int]
    stops: dict[int, int]
    members: Members
    home: Ints
    relation: Ints


def members_of(moment: Moment) -> Members:
    """The people who are registered in each household."""
    found: Members = defaultdict(list)
    for person in np.flatnonzero(moment.living()).tolist():
        found[int(moment.household[person])].append(person)
    return found


def plan_assistance(rng: np.random.Generator, world: World) -> Assistance:
    """Choose households on assistance among those with assistance records."""
    people, life, records = world.people, world.life, world.records
    moment, record = life.moments[0], world.record_of(ASSISTANCE)
    able = moment.living() & (record >= 0)
    able &= life.type[np.maximum(moment.household, 0)] == 1
    members: Members = defaultdict(list)
    for person in np.flatnonzero(able).tolist():
        members[int(moment.household[person])].append(person)
    found = Assistance({}, {}, {}, {}, {}, np.full(len(records), -1), np.full(len(records), -1))
    drawn = rng.random((3, len(life.number)))
    numbers = rng.permutation(len(life.number)) + 1
    for home, group in sorted(members.items()):
        if drawn[0, home] >= ON_ASSISTANCE:
            continue
        late = int(drawn[1, home] / LATE * 2) + 1 if drawn[1, home] < LATE else 0
        begins = max(late, min(int(records.first[record[one]]) for one in group))
        ready = [one for one in group if records.first[record[one]] <= begins]
        head = int(moment.head[home])
        found.applicant[home] = min(ready, key=lambda one: (one != head, people.birth[one], one))
        found.begins[home], found.number[home] = begins, f"JZ{numbers[home] + people.area * 10**7:07}"
        if drawn[2, home] < STOPPED and begins < len(INTERVALS):
            found.stops[home] = begins + 1
        found.members[home] = group
        found.home[record[group]] = home
    on = np.flatnonzero(found.home >= 0)
    applicant = np.array([found.applicant[home] for home in found.home[on].tolist()], dtype=np.int64)
    found.relation[on] = relation(people.kin(moment.spouse), records.person[on], applicant)
    return found


def typed_numbers(noted: Noted, world: World) -> tuple[tuple[Strings, ...], Strings]:
    """Per moment the household's number as each record of the disabled writes it, and which error that has."""
    life, records = world.life, world.records
    taken = set(life.number.tolist())
    mine = np.flatnonzero(records.source == DISABILITY).tolist()
    fault = np.full(len(records), "", dtype=object)
    for i in mine:
        for kind in ("household_number_missing", "household_number_typo"):
            if noted.draw(kind, "disability_household") and not fault[i]:
                fault[i] = kind
    found = []
    for moment in life.moments:
        numbers = np.full(len(records), None, dtype=object)
        for i in mine:
            home = int(moment.household[records.person[i]])
            numbers[i] = None if home < 0 else _as_typed(life.number[home], fault[i], i, taken)
        found.append(numbers)
    for i in mine:
        if fault[i] == "household_number_typo" and found[-1][i] in taken:
            fault[i] = ""
    return tuple(found), fault


def _as_typed(number: str, fault: str, salt: int, taken: set[str]) -> str | None:
    if fault == "household_number_missing":
        return None
    if fault == "household_number_typo":
        at = 6 + salt % 6
        for step in range(1, 10):
            digit = str((int(number[at]) + step) % 10)
            other = number[:at] + digit + number[at + 1 :]
            if other not in taken:
                return other
    return number


def deliver_households(
    folder: Path, book: Book, noted: Noted, world: World, plan: tuple[Assistance, tuple[Strings, ...], Strings]
) -> Made:
    """Write the files of households and tell their truth; `plan` is what the records of people already say."""
    assistance, typed, fault = plan
    made = _civil(folder, book, noted, world)
    made += _on_assistance(folder, book, noted, world, assistance)
    made += _housing(folder, book, noted, world, assistance)
    _inferred(book, noted, world, typed, fault)
    _states(book, world, assistance)
    return made


@dataclass
class _Stated:
    """Which people the rows of a source say to be members and heads, and in which deliveries."""

    world: World
    prefix: str
    seen: dict[tuple[str, int, int], int]
    stopped: dict[int, str] = field(default_factory=dict)

    def say(self, kind: str, home: int, person: int, delivery: int) -> None:
        """A row of this delivery says so."""
        self.seen[kind, home, person] = delivery

    def tell(self, book: Book, last: int = len(DELIVERIES) - 1) -> None:
        """Add the relations; what the last delivery does not say any more has ended."""
        died, left = self.world.life.died, self.world.life.moments[-1].status_day
        for kind in ("member", "head"):
            pairs = []
            for (told, home, person), delivery in self.seen.items():
                if told == kind:
                    until = None if delivery == last else self.stopped.get(home) or self.world.ended(person, home)
                    for day in (left[person], died[person]):
                        until = until if np.isnat(day) else str(day)
                    pairs.append((f"{self.prefix}{home}", f"p{person}", until))
            book.relate(kind, ("household", "person"), pairs)


@dataclass
class _Faults:
    """The errors of one row of a household, the same in every delivery."""

    left_out: int = -1
    head: int = -1
    extra: str = ""
    old: bool = False


def _faults(noted: Noted, source: str, key: str, group: list[int], head: int, extra: tuple[str, str]) -> _Faults:
    """Draw the errors of a row with these members; `extra` is what stands for an unknown and for a foreign member."""
    found = _Faults()
    others = [one for one in group if one != head]
    if noted.draw("household_member_missing", source) and others and len(group) > 1:
        found.left_out = others[int(noted.rng.integers(len(others)))]
        noted.note("household_member_missing", source, key)
    left = [one for one in others if one != found.left_out]
    if noted.draw("household_head_wrong", source) and left and head >= 0:
        found.head = left[int(noted.rng.integers(len(left)))]
        noted.note("household_head_wrong", source, key)
    for kind, text in zip(("household_member_unknown", "household_member_twice"), extra, strict=True):
        if text and noted.hit(kind, source, key):
            found.extra += f";{text}"
    found.old = noted.hit("household_address_old", source, key)
    return found


def _civil(folder: Path, book: Book, noted: Noted, world: World) -> Made:
    source, life, records = "civil_household", world.life, world.records
    record = world.record_of(CIVIL)
    stated = _Stated(world, "h", {})
    groups = [members_of(moment) for moment in life.moments]
    written = np.datetime64("2016-01-01") + noted.rng.integers(0, 3500, len(life.number)).astype("timedelta64[D]")
    foreign = world.key[noted.rng.permutation(record[(record >= 0) & life.moments[0].living()])]
    versions: list[Sequence[Row | None]] = []
    truths: list[Row] = []
    lived: list[tuple[str, str, str | None]] = []
    for home, number in enumerate(life.number.tolist()):
        three: list[Row | None] = []
        faults: _Faults | None = None
        where: str | None = None
        for i, moment in enumerate(life.moments):
            group = [p for p in groups[i].get(home, ()) if record[p] >= 0 and records.first[record[p]] <= i]
            status = int(moment.home_status[home])
            if not group and not any(three):
                three.append(None)
                continue
            head = int(moment.head[home])
            if faults is None:
                extra = (f"C{10**9 - 1 - home:09}", str(foreign[home % len(foreign)]))
                faults = _faults(noted, source, number, group, head, extra)
            listed = [p for p in group if p != faults.left_out]
            shown = faults.head if faults.head in listed else head
            for person in listed:
                stated.say("member", home, person, i)
            if shown == head and head in listed:
                stated.say("head", home, head, i)
            division, address = world.place(i, home, faults.old)
            day = moment.home_day[home]
            keys = ";".join(world.key[record[p]] for p in listed)
            code, committee = world.committee(i, home)
            if where is not None and where != committee:
                lived.append((f"h{home}", where, str(day)))
            where = committee
            three.append(
                {
                    "户号": number,
                    "户类型": TYPES[life.type[home]],
                    "户主人员编号": world.key[record[shown]] if shown >= 0 and record[shown] >= 0 else None,
                    "成员人员编号": (keys + faults.extra).strip(";") or None,
                    "户籍地区划": division,
                    "户籍地址": address,
                    "居住地委员会代码": code,
                    "户状态": STATUS[status],
                    "状态日期": None if status == STANDS or np.isnat(day) else str(day),
                    "变更日期": str(written[home] if np.isnat(day) else day),
                }
            )
        if any(three):
            versions.append(three)
            truths.append(_truth(noted, source, number, home, world))
        if where is not None:
            lived.append((f"h{home}", where, None))
    book.relate("lives_in", ("household", "committee"), lived)
    stated.tell(book)
    book.tell("household", truth_rows(truths))
    return deliver_rows(folder, Writing(source, "户号", True, "csv"), versions, "变更日期")


def _truth(noted: Noted, source: str, key: str, home: int, world: World, together: str | None = None) -> Row:
    """The truth of one row: of a registered household, or where `together` is a number or empty, of the other type."""
    last = world.life.moments[-1]
    status, day = int(last.home_status[home]), last.home_day[home]
    division, address = world.place(len(DELIVERIES) - 1, home)
    registered = together is None
    return {
        "source": source,
        "source_key": key,
        "truth": f"{'h' if registered else 'l'}{home}",
        "error": noted.error(source, key),
        "true_number": world.life.number[home] if registered else together or None,
        "true_type": TYPES[world.life.type[home] if registered else 3],
        "true_division": division,
        "true_address": address,
        "true_status": STATUS[status] if registered else None,
        "true_status_date": str(day) if registered and status != STANDS and not np.isnat(day) else None,
    }


def _on_assistance(folder: Path, book: Book, noted: Noted, world: World, plan: Assistance) -> Made:
    source, life, records = "assistance_household", world.life, world.records
    record, stated = world.record_of(ASSISTANCE), _Stated(world, "l", {})
    living = [moment.living() for moment in life.moments]
    versions: list[Sequence[Row | None]] = []
    truths: list[Row] = []
    for home, group in plan.members.items():
        number, applicant, begins = plan.number[home], plan.applicant[home], plan.begins[home]
        ready = [one for one in group if records.first[record[one]] <= begins]
        faults = _faults(noted, source, number, ready, applicant, (f"S{10**9 - 1 - home:09}", ""))
        three: list[Row | None] = [None] * begins
        for i in range(begins, len(DELIVERIES)):
            here = [one for one in group if living[i][one] and records.first[record[one]] <= i]
            if not here and home not in plan.stops:
                plan.stops[home] = i
            stopped = plan.stops.get(home, len(DELIVERIES)) <= i
            head = applicant if applicant in here else min(here, default=-1)
            listed = [one for one in here if one != faults.left_out]
            shown = faults.head if faults.head in listed else head
            if not stopped:
                for person in listed:
                    stated.say("member", home, person, i)
                if shown == head and head in listed:
                    stated.say("head", home, head, i)
            division, address = world.place(i, home, faults.old)
            keys = ";".join(world.key[record[one]] for one in listed)
            before = three[-1] if three else None
            day = str(INTERVALS[i - 1][10 + home % 10]) if i else f"{2020 + home % 5}-{1 + home % 12:02}-15"
            row: Row = {
                "救助户号": number,
                "家庭类型": "低保家庭",
                "申请人救助编号": world.key[record[shown]] if shown >= 0 else None,
                "共同生活成员救助编号": (keys + faults.extra).strip(";") or None,
                "区划代码": division,
                "家庭住址": address,
                "救助状态": "停保" if stopped else "在保",
                "状态日期": before["状态日期"] if before and before["救助状态"] == "停保" else None,
                "核定日期": day,
            }
            if stopped and not row["状态日期"]:
                row["状态日期"] = stated.stopped[home] = day
            three.append(row)
        versions.append(three)
        truths.append(_truth(noted, source, number, home, world, number))
    stated.tell(book)
    book.tell("household", truth_rows(truths))
    return deliver_rows(folder, Writing(source, "救助户号", False, "txt"), versions, "核定日期")


def _housing(folder: Path, book: Book, noted: Noted, world: World, plan: Assistance) -> Made:
    source, life = "housing_household", world.life
    rng, moment, stated = noted.rng, life.moments[0], _Stated(world, "l", {})
    groups = members_of(moment)
    families = [home for home, group in groups.items() if len(group) > 1 and life.type[home] == 1]
    wanted = max(2, round(APPLIED * len(families)))
    on = [home for home in families if home in plan.members]
    homes = rng.permutation(on)[: round(wanted * ALSO_ON_ASSISTANCE)].tolist()
    homes += rng.permutation(families)[: wanted - len(homes)].tolist()
    homes = sorted(dict.fromkeys(homes))
    homes += [home for home in homes if rng.random() < APPLIED_AGAIN]
    versions: list[Sequence[Row | None]] = []
    truths: list[Row] = []
    numbers = rng.permutation(len(homes)) + 1
    for n, home in enumerate(homes):
        key, group = f"Z{numbers[n]:07}", groups[home]
        head = plan.applicant.get(home, int(moment.head[home]))
        first = int(rng.integers(1, 3)) if rng.random() < LATE else 0
        stranger = mistyped(rng, world.people.citizen_id[group[0]])
        faults = _faults(noted, source, key, group, head, (stranger, ""))
        listed = [one for one in group if one != faults.left_out]
        shown = faults.head if faults.head >= 0 else head
        ids = {one: world.people.citizen_id[one] for one in listed}
        if noted.hit("household_id_failing", source, key):
            wrong = listed[int(rng.integers(len(listed)))]
            ids[wrong] = mistyped(rng, ids[wrong])
        if noted.hit("household_id_missing", source, key):
            ids[shown] = ""
        for one in listed:
            if ids[one] == world.people.citizen_id[one] and world.known[one]:
                if one != shown:
                    stated.say("member", home, one, len(DELIVERIES) - 1)
                elif one == head:
                    stated.say("head", home, one, len(DELIVERIES) - 1)
        division, address = world.place(0, home, faults.old)
        day = str(INTERVALS[first - 1][5 + n % 20]) if first else f"{2019 + n % 6}-{1 + n % 12:02}-{1 + n % 28:02}"
        members = ";".join(ids[one] for one in listed if one != shown)
        row: Row = {
            "申请编号": key,
            "家庭类型": "保障家庭",
            "申请人身份证号": ids[shown] or None,
            "共同申请人身份证号": (members + faults.extra).strip(";") or None,
            "区划代码": division,
            "现住址": address,
            "申请日期": day,
        }
        versions.append([row if i >= first else None for i in range(len(DELIVERIES))])
        truths.append(_truth(noted, source, key, home, world, plan.number.get(home, "")))
    stated.tell(book)
    book.tell("household", truth_rows(truths))
    return deliver_rows(folder, Writing(source, "申请编号", False, "xlsx"), versions, "申请日期")


def _inferred(book: Book, noted: Noted, world: World, typed: tuple[Strings, ...], fault: Strings) -> None:
    """The truth of the numbers of households in the register of disabled people."""
    source, life, records = "disability_household", world.life, world.records
    mine = np.flatnonzero((records.source == DISABILITY) & ~world.gone).tolist()
    homes: dict[str, Counter[int]] = defaultdict(Counter)
    stated = _Stated(world, "h", {})
    for i, moment in enumerate(life.moments):
        living = moment.living()
        for one in mine:
            person, number = int(records.person[one]), typed[i][one]
            if number is None or records.first[one] > i:
                continue
            home = int(moment.household[person])
            homes[number][home] += i + 1
            if fault[one]:
                if i == len(life.moments) - 1:
                    noted.note(fault[one], source, number)
            elif living[person]:
                stated.say("member", home, person, i)
                if moment.head[home] == person:
                    stated.say("head", home, person, i)
    stated.tell(book)
    truths = [
        _truth(noted, source, number, found.most_common(1)[0][0], world) for number, found in sorted(homes.items())
    ]
    if truths:
        book.tell("household", truth_rows(truths))


def _states(book: Book, world: World, plan: Assistance) -> None:
    ended = np.isin(world.life.moments[-1].home_status, (JOINED, CLOSED)).tolist()
    states = {f"h{home}": "closed" if over else "active" for home, over in enumerate(ended)}
    states |= {f"l{home}": "closed" if home in plan.stops else "active" for home in range(len(ended))}
    book.state("household", states)
