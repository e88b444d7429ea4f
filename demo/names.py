"""Given names by cohort and sex, surnames by share, and characters that get confused with each other.

Surname shares come from `rules/reference/surname_shares.csv`. The given-name characters are an own table: which
ones belong to which years is common knowledge of the published yearly name reports (秀英 before 1960, 伟 and 丽 of
the sixties, 婷 of the nineties, 涵 and 轩 after 2000); their order stands for their weight, by Zipf's law.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rules.loader import SHIPPED

Strings = NDArray[np.object_]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

FIRST_YEARS = (0, 1960, 1975, 1990, 2000)
MALE = (
    "国华建明德志文生荣福贵庆玉云清成金树春林永忠义祥富兴财长东山保才元凤海安发平学正良光和宝顺仁全龙喜",
    "建军国伟平华强明志勇文斌海峰红卫东林新民永利刚亮春辉忠宏波生庆涛武胜德立光学荣江山杰平振兵超毅凯世宝",
    "伟强军磊勇涛鹏杰超斌波辉刚飞亮峰建华明海洋志文俊林宁龙健彬凯旭东东晓玉春国永雷浩新阳振家世宇庆昌瑞江",
    "杰浩宇鹏伟俊文明志豪龙涛家凯鑫帅磊超阳博天晨嘉旭峰佳子泽建强振坤航威锋成林骏良翔永达晓云飞东越",
    "宇轩浩子涵泽梓俊博宸皓睿辰铭昊天佳烨诺一沐嘉景晨煜然航翊哲逸恒瑞熙承墨霖彦君炜毅奕言安弘煊琛骏乐启",
)
FEMALE = (
    "秀英兰玉珍桂凤淑芳荣素梅花琴金华莲云香春美翠月菊红霞爱清仙娥芬芝巧银素彩贞惠文琼慧娣莉萍如雪媛碧",
    "丽英红霞秀玉华敏燕萍芳梅艳兰平春珍凤桂娟琴玲云淑莉美洁琼荣香莲凤晓爱雪慧建小菊惠冬丹月文彩君素青",
    "丽静敏燕艳娟霞芳娜婷玲红莉雪慧洁晶颖丹蕾倩琳晓萍琴梅小海雅文春佳玉美媛薇岩莹秀凤瑞云青华欣平蓉珊",
    "婷静雪欣佳慧颖雅梦莹琪思晓倩怡文悦丹洁敏雨嘉媛玉璐瑶晨诗蕾露琳丽娜艳薇萌琦宇妍子月美云心圆茜梓瑞",
    "涵梓欣怡诗雨萱琪语子妍佳可晨思雅悦彤熙瑶依梦若馨一诺婉宁玥萌芷心嘉静恩琳沐汐颖紫艺筱云舒安琦兮清言",
)
TWO_CHARACTERS = 0.858
SOURCE_OF_LENGTH = "published length of Han names: 14.2 % of two characters, 85.6 % of three (2007)"


def zipf(count: int) -> NDArray[np.float64]:
    """Weights that fall with the rank, adding up to one."""
    weights = 1.0 / (np.arange(count) + 6.0)
    found: NDArray[np.float64] = weights / weights.sum()
    return found


def where_known(known: Flags, values: Strings) -> Strings:
    """The values where they are known, None elsewhere."""
    found: Strings = values.copy()
    found[~known] = None
    return found


def days_as_text(days: NDArray[np.datetime64]) -> Strings:
    """Days as yyyy-mm-dd, None where there is none."""
    return where_known(~np.isnat(days), days.astype("datetime64[D]").astype(str).astype(object))


@cache
def surname_shares() -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Surnames and their shares of the population, adding up to one."""
    with (SHIPPED / "reference/surname_shares.csv").open(encoding="utf-8") as file:
        rows = [(row["surname"], float(row["per_mille"])) for row in csv.DictReader(file)]
    total = sum(share for _, share in rows)
    return tuple(name for name, _ in rows), tuple(share / total for _, share in rows)


def surnames(rng: np.random.Generator, count: int) -> Strings:
    """`count` surnames drawn by their share."""
    names, shares = surname_shares()
    return np.array(names, dtype=object)[rng.choice(len(names), count, p=np.array(shares))]


def given_names(rng: np.random.Generator, years: Ints, male: Flags) -> Strings:
    """One given name of one or two characters for every birth year and sex."""
    found = np.empty(len(years), dtype=object)
    cohort = np.searchsorted(np.array(FIRST_YEARS), years, side="right") - 1
    for i in range(len(FIRST_YEARS)):
        for sex, table in ((True, MALE), (False, FEMALE)):
            here = np.flatnonzero((cohort == i) & (male == sex))
            if not len(here):
                continue
            characters = np.array(list(dict.fromkeys(table[i])), dtype=object)
            weights = zipf(len(characters))
            first = characters[rng.choice(len(characters), len(here), p=weights)]
            second = characters[rng.choice(len(characters), len(here), p=weights)]
            double = rng.random(len(here)) < TWO_CHARACTERS
            found[here] = np.where(double, first + second, first)
    return found


@cache
def confusions() -> dict[str, dict[str, str]]:
    """Kind of error -> character -> the characters that a clerk may write instead, among the common ones."""
    homophone: dict[str, list[str]] = defaultdict(list)
    shape: dict[str, list[str]] = defaultdict(list)
    folded: dict[str, str] = {}
    variant: dict[str, list[str]] = defaultdict(list)
    with (SHIPPED / "reference/characters.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            character = row["char"]
            if character != row["folded"] and _encodable(character):
                variant[row["folded"]].append(character)
            elif _common(character):
                folded[character] = row["toneless"]
                homophone[row["toneless"]].append(character)
                shape[row["four_corner"][:4]].append(character)
    with (SHIPPED / "reference/characters.csv").open(encoding="utf-8") as file:
        corner = {row["char"]: row["four_corner"][:4] for row in csv.DictReader(file)}
    return {
        "homophone": {c: "".join(o for o in homophone[reading] if o != c) for c, reading in folded.items()},
        "shape": {c: "".join(o for o in shape[corner[c]] if folded[o] != folded[c]) for c in folded if corner[c]},
        "variant": {c: "".join(found) for c, found in variant.items()},
    }


def _common(character: str) -> bool:
    """Whether a character is one of the 3,755 of the first level of GB/T 2312."""
    try:
        code = character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return len(code) == 2 and 0xB0 <= code[0] <= 0xD7


def _encodable(character: str) -> bool:
    """Whether GBK, and so any usual form of software, holds a character."""
    try:
        return len(character.encode("gbk")) == 2
    except UnicodeEncodeError:
        return False
