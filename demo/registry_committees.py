"""The register of committees: what the last yearly list has, and what became of it since, in three deliveries.

Since 2022 some villages became residents' communities (another legal person), several villages were joined into one
community, some committees were abolished and a few of these restored. The chair is a living person of the township.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from demo.committees import Township
from demo.credit_codes import CreditCodes
from demo.credit_codes import mistyped as mistyped_code
from demo.errors import mistyped
from demo.households import World
from demo.life import DELIVERIES, INTERVALS
from demo.people import COUNTIES, PREFECTURES, PROVINCE, county_name
from demo.registers import Book, Made, Noted, Row, Writing, deliver_rows, truth_rows

SOURCE = "committee_registry"
RATES = {
    "committee_name_short": {SOURCE: 0.05},
    "committee_code_missing": {SOURCE: 0.08},
    "committee_code_failing": {SOURCE: 0.01},
    "committee_chair_missing": {SOURCE: 0.05},
    "committee_chair_failing": {SOURCE: 0.02},
}
KINDS = tuple(RATES)
CONVERTED, JOINED, ABOLISHED, NEW_CHAIR = 0.02, 0.015, 0.015, 0.03
STATE = {"正常": "active", "恢复": "active", "撤销": "abolished", "村改居": "converted", "合并": "merged"}
BORN = (np.datetime64("1962-01-01"), np.datetime64("1998-01-01"))
DAY_BEFORE = "2021-11-01"


@dataclass
class Entry:
    """A committee in the register: per delivery its status, and since when; the chair may change once."""

    truth: str
    key: str
    township: Township
    core: str
    residents: bool
    number: int
    credit_code: str
    chairs: list[int]
    status: list[str] = field(default_factory=lambda: ["正常"] * len(DELIVERIES))
    status_day: list[str | None] = field(default_factory=lambda: [None] * len(DELIVERIES))
    written: list[str] = field(default_factory=lambda: [DAY_BEFORE] * len(DELIVERIES))
    successor: str | None = None
    begins: int = 0

    def become(self, status: str, delivery: int, day: str) -> None:
        """From this delivery on the committee has another status, and the chair whom it had before."""
        for i in range(delivery, len(DELIVERIES)):
            self.chairs[i] = self.chairs[max(delivery - 1, 0)]
            self.status[i], self.status_day[i], self.written[i] = status, day, day

    @property
    def short_name(self) -> str:
        """The name as people say it."""
        return self.core.removesuffix("村") + ("社区居委会" if self.residents else "村委会")

    @property
    def legal_name(self) -> str:
        """The name in full, with province, prefecture, county and township."""
        county = self.township.county
        core = self.core.removesuffix("村") + ("社区居民委员会" if self.residents else "村村民委员会")
        return f"{PROVINCE[1]}{PREFECTURES[county // COUNTIES]}市{county_name(county)}{self.township.name}{core}"


@dataclass
class Chairs:
    """Living people of an able age by county, each to be taken once; a draw never fails while anybody is left."""

    rng: np.random.Generator
    world: World
    pools: dict[int, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        people, life = self.world.people, self.world.life
        able = np.isnat(life.died) & life.moments[-1].living() & self.world.known
        able &= (people.birth > BORN[0]) & (people.birth < BORN[1])
        county = life.moments[0].county[np.maximum(life.moments[0].household, 0)]
        for one in self.rng.permutation(np.flatnonzero(able)).tolist():
            self.pools.setdefault(int(county[one]), []).append(one)

    def take(self, county: int) -> int:
        """Somebody of the county, or where nobody is left of the county that has most."""
        pool = self.pools.get(county) or max(self.pools.values(), key=len)
        return pool.pop() if len(pool) > 1 else pool[0]


def deliver_registry(
    folder: Path, book: Book, noted: Noted, world: World, given: tuple[list[Township], CreditCodes]
) -> Made:
    """Write the register's three deliveries and tell their truth."""
    townships, codes = given
    rng = noted.rng
    entries = _registered(rng, townships, codes, Chairs(rng, world))
    _change(rng, entries, codes)
    versions = [_versions(noted, world, one) for one in entries]
    book.tell("committee", truth_rows([_truth(noted, one, world) for one in entries]))
    _relate(book, noted, world, entries)
    book.state("committee", {one.truth: STATE[one.status[-1]] for one in entries})
    return deliver_rows(folder, Writing(SOURCE, "登记编号", False, "csv"), versions, "变更日期")


