"""What a kind reads without SQL is what its SQL reads: names of every sort of surname, numbers of every sort."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest

from linkage.reference_tables import ReferenceTables
from rules.kinds import KINDS, gb11643
from tests.kindtools import TODAY, connect, parse

NAMES, NUMBERS = 3_000, 1_500
LEAP_DAY = date(2028, 2, 29)
UNUSUAL = {
    "person_name": [
        "王",
        "王某",
        "王先生",
        "测试一",
        "无名",
        "不详",
        "张三之子",
        "王建国!",
        "阿依古丽·买买提",
        "Wang",
        "王\u3000伟",
        "王𠮷",
    ],
    "citizen_id": [
        "11010519491231002x",
        "11010549123100",
        "110105499931002",
        "111111111111111",
        "111111111111111111",
        "123456789012345678",
        "110105194912310021",
    ],
    "phone": [
        "13800138000",
        "13333333333",
        "010-88012345",
        "8613912345678",
        "12912345678",
        "1391234567",
    ],
}


def names(chance: random.Random) -> list[str]:
    """Names of two to four common characters with surnames of every sort, and without any."""
    con = connect("person_name")
    surnames = [one for (one,) in con.execute("select surname from reference.surnames order by surname").fetchall()]
    known = [one for (one,) in con.execute("select char from reference.characters order by char").fetchall()]
    common = [one for one in known if "一" <= one <= "龥"]
    found = [one + "".join(chance.choices(common, k=k)) for one in surnames for k in (1, 2, 3)]
    found += ["".join(chance.choices(surnames, k=2)) + chance.choice(common) for _ in range(400)]
    found += ["".join(chance.choices(common, k=k)) for k in (2, 3, 4) for _ in range(400)]
    found += [chance.choice("付肖覃单曾仇") + chance.choice(common) for _ in range(200)]
    return chance.sample(sorted(set(found)), NAMES)


def numbers(chance: random.Random) -> list[str]:
    """Numbers with areas of any sort, of people born between 1790 and 2030, right and wrong."""
    con = connect("citizen_id")
    areas = [one for (one,) in con.execute("select distinct code from reference.county_history order by 1").fetchall()]
    areas = [one for one in areas if len(one) == 6] + ["830000", "990101", "889901", "119999", "770101"] * 50
    found = []
    for _ in range(NUMBERS):
        born = date(1790, 1, 1) + timedelta(days=chance.randrange(88_000))
        body = f"{chance.choice(areas)}{born:%Y%m%d}{chance.randrange(1000):03}"
        found.append(body + (gb11643.check_character(body) if chance.random() < 0.9 else "7"))
    edge = [LEAP_DAY.replace(year=1898, day=28) + timedelta(days=i) for i in range(3)]
    bodies = [f"110101{day:%Y%m%d}001" for day in edge]
    short = [one[:6] + one[8:17] for one in found[:400]]  # of the first generation
    short += [f"110105{born}{sequence}" for born in ("491231", "990228") for sequence in range(994, 1000)]
    return [*found, *short, *(body + gb11643.check_character(body) for body in bodies)]


def phones(chance: random.Random) -> list[str]:
    """Mobile numbers, a tenth of them with a digit too few or too many, or of few different digits."""
    found = [f"1{chance.choice('3456789')}{chance.randrange(10**9):09}" for _ in range(NUMBERS)]
    wrong = [one[:10] for one in found[:70]] + [one + "0" for one in found[70:140]]
    return found + wrong + [f"13{chance.choice('03')}{'3' * k}{'0' * (8 - k)}" for k in range(9)]


@pytest.mark.parametrize(
    ("kind", "as_of"), [("person_name", TODAY), ("citizen_id", TODAY), ("citizen_id", LEAP_DAY), ("phone", TODAY)]
)
def test_what_is_read_without_sql_is_what_sql_reads(kind: str, as_of: date) -> None:
    texts = {"person_name": names, "citizen_id": numbers, "phone": phones}[kind](random.Random(5)) + UNUSUAL[kind]
    tables = ReferenceTables(connect(kind))
    options: dict[str, Any] = dict(KINDS[kind].options)
    read = parse(kind, sorted(set(texts)), options, as_of)
    usual = {text: KINDS[kind].usual(text, tables, as_of, options) for text in read}
    assert all(usual[text] is None for text in UNUSUAL[kind])
    assert sum(one is not None for one in usual.values()) > 0.7 * len(usual)
    differing = [(text, row, read[text]) for text, row in usual.items() if row is not None and row != read[text]]
    assert differing == []
