"""People who live together: siblings stay apart, also after training on families alone, and bad references are told.

Uses the shipped rules through the command line. Area codes 88xxxx and phones 154… are nobody's.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import app
from rules.kinds.gb11643 import check_character

DAY = "2026-01-01"
CIVIL = (
    "人员编号 姓名 曾用名 性别 出生日期 公民身份号码 联系电话 户籍地区划 户籍地址 户号 与户主关系 配偶姓名 父亲姓名 "
    "母亲姓名 人员状态 状态日期 变更日期 操作"
)
ASSISTANCE = "救助编号 申请人姓名 曾用名 性别 出生年月日 身份证号 手机号 区划代码 家庭住址 更新日期 操作"
HOUSEHOLD = "户号 户类型 户主人员编号 成员人员编号 户籍地区划 户籍地址 户状态 状态日期 变更日期"
SURNAMES, GIVEN = "王李张刘陈杨赵黄周吴徐孙马朱胡", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红玲建国"


def shuyuan(*arguments: object) -> Any:
    """Run one command; gives its JSON document (None where it prints none)."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.stderr or done.exception
    return json.loads(done.stdout) if "--json" in arguments else None


def write(path: Path, headings: str, rows: Sequence[dict[str, str]]) -> Path:
    """A delivered CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, headings.split(), restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def number(born: str, sequence: int) -> str:
    """A valid identity number of the made-up county 880101."""
    body = f"880101{born.replace('-', '')}{sequence:03}"
    return body + check_character(body)


def families(count: int, seed: int) -> tuple[list[dict[str, str]], list[dict[str, str]], dict[str, str]]:
    """Registry and assistance records of families of four; siblings share all but given name and birth date.

    A third of the records on assistance has no number. Gives the rows and, by source record, the person.
    """
    rng = random.Random(seed)
    civil, assistance, truth = [], [], {}
    for family in range(count):
        surname = rng.choice(SURNAMES)
        phone, home = f"154{rng.randrange(10**8):08}", f"沧原省北屏市石泉县新庄镇{family + 1}号"
        names = [surname + a + b for a, b in zip(rng.sample(GIVEN, 4), rng.sample(GIVEN, 4), strict=True)]
        for place, (name, relation) in enumerate(zip(names, ("02", "10", "22", "23"), strict=True)):
            sex = "2" if place == 1 else "1"
            year = 1955 + rng.randrange(8) + (27 if place > 1 else 0)
            born = f"{year}-{rng.randrange(1, 13):02}-{rng.randrange(2, 28):02}"
            own = number(born, 2 * (family % 400) + (2 if sex == "2" else 1))
            key = f"{family:04}{place}"
            parents = {"父亲姓名": names[0], "母亲姓名": names[1]} if place > 1 else {}
            civil.append(
                {
                    "人员编号": f"C{key}",
                    "姓名": name,
                    "性别": sex,
                    "出生日期": born,
                    "公民身份号码": own,
                    "联系电话": phone,
                    "户籍地区划": "880101101",
                    "户籍地址": home,
                    "户号": f"8801{family:06}",
                    "与户主关系": relation,
                    "变更日期": DAY,
                    **parents,
                }
            )
            assistance.append(
                {
                    "救助编号": f"S{key}",
                    "申请人姓名": name,
                    "性别": "女" if sex == "2" else "男",
                    "出生年月日": born,
                    "身份证号": "" if rng.random() < 0.33 else own,
                    "手机号": phone,
                    "区划代码": "880101101",
                    "家庭住址": home,
                    "更新日期": DAY,
                }
            )
            truth |= {f"C{key}": key, f"S{key}": key}
    return civil, assistance, truth


@pytest.mark.parametrize("trained", [False, True], ids=["shipped weights", "trained on families alone"])
def test_siblings_who_share_all_but_given_name_and_birth_date_stay_apart(tmp_path: Path, trained: bool) -> None:
    civil, assistance, truth = families(500, seed=3)
    place = tmp_path / "w"
    here = ("--workspace", place)
    shuyuan("init", place)
    files = [
        write(tmp_path / "civil_registry_20260101.csv", CIVIL, civil),
        write(tmp_path / "social_assistance_20260101.csv", ASSISTANCE, assistance),
    ]
    shuyuan("load", *files, *here)
    if trained:
        shuyuan("train", "person", "--as-of", DAY, *here)
        weights = json.loads((place / "rules/person/weights.json").read_text("utf-8"))
        level = {
            (c["output_column_name"], one["label_for_charts"]): one["m_probability"] / one["u_probability"]
            for c in weights["comparisons"]
            for one in c["comparison_levels"][1:]
        }
        # EM landed on persons: that two have one name says much for a match, another name much against it.
        assert level["name", "exact"] > 100
        assert level["name", "else"] < 0.1
        assert level["birth", "else"] < 0.1
    shuyuan("link", "person", "--as-of", DAY, *here)
    shuyuan("plan", *here)
    shuyuan("publish", "--yes", *here)
    file = tmp_path / "truth.csv"
    sources = {"C": "civil_registry", "S": "social_assistance"}
    rows = [{"source": sources[k[0]], "source_key": k, "truth": v} for k, v in truth.items()]
    write(file, "source source_key truth", rows)
    judged = shuyuan("evaluate", "person", "--truth", file, *here, "--json")["pairwise"]
    assert judged["precision"] == 1.0
    assert judged["recall"] > 0.97


def person(key: str, name: str, born: str, place: str, **more: str) -> dict[str, str]:
    """A registry record."""
    return {
        "人员编号": key,
        "姓名": name,
        "性别": "1",
        "出生日期": born,
        "公民身份号码": number(born, 11),
        "户籍地区划": "880101101",
        "户号": place,
        "变更日期": DAY,
        **more,
    }


def test_bad_references_are_findings_with_source_and_row_and_the_run_goes_on(tmp_path: Path) -> None:
    people = [
        person("C1", "王建国", "1950-03-04", "h1", 与户主关系="户主", 父亲姓名="王小强"),
        person("C2", "王志远", "1975-03-04", "h1", 与户主关系="子", 父亲姓名="王建国"),
        person("C3", "王小强", "2001-03-04", "h1", 与户主关系="孙子", 父亲姓名="王志远"),
        person("C4", "李明", "1960-03-04", "h2", 与户主关系="户主"),
    ]
    households = [
        {"户号": "h1", "户类型": "家庭户", "户主人员编号": "C1", "成员人员编号": "C1;C2;C3;C999"},
        {"户号": "h2", "户类型": "家庭户", "户主人员编号": "C4", "成员人员编号": "C4;C3"},
    ]
    place = tmp_path / "w"
    here = ("--workspace", place)
    shuyuan("init", place)
    files = [
        write(tmp_path / "civil_registry_20260101.csv", CIVIL, people),
        write(tmp_path / "civil_household_20260101.csv", HOUSEHOLD, [row | {"变更日期": DAY} for row in households]),
    ]
    shuyuan("load", *files, *here)
    linked = shuyuan("link", "--as-of", DAY, *here, "--json")
    assert {one["entity"]: (one["records"], one["quarantined"]) for one in linked} == {
        "person": (4, 0),
        "household": (2, 0),
    }
    shuyuan("plan", *here)
    shuyuan("publish", "--yes", *here)

    def told(entity: str, rule: str) -> list[tuple[str, str, str, int]]:
        found = shuyuan("findings", entity, "--rule", rule, *here, "--json")
        return [(one["source"], one["source_key"], one["file"], one["line"]) for one in found]

    file = "civil_household_20260101.csv"
    assert told("household", "reference_unknown") == [("civil_household", "h1", file, 2)]
    assert told("household", "member_of_two") == [
        ("civil_household", "h1", file, 2),
        ("civil_household", "h2", file, 3),
    ]
    circle = told("person", "relation_circle")
    assert [key for _, key, _, _ in circle] == ["C1", "C2", "C3"]