def _registered(rng: np.random.Generator, townships: list[Township], codes: CreditCodes, chairs: Chairs) -> list[Entry]:
    """One entry per committee of the last list, some with another chair later."""
    found: list[Entry] = []
    keys = rng.permutation(9 * sum(len(one.committees) for one in townships)).tolist()
    for township in townships:
        area = township.code // 1000
        for one in township.committees:
            chair = chairs.take(township.county)
            entry = Entry(
                truth=one.truth,
                key=f"R{keys[len(found)]:07}",
                township=township,
                core=one.core,
                residents=one.residents,
                number=one.number,
                credit_code=codes.give("55" if one.residents else "54", area),
                chairs=[chair] * len(DELIVERIES),
            )
            entry.written = [f"{2018 + len(found) % 4}-{1 + len(found) % 12:02}-20"] * len(DELIVERIES)
            if rng.random() < NEW_CHAIR:
                at, next_chair = 1 + int(rng.random() < 0.5), chairs.take(township.county)
                elected = str(rng.choice(INTERVALS[at - 1]))
                for i in range(at, len(DELIVERIES)):
                    entry.chairs[i], entry.written[i] = next_chair, elected
            found.append(entry)
    return found


def _when(rng: np.random.Generator) -> tuple[int, str]:
    """A delivery, most often the first, and a day before it since the last list."""
    at = max(0, int(rng.integers(-2, len(DELIVERIES))))
    if at == 0:
        return 0, f"{int(rng.integers(2022, 2026))}-{int(rng.integers(1, 12)):02}-{int(rng.integers(1, 29)):02}"
    return at, str(rng.choice(INTERVALS[at - 1]))


def _change(rng: np.random.Generator, entries: list[Entry], codes: CreditCodes) -> None:
    """Conversions, joinings, abolitions and restorations since the last list; at least one of each."""
    villages = [i for i, one in enumerate(entries) if not one.residents]
    order = rng.permutation(villages).tolist()
    count = len(entries)
    for i in [order.pop() for _ in range(max(2, round(CONVERTED * count)))]:
        old, (at, day) = entries[i], _when(rng)
        _succeed(rng, entries, codes, ([old], old.core, old.truth + "r"), (at, day, "村改居"))
    busy = set(villages) - set(order)
    for n in range(max(1, round(JOINED * count / 3))):
        start = next((i for i in order if not {i, i + 1, i + 2} & busy and _side_by_side(entries, i)), None)
        if start is None:
            break
        parts = entries[start : start + 2 + n % 2]
        busy |= {start, start + 1, start + 2}
        at, day = _when(rng)
        name = ("新" if n % 3 else "") + parts[0].core.removesuffix("村")
        _succeed(rng, entries, codes, (parts, name, parts[0].truth + "m"), (at, day, "合并"))
    left = [i for i in order if i not in busy]
    for n, i in enumerate(left[: max(2, round(ABOLISHED * count))]):
        if n % 5 in (1, 3):
            entries[i].become("撤销", 0, "2023-06-30")
            entries[i].become("恢复", 1 + n % 2, str(rng.choice(INTERVALS[n % 2])))
        else:
            entries[i].become("撤销", *_when(rng))


def _side_by_side(entries: list[Entry], start: int) -> bool:
    three = entries[start : start + 3]
    return len(three) == 3 and not any(one.residents or one.township is not three[0].township for one in three)


