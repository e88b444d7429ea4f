"""Homes for the elderly, child welfare homes and rescue stations in two registers and a statistical list.

One legal person may run several homes, so the operator's code is no home's own; the same common name stands in
several counties; homes change hands, pause and close between deliveries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from demo.credit_codes import CreditCodes
from demo.credit_codes import mistyped as mistyped_code
from demo.households import World
from demo.life import DELIVERIES, INTERVALS
from demo.names import given_names, surnames
from demo.organizations import Operator, place_of
from demo.people import COUNTIES, PREFECTURES, PROVINCE, TOWNSHIPS, county_name, division_codes, township_name
from demo.registers import Book, Made, Noted, Row, Writing, deliver_rows, truth_rows

ELDERLY, WELFARE, STATISTICS = "elderly_institution", "welfare_institution", "institution_statistics"
RATES = {
    "institution_name_short": {ELDERLY: 0.03, WELFARE: 0.05, STATISTICS: 0.25},
    "institution_address_variant": {ELDERLY: 0.05, WELFARE: 0.05, STATISTICS: 0.30},
    "institution_address_old": {STATISTICS: 0.04},
    "institution_operator_missing": {ELDERLY: 0.03, WELFARE: 0.10, STATISTICS: 0.40},
    "institution_operator_failing": {ELDERLY: 0.01, WELFARE: 0.01, STATISTICS: 0.03},
    "institution_phone_missing": {ELDERLY: 0.05, WELFARE: 0.05, STATISTICS: 0.15},
    "institution_phone_old": {STATISTICS: 0.08},
    "institution_manager_old": {STATISTICS: 0.15},
}
KINDS = tuple(RATES)
PER_PERSON, IN_STATISTICS, CHAINED = 0.004, 0.75, 0.18
HOME, CHILD, RESCUE, SHELTER = "养老机构", "儿童福利机构", "救助管理机构", "未成年人救助保护机构"
KINDS_OF_HOME = ("养老院", "敬老院", "老年公寓", "护理院")
COMMON = (
    *("幸福", "康乐", "夕阳红", "安康", "福寿", "祥和", "金色年华", "颐年", "松鹤", "仁爱", "怡康", "长乐", "福乐"),
    *("瑞康", "和美", "寿康", "静安", "百岁", "常青", "孝心"),
)
HANDED_OVER, PAUSED, SHUT, ENLARGED = 0.02, 0.03, 0.04, 0.05
STATE = {"备案": "active", "暂停": "suspended", "关停": "closed"}
IN_WELFARE = {"备案": "运行", "暂停": "暂停", "关停": "撤销"}


@dataclass
class Institution:
    """An institution in the three deliveries."""

    truth: str
    key: str
    type: str
    name: str
    place: tuple[int, int]
    address: str
    operators: list[Operator]
    manager: str
    phone: str
    beds: list[int]
    status: list[str] = field(default_factory=lambda: ["备案"] * len(DELIVERIES))
    status_day: list[str | None] = field(default_factory=lambda: [None] * len(DELIVERIES))
    written: list[str] = field(default_factory=lambda: ["2021-01-01"] * len(DELIVERIES))

    @property
    def division(self) -> str:
        """The nine digits of its township."""
        county, township = self.place
        return str(division_codes(np.array([county]), np.array([township]))[0])


def deliver_institutions(
    folder: Path, book: Book, noted: Noted, world: World, given: tuple[list[Operator], CreditCodes]
) -> Made:
    """Write the three sources and tell their truth; `given` are organizations that may run homes, and codes."""
    made = _institutions(noted.rng, len(world.people), *given)
    _change(noted.rng, made, given[0])
    registered = _register(folder, book, noted, made, ELDERLY)
    registered += _register(folder, book, noted, made, WELFARE)
    registered += _statistics(folder, book, noted, made)
    book.state("institution", {one.truth: STATE[one.status[-1]] for one in made})
    return registered


def _institutions(
    rng: np.random.Generator, people: int, operators: list[Operator], codes: CreditCodes
) -> list[Institution]:
    count = max(12, round(people * PER_PERSON))
    others = max(3, round(0.15 * count))
    made, taken = list[Institution](), set[tuple[str, tuple[int, int]]]()
    keys = rng.permutation(count * 4)
    counties = len(PREFECTURES) * COUNTIES
    free = list(operators)
    chain: Operator | None = None
    left = 0
    for i in range(count):
        place = (int(rng.integers(counties)), int(rng.integers(TOWNSHIPS)))
        if i < others:
            type_ = (CHILD, RESCUE, SHELTER)[i % 3]
            place = (i // 3 % counties, place[1])
            name, operator = _public(type_, place, codes, i)
        else:
            type_ = HOME
            if left == 0 and (i == others or rng.random() < CHAINED / 3):
                left = int(rng.integers(2, 6))
                chain = free.pop() if free and rng.random() < 0.6 else _company(rng, codes, place[0])
            if left and chain:
                left -= 1
                place, operator = (chain.county if chain.county >= 0 else place[0], place[1]), chain
                name = _branded(chain, left, place)
            else:
                name, operator = _home(rng, place, free, codes)
                if name == operator.name and operator.county >= 0:
                    place = (operator.county, place[1])
        name = next(one for one in _numbered(name) if (one, place) not in taken)
        taken.add((name, place))
        one = Institution(
            truth=f"i{i}",
            key=f"{'YL' if type_ == HOME else 'FL'}{keys[i]:07}",
            type=type_ if type_ != HOME else next((k for k in KINDS_OF_HOME if name.endswith(k)), HOME),
            name=name,
            place=place,
            address=_address(place, int(rng.integers(1, 300)), int(rng.integers(4))),
            operators=[operator] * len(DELIVERIES),
            manager=_person(rng),
            phone=f"154{int(rng.integers(10**8)):08}",
            beds=[int(rng.integers(2, 40)) * 10] * len(DELIVERIES),
        )
        one.written = [f"{2019 + i % 6}-{1 + i % 12:02}-{1 + i % 28:02}"] * len(DELIVERIES)
        made.append(one)
    return made


def _numbered(name: str) -> Iterator[str]:
    """The name, and where the township has it already, the second, third … of that name."""
    end = next((end for end in (*KINDS_OF_HOME, "养老服务中心") if name.endswith(end)), "")
    yield name
    yield from (f"{name.removesuffix(end)}第{number}{end}" for number in "二三四五六七八九")
    yield from (f"{name.removesuffix(end)}第{number}{end}" for number in range(10, 10**6))


def township_of(place: tuple[int, int]) -> str:
    """The name of the township of a place."""
    return township_name(place[0] * 7 + place[1])


def _address(place: tuple[int, int], door: int, street: int) -> str:
    county = place[0]
    road = ("建设路", "和平街", "长寿路", "福利路")[street]
    return f"{PROVINCE[1]}{PREFECTURES[county // COUNTIES]}市{county_name(county)}{township_of(place)}{road}{door}号"


def _person(rng: np.random.Generator) -> str:
    year = np.array([int(rng.integers(1962, 1995))])
    return str((surnames(rng, 1) + given_names(rng, year, np.array([rng.random() < 0.5])))[0])


def _public(type_: str, place: tuple[int, int], codes: CreditCodes, i: int) -> tuple[str, Operator]:
    """A child welfare home or rescue station: a public body of its own, or run by the county's civil affairs office."""
    county = county_name(place[0])
    end = {CHILD: "儿童福利院", RESCUE: "救助管理站", SHELTER: "未成年人救助保护中心"}[type_]
    area = 880000 + (place[0] // COUNTIES + 1) * 100 + place[0] % COUNTIES + 1
    if i % 4 == 0:
        return f"{county}{end}", Operator(codes.give("11", area), f"{county}民政局", place[0], None)
    return f"{county}{end}", Operator(codes.give("12", area), f"{county}{end}", place[0], None)


def _company(rng: np.random.Generator, codes: CreditCodes, county: int) -> Operator:
    area = 880000 + (county // COUNTIES + 1) * 100 + county % COUNTIES + 1
    mark = COMMON[int(rng.integers(len(COMMON)))] + "康泰德润和宁"[int(rng.integers(6))]
    return Operator(codes.give("91", area, 2016), f"{place_of(county)}{mark}养老服务有限公司", county, None)


def _branded(chain: Operator, number: int, place: tuple[int, int]) -> str:
    """The name of one of several homes of a legal person: the brand and the township or a number."""
    brand = chain.name
    for end in ("养老服务有限公司", "养老服务中心", "养老院"):
        brand = brand.removesuffix(end)
    return f"{brand}{township_of(place).removesuffix('镇') if number % 2 else '第' + '一二三四五六'[number]}养老院"


def _home(
    rng: np.random.Generator, place: tuple[int, int], free: list[Operator], codes: CreditCodes
) -> tuple[str, Operator]:
    """A home by itself: a township's, one that is a legal person itself, a company's, or one with a common name."""
    county, drawn = county_name(place[0]), rng.random()
    area = 880000 + (place[0] // COUNTIES + 1) * 100 + place[0] % COUNTIES + 1
    if drawn < 0.35:
        name = f"{county}{township_of(place)}敬老院"
        if rng.random() < 0.6:
            return name, Operator(codes.give("12", area), name, place[0], None)
        return name, Operator(codes.give("11", area), f"{county}{township_of(place)}人民政府", place[0], None)
    if drawn < 0.65 and free:
        operator = free.pop()
        return operator.name, operator
    common = COMMON[int(rng.integers(len(COMMON)))]
    end = KINDS_OF_HOME[int(rng.integers(len(KINDS_OF_HOME)))]
    name = f"{common}{end}" if rng.random() < 0.5 else f"{county}{common}{end}"
    return name, _company(rng, codes, place[0])


def _change(rng: np.random.Generator, made: list[Institution], operators: list[Operator]) -> None:
    """Homes change hands, get more beds, pause and close; the child welfare homes and stations now and then."""
    for kind, share in (("hand", HANDED_OVER), ("beds", ENLARGED), ("pause", PAUSED), ("shut", SHUT)):
        chosen = rng.permutation(len(made))[: max(2, round(share * len(made)))].tolist()
        for n, i in enumerate([0, *chosen] if kind == "beds" else chosen):
            one, at = made[i], 1 + n % 2
            day = str(rng.choice(INTERVALS[at - 1]))
            if kind in ("pause", "shut") and one.status[-1] != "备案":
                continue
            if kind in ("pause", "shut") and n % 3 == 2:
                at, day = 0, f"202{2 + n % 4}-{1 + n % 11:02}-05"
            for k in range(at, len(DELIVERIES)):
                if kind == "hand" and operators:
                    one.operators[k] = operators[(i + n) % len(operators)]
                elif kind == "beds":
                    one.beds[k] += 20
                elif kind != "hand":
                    one.status[k], one.status_day[k] = ("暂停" if kind == "pause" else "关停"), day
                one.written[k] = max(day, one.written[k])


@dataclass(frozen=True)
class _Said:
    """What a source writes of an institution, with errors."""

    name: str
    address: str
    operators: list[str | None]
    phone: str | None


def _said(noted: Noted, source: str, key: str, one: Institution) -> _Said:
    rng, name, address = noted.rng, one.name, one.address
    if noted.hit("institution_name_short", source, key):
        name = _short(name, county_name(one.place[0]))
    if noted.hit("institution_address_variant", source, key):
        address = _variant(address, int(rng.integers(4)))
    if noted.hit("institution_address_old", source, key):
        address = _address((one.place[0], (one.place[1] + 3) % TOWNSHIPS), 7, 0)
    codes: list[str | None] = [operator.code for operator in one.operators]
    if noted.hit("institution_operator_missing", source, key):
        codes = [None] * len(DELIVERIES)
    elif noted.hit("institution_operator_failing", source, key):
        wrong = {operator.code: mistyped_code(rng, operator.code) for operator in one.operators}
        codes = [wrong[operator.code] for operator in one.operators]
    phone: str | None = one.phone
    if noted.hit("institution_phone_missing", source, key):
        phone = None
    elif noted.hit("institution_phone_old", source, key):
        phone = f"154{int(rng.integers(10**8)):08}"
    return _Said(name, address, codes, phone)


def _short(name: str, county: str) -> str:
    for long, short in (
        ("养老服务中心", "养老中心"),
        ("未成年人救助保护中心", "未保中心"),
        ("儿童福利院", "福利院"),
        ("救助管理站", "救助站"),
    ):
        if long in name:
            return name.replace(long, short)
    return name.removeprefix(county) if name.startswith(county) else name.removesuffix("院") or name


def _variant(address: str, way: int) -> str:
    """The address without province and prefecture, without the last sign, or with full-width digits."""
    if way == 0:
        return address.partition("市")[2]
    if way == 1:
        return address.removeprefix(PROVINCE[1])
    if way == 2:
        return address.removesuffix("号")
    return address.translate(str.maketrans("0123456789", "０１２３４５６７８９"))


def _truth(noted: Noted, source: str, key: str, one: Institution) -> Row:
    return {
        "source": source,
        "source_key": key,
        "truth": one.truth,
        "error": noted.error(source, key),
        "true_name": one.name,
        "true_type": one.type,
        "true_operator_name": one.operators[-1].name,
        "true_manager_name": one.manager,
        "true_phone": one.phone,
        "true_division": one.division,
        "true_address": one.address,
        "true_beds": str(one.beds[-1]),
        "true_status": one.status[-1],
        "true_status_date": one.status_day[-1],
    }


def _operated(one: Institution, said: _Said) -> list[tuple[str, str, str | None]]:
    """Which organizations run it, or did until it changed hands or closed; as far as the codes are right."""
    found: list[tuple[str, str, str | None]] = []
    last = one.operators[-1]
    for i, operator in enumerate(one.operators):
        if operator.truth and said.operators[i] == operator.code and (i == 0 or operator != one.operators[i - 1]):
            until = one.status_day[-1] if one.status[-1] == "关停" else None
            changed = one.written[one.operators.index(last)]
            found.append((one.truth, operator.truth, until if operator == last else changed))
    return found


def _register(folder: Path, book: Book, noted: Noted, made: list[Institution], source: str) -> Made:
    """The register of homes for the elderly, or the one of the other institutions."""
    elderly = source == ELDERLY
    versions: list[Sequence[Row | None]] = []
    truths, operated = list[Row](), list[tuple[str, str, str | None]]()
    for one in made:
        if elderly != (one.key[:2] == "YL"):
            continue
        said = _said(noted, source, one.key, one)
        operated += _operated(one, said)
        three: list[Row | None] = []
        for i in range(len(DELIVERIES)):
            status = one.status[i] if elderly else IN_WELFARE[one.status[i]]
            values = (
                *(one.key, said.name, one.type, said.operators[i], one.operators[i].name, one.manager, said.phone),
                *(one.division, said.address, str(one.beds[i]), status, one.status_day[i], one.written[i]),
            )
            three.append(dict(zip(HEADINGS[source], values, strict=True)))
        versions.append(three)
        truths.append(_truth(noted, source, one.key, one))
    if not truths:
        return []
    book.tell("institution", truth_rows(truths))
    book.relate("operated_by", ("institution", "organization"), operated)
    headings = HEADINGS[source]
    writing = Writing(source, headings[0], False, "csv" if elderly else "xlsx")
    return deliver_rows(folder, writing, versions, headings[-1])


HEADINGS = {
    ELDERLY: (
        *("备案编号", "机构名称", "机构类别", "举办单位代码", "举办单位名称", "负责人", "联系电话", "区划代码"),
        *("机构地址", "床位数", "备案状态", "状态日期", "更新日期"),
    ),
    WELFARE: (
        *("机构编号", "机构名称", "机构类型", "主办单位代码", "主办单位", "主要负责人", "值班电话", "所在区划", "地址"),
        *("床位", "运行状态", "状态日期", "核定日期"),
    ),
    STATISTICS: (
        *("台账号", "单位名称", "单位类别", "法人代码", "填报负责人", "单位电话", "行政区划", "单位地址"),
        *("年末床位数", "填报日期"),
    ),
}


def _statistics(folder: Path, book: Book, noted: Noted, made: list[Institution]) -> Made:
    """The statistical list: the whole each time, without what closed before; new institutions come late."""
    rng = noted.rng
    versions: list[Sequence[Row | None]] = []
    truths, operated = list[Row](), list[tuple[str, str, str | None]]()
    for n, i in enumerate(sorted(rng.permutation(len(made))[: round(IN_STATISTICS * len(made))].tolist())):
        one, key = made[i], f"TZ{n:06}"
        said = _said(noted, STATISTICS, key, one)
        operated += _operated(one, said)
        manager = _person(rng) if noted.hit("institution_manager_old", STATISTICS, key) else one.manager
        three: list[Row | None] = []
        for k in range(len(DELIVERIES)):
            values = (
                *(key, said.name, one.type, said.operators[k], manager, said.phone, one.division, said.address),
                *(str(one.beds[k]), "2025-11-15" if k < 2 else "2026-01-15"),
            )
            listed = one.status[k] != "关停" or k == 0
            three.append(dict(zip(HEADINGS[STATISTICS], values, strict=True)) if listed else None)
        versions.append(three)
        truths.append(_truth(noted, STATISTICS, key, one))
    book.tell("institution", truth_rows(truths))
    book.relate("operated_by", ("institution", "organization"), operated)
    return deliver_rows(folder, Writing(STATISTICS, "台账号", True, "tsv"), versions, "填报日期")
