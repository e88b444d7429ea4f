"""Six yearly lists of village and residents' committees of the made-up province, and which rows are one committee.

What happens over the years: a township gets another code and all its villages with it (and one time in seven they
are numbered anew), a village gets another name, a suffix is written in another way, a village committee ends and a
residents' committee takes its place (two committees, not one), and some rows are no committees at all.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from demo.people import COUNTIES, PREFECTURES, PROVINCE, TOWNSHIPS, county_code, county_name, township_name
from demo.registers import Book, Row, truth_rows

YEARS = range(2016, 2022)
HEAD = "王李张刘陈杨赵黄周吴徐孙马朱胡林郭何高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余"
TAIL = ("家庄", "家村", "家屯", "庄", "营", "家湾", "家沟", "楼", "寨", "家坪")
SIDES = (("上", "下"), ("东", "西"), ("前", "后"), ("大", "小"))
COMMON = ("团结", "新华", "前进", "光明")
PER_TOWNSHIP = 16
RECODED, RENUMBERED, RENAMED, CONVERTED, REWRITTEN, PSEUDO = 0.02, 0.15, 0.003, 0.005, 0.03, 0.03
VILLAGE = ("村民委员会", "村委会")
RESIDENTS = ("社区居民委员会", "社区居委会")
NOT_COMMITTEES = ("{}连生活区", "{}开发区虚拟社区", "{}农场虚拟生活区")
HEADINGS = ("年份", "统计用区划代码", "名称", "乡镇", "县", "市", "省")


@dataclass
class Committee:
    """A committee as it is in the current year; `number` are the last three digits of its code."""

    truth: str
    core: str
    residents: bool
    suffix: int
    number: int

    @property
    def name(self) -> str:
        """The name as the list writes it."""
        core = self.core.removesuffix("村")
        return core + (RESIDENTS if self.residents else VILLAGE)[self.suffix]


@dataclass
class Township:
    """A township: the nine digits it has this year and those it began with, and its committees."""

    county: int
    name: str
    code: int
    committees: list[Committee]
    first_code: int


def deliver_years(
    folder: Path, book: Book, rng: np.random.Generator, count: int
) -> tuple[list[tuple[str, Path]], list[Township], dict[str, int]]:
    """Write the yearly files and tell their truth.

    Gives (source, file), the townships as the last list has them, and how often what happened.
    """
    townships = _begin(rng, count)
    told = dict.fromkeys(("recoded", "renamed", "converted", "rewritten", "no_committee"), 0)
    files, truth, converted = [], list[Row](), list[str]()
    for year in YEARS:
        if year > YEARS[0]:
            _pass_a_year(rng, townships, told, converted)
        path = folder / f"统计用区划代码_{year}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            _write_year(csv.writer(file), truth, rng, townships, year, told)
        files.append(("stat_divisions", path))
    book.tell("committee", truth_rows(truth))
    book.relate("converted_from", ("committee", "committee"), [(f"{one}r", one, None) for one in converted])
    book.state("committee", dict.fromkeys(converted, "converted"))
    return files, townships, told


def residences(townships: list[Township]) -> dict[str, list[tuple[str, str]]]:
    """By the division of an address: the committees that people there may live under, code and truth, by last list."""
    return {
        str(one.first_code): [(f"{one.code}{own.number:03}", own.truth) for own in one.committees] for one in townships
    }


def _begin(rng: np.random.Generator, count: int) -> list[Township]:
    wanted = -(-count // PER_TOWNSHIP)
    places = rng.permutation(len(PREFECTURES) * COUNTIES * TOWNSHIPS)[:wanted].tolist()
    townships = []
    for i, place in enumerate(sorted(places)):
        county, number = divmod(place, TOWNSHIPS)
        code = int(county_code(np.array([county]))[0]) * 1000 + 101 + number
        committees: list[Committee] = []
        for core in _cores(rng, PER_TOWNSHIP):
            residents = bool(rng.random() < 0.15)
            at = len(committees)
            committees.append(
                Committee(f"c{i}_{at}", core, residents, int(rng.random() < 0.5), (1 if residents else 201) + at)
            )
        townships.append(Township(county, township_name(county * 7 + number), code, committees, code))
    return townships


def _cores(rng: np.random.Generator, count: int) -> list[str]:
    """Names that differ within a township: family names, pairs of sides, and what every township has."""
    found = [COMMON[int(rng.integers(len(COMMON)))]]
    while len(found) < count:
        core = HEAD[int(rng.integers(len(HEAD)))] + TAIL[int(rng.integers(len(TAIL)))]
        pair = SIDES[int(rng.integers(len(SIDES)))] if rng.random() < 0.25 else ("",)
        found += [side + core for side in pair if side + core not in found]
    return found[:count]


def _pass_a_year(
    rng: np.random.Generator, townships: list[Township], told: dict[str, int], converted: list[str]
) -> None:
    taken = {township.code for township in townships}
    for township in townships:
        if rng.random() < RECODED:
            _recode(rng, township, taken, told)
        for committee in list(township.committees):
            chance = rng.random()
            if chance < RENAMED:
                committee.core = "新" + committee.core
                told["renamed"] += 1
            elif chance < RENAMED + CONVERTED and not committee.residents:
                _convert(township, committee)
                converted.append(committee.truth)
                told["converted"] += 1
            elif chance < RENAMED + CONVERTED + REWRITTEN:
                committee.suffix = 1 - committee.suffix
                told["rewritten"] += 1


def _recode(rng: np.random.Generator, township: Township, taken: set[int], told: dict[str, int]) -> None:
    code = township.code
    while code in taken:
        code = township.code // 1000 * 1000 + int(rng.integers(200, 400))
    taken.add(code)
    township.code = code
    told["recoded"] += len(township.committees)
    if rng.random() < RENUMBERED:
        for residents in (False, True):
            mine = [one for one in township.committees if one.residents == residents]
            numbers = rng.permutation([one.number for one in mine]).tolist()
            for one, number in zip(mine, numbers, strict=True):
                one.number = number


def _convert(township: Township, committee: Committee) -> None:
    """The village committee ends; a residents' committee with a number of its own begins."""
    township.committees.remove(committee)
    number = max((one.number for one in township.committees if one.number < 200), default=0) + 1
    township.committees.append(Committee(committee.truth + "r", committee.core, True, committee.suffix, number))


def _write_year(
    rows: Any, truth: list[Row], rng: np.random.Generator, townships: list[Township], year: int, told: dict[str, int]
) -> None:
    rows.writerow(HEADINGS)
    for township in townships:
        county = township.county
        above = (township.name, county_name(county), f"{PREFECTURES[county // COUNTIES]}市", PROVINCE[1])
        for one in township.committees:
            code = f"{township.code}{one.number:03}"
            rows.writerow((year, code, one.name, *above))
            key = f"{year}-{code}"
            truth.append({"source": "stat_divisions", "source_key": key, "truth": one.truth, "error": None})
        if rng.random() < PSEUDO * PER_TOWNSHIP:
            name = NOT_COMMITTEES[int(rng.integers(len(NOT_COMMITTEES)))].format(township.name.removesuffix("镇"))
            rows.writerow((year, f"{township.code}498", name, *above))
            told["no_committee"] += 1