def _succeed(
    rng: np.random.Generator,
    entries: list[Entry],
    codes: CreditCodes,
    new: tuple[list[Entry], str, str],
    change: tuple[int, str, str],
) -> None:
    """A residents' committee takes the place of some villages' committees."""
    (olds, core, truth), (at, day, status) = new, change
    first = olds[0]
    taken = [one.number for one in entries if one.township is first.township and one.number < 200]
    entry = Entry(
        truth=truth,
        key=f"RN{len(entries):06}",
        township=first.township,
        core=core,
        residents=True,
        number=max(taken, default=0) + 1,
        credit_code=codes.give("55", first.township.code // 1000, int(day[:4])),
        chairs=[first.chairs[-1]] * len(DELIVERIES),
        begins=at,
    )
    entry.written = [day] * len(DELIVERIES)
    entries.append(entry)
    for old in olds:
        old.become(status, at, day)
        old.successor = entry.key


def _versions(noted: Noted, world: World, one: Entry) -> Sequence[Row | None]:
    people, county = world.people, one.township.county
    name = one.short_name if noted.hit("committee_name_short", SOURCE, one.key) else one.legal_name
    code: str | None = one.credit_code
    if noted.hit("committee_code_missing", SOURCE, one.key):
        code = None
    elif noted.hit("committee_code_failing", SOURCE, one.key):
        code = mistyped_code(noted.rng, one.credit_code)
    no_chair = noted.hit("committee_chair_missing", SOURCE, one.key)
    wrong = not no_chair and noted.hit("committee_chair_failing", SOURCE, one.key)
    ids = {chair: mistyped(noted.rng, people.citizen_id[chair]) for chair in dict.fromkeys(one.chairs)} if wrong else {}
    three: list[Row | None] = []
    for i in range(len(DELIVERIES)):
        chair, ended = one.chairs[i], one.status[i] not in ("正常", "恢复")
        number = None if no_chair else ids.get(chair, people.citizen_id[chair])
        row: Row = {
            "登记编号": one.key,
            "组织名称": name,
            "区划代码": f"{one.township.code}{one.number:03}",
            "乡镇街道": one.township.name,
            "县区": county_name(county),
            "地市": f"{PREFECTURES[county // COUNTIES]}市",
            "省份": PROVINCE[1],
            "统一社会信用代码": code,
            "主任姓名": world.names[chair],
            "主任证件号": number,
            "承继组织登记编号": one.successor if ended else None,
            "组织状态": one.status[i],
            "状态日期": one.status_day[i],
            "变更日期": one.written[i],
        }
        three.append(row if i >= one.begins else None)
    return three


def _truth(noted: Noted, one: Entry, world: World) -> Row:
    return {
        "source": SOURCE,
        "source_key": one.key,
        "truth": one.truth,
        "error": noted.error(SOURCE, one.key),
        "true_credit_code": one.credit_code,
        "true_representative_name": world.names[one.chairs[-1]],
        "true_status": one.status[-1],
        "true_status_date": one.status_day[-1],
    }


def _relate(book: Book, noted: Noted, world: World, entries: list[Entry]) -> None:
    by_key = {one.key: one for one in entries}
    succeeded = [(one, by_key[one.successor]) for one in entries if one.successor]
    both = ("committee", "committee")
    book.relate("succeeded_by", both, [(old.truth, new.truth, None) for old, new in succeeded])
    converted = [(new.truth, old.truth, None) for old, new in succeeded if old.status[-1] == "村改居"]
    book.relate("converted_from", both, converted)
    chairs: list[tuple[str, str, str | None]] = []
    for one in entries:
        kinds = noted.errors.get((SOURCE, one.key), ())
        if {"committee_chair_missing", "committee_chair_failing"} & set(kinds):
            continue
        for i, chair in enumerate(one.chairs):
            if i < one.begins or (i and chair == one.chairs[i - 1] and i > one.begins):
                continue
            last = chair == one.chairs[-1]
            until = None if last else one.written[one.chairs.index(one.chairs[-1])]
            if last and STATE[one.status[-1]] != "active":
                until = one.status_day[-1]
            chairs.append((one.truth, f"p{chair}", until))
    book.relate("represented_by", ("committee", "person"), chairs)
