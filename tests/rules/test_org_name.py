"""Names of organizations: what a name is made of, and that a branch, a namesake elsewhere and a 中国X are others."""

from __future__ import annotations

import csv
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.kinds import KINDS
from rules.loader import SHIPPED, reference_path
from tests.kindtools import levels, parse

# name: area, core, trade, form, class
PARTS = [
    ("佛山市禅城区老年协会", "禅城区", "老年", None, "协会", "association"),
    ("广东省佛山市禅城区老年协会", "禅城区", "老年", None, "协会", "association"),
    ("佛山老年协会", "佛山市", "老年", None, "协会", "association"),
    ("吉林养老服务协会", "吉林省", "养老服务", None, "协会", "association"),
    ("吉林市养老服务协会", "吉林市", "养老服务", None, "协会", "association"),
    ("中国老年学学会", "中国", "老年学", None, "学会", "association"),
    ("老年学研究会", None, "老年学", None, "研究会", "association"),
    ("北京湖南商会", "北京市", "湖南", None, "商会", "association"),
    ("广东省潮州商会", "广东省", "潮州", None, "商会", "association"),
    ("大理白族自治州白族学会", "大理白族自治州", "白族", None, "学会", "association"),
    ("新疆维吾尔自治区慈善总会", "新疆维吾尔自治区", "慈善", None, "总会", "association"),
    ("重庆市万州区红十字会", "万州区", None, None, "红十字会", "association"),
    ("佛山市家具行业协会", "佛山市", "家具", None, "协会", "association"),
    ("佛山市残联", "佛山市", "残疾人", None, "联合会", "association"),
    ("佛山市殘疾人聯合會", "佛山市", "残疾人", None, "联合会", "association"),
    ("广东扶老助残基金会", "广东省", "扶老助残", None, "基金会", "foundation"),
    ("佛山市幸福社工服务中心", "佛山市", "幸福", "社会工作服务", "中心", "centre"),
    ("幸福养老服务中心", None, "幸福", "养老服务", "中心", "centre"),
    ("安康养老院", None, "安康", None, "养老院", "home"),
    ("安康市养老院", "安康市", None, None, "养老院", "home"),
    ("丽江市古城区夕阳红养老院", "古城区", "夕阳红", None, "养老院", "home"),
    ("佛山市社会福利院", "佛山市", None, None, "福利院", "home"),
    ("佛山市儿童福利院", "佛山市", "儿童", None, "福利院", "home"),
    ("龙江镇敬老院", None, "龙江镇", None, "敬老院", "home"),
    ("佛山市顺德区龙江镇夕阳红敬老院", "龙江镇", "夕阳红", None, "敬老院", "home"),
    ("佛山市救助站", "佛山市", None, None, "救助管理站", "station"),
    ("佛山市第1小学", "佛山市", "第一", None, "小学", "school"),
    ("青河市和平区阳光医院", "和平区", "阳光", None, "医院", "medical"),
    ("佛山市高新区企业协会", "高新区", "企业", None, "协会", "association"),
    ("关爱山区儿童协会", None, "关爱山区儿童", None, "协会", "association"),
    ("广东省优秀市场促进会", "广东省", "优秀市场", None, "促进会", "association"),
    ("佛山市城市管理协会", "佛山市", "城市管理", None, "协会", "association"),
    ("新型城镇化研究会", None, "新型城镇化", None, "研究会", "association"),
    ("佛山市社会工作者协会培训中心", "佛山市", "社会工作者协会", "培训", "中心", "centre"),
    ("佛山市关心下一代工作委员会", "佛山市", "关心下一代工作", None, "委员会", "committee"),
    ("佛山幸福家园", "佛山市", "幸福家园", None, None, None),
]

# name: parent, branch, core
BRANCHES = [
    ("中国医院协会民营医院分会", "中国医院协会", "民营医院分会", "医院"),
    ("广东省护理学会老年护理专业委员会", "广东省护理学会", "老年护理专业委员会", "护理"),
    ("广东省护理学会老年护理专委会", "广东省护理学会", "老年护理专业委员会", "护理"),
    ("中国会计学会大学会计分会", "中国会计学会", "大学会计分会", "会计"),
    ("佛山市个体劳动者协会禅城区办事处", "佛山市个体劳动者协会", "禅城区办事处", "个体劳动者"),
    ("佛山市家具协会（广州代表处）", "佛山市家具协会", "广州代表处", "家具"),
    ("佛山市总工会女职工委员会", "佛山市总工会", "女职工委员会", None),
    ("青河市阳光养老院城东分院", "青河市阳光养老院", "城东分院", "阳光"),
    ("阳光教育集团石湾分校", "阳光教育集团石湾", "分校", "阳光教育集团石湾"),
    ("石湾镇街道办事处", None, None, "街道办事处"),
    ("佛山市关心下一代工作委员会", None, None, "关心下一代工作"),
    ("佛山市家具协会", None, None, "家具"),
]

FINDINGS = [
    ("佛山市老年协会", []),
    ("佛山市老年协会（筹）", ["org_note"]),
    ("佛山市老年协会(已注销)", ["org_note"]),
    ("佛山市老年协会（原佛山市老人协会）", ["org_note"]),
    ("佛山市老年协会石湾分会", ["org_branch"]),
    ("佛山幸福家园", ["org_form_missing"]),
    ("不详", ["org_not_a_name"]),
    ("测试机构", ["org_not_a_name"]),
    ("123", ["org_not_a_name"]),
]

LEVELS = [
    ("佛山市（禅城区）老年协会", "佛山市禅城区老年协会", "exact"),
    ("佛山市 老年協會", "佛山市老年协会", "exact"),
    ("佛山市残联", "佛山市残疾人联合会", "exact"),
    ("佛山市老年协会（筹）", "佛山市老年协会", "exact"),
    ("XYZ Foundation", "xyz foundation", "exact"),
    ("佛山老年协会", "佛山市老年协会", "parts"),
    ("广东省佛山市禅城区老年协会", "禅城区老年协会", "parts"),
    ("佛山市家具行业协会", "佛山市家具协会", "parts"),
    ("佛山市幸福社工服务中心", "佛山市幸福社会工作服务中心", "parts"),
    ("佛山市禅城区养老院", "禅城区养老院", "parts"),
    ("佛山市夕阳红养老院", "佛山市夕阳虹养老院", "toneless"),
    ("中国老年学学会", "中国老年学和老年医学学会", "abbreviated"),
    ("佛山市幸福中心", "佛山市幸福养老服务中心", "abbreviated"),
    ("中国医院协会", "中国医院协会民营医院分会", "branch"),
    ("中国医院协会急救分会", "中国医院协会民营医院分会", "branch"),
    ("广东省佛山市家具协会", "佛山市家具协会广州代表处", "branch"),
    ("青河市阳光养老院", "青河市阳光养老院城东分院", "branch"),
    ("中国老年学研究会", "老年学研究会", "core"),
    ("北京湖南商会", "湖南商会", "core"),
    ("北京老年学研究会", "老年学研究会", "core"),
    ("北京市朝阳区老年协会", "长春市朝阳区老年协会", "core"),
    ("佛山市家具协会", "广东省家具协会", "core"),
    ("佛山市家具协会", "佛山市家具商会", "core"),
    ("佛山市幸福养老服务中心", "佛山市幸福社会工作服务中心", "core"),
    ("佛山市夕阳红养老院", "佛山市夕阳红敬老院", "core"),
    ("佛山市社会工作者协会", "佛山市社会工作者协会培训中心", "else"),
    ("佛山市养老院", "佛山市福利院", "else"),
    ("佛山市家具协会", "佛山市陶瓷协会", "else"),
    ("佛山市家具协会石湾分会", "佛山市陶瓷协会石湾分会", "else"),
    ("佛山市家具协会", "不详", "null"),
]


@cache
def rows() -> dict[str, dict[str, Any]]:
    return parse("org_name", sorted({row[0] for row in (*PARTS, *BRANCHES, *FINDINGS)}))


@pytest.mark.parametrize(("name", "area", "core", "trade", "form", "group"), PARTS)
def test_parts_of_a_name(
    name: str, area: str | None, core: str | None, trade: str | None, form: str | None, group: str | None
) -> None:
    row = rows()[name]
    assert (row["area"], row["core"], row["trade"], row["form"], row["class"]) == (area, core, trade, form, group)


@pytest.mark.parametrize(("name", "parent", "branch", "core"), BRANCHES)
def test_a_branch_names_its_parent(name: str, parent: str | None, branch: str | None, core: str | None) -> None:
    row = rows()[name]
    assert (row["parent"], row["branch"], row["core"]) == (parent, branch, core)


@pytest.mark.parametrize(("name", "findings"), FINDINGS)
def test_findings(name: str, findings: list[str]) -> None:
    row = rows()[name]
    assert row["findings"] == findings
    assert (row["key"] is None) == (findings == ["org_not_a_name"])


def test_columns_of_a_name() -> None:
    row = rows()["佛山市幸福社工服务中心"]
    assert (row["value"], row["key"]) == ("佛山市幸福社工服务中心", "佛山市幸福社工服务中心")
    assert (row["toneless"], row["area_code"]) == ("xing fu she hui gong zuo fu wu", "4406")
    assert row["around"] == "%幸%福%社%会%工%作%服%务%"
    assert rows()["中国老年学学会"]["area_code"] is None


def test_a_place_of_several_codes_has_none() -> None:
    found = parse("org_name", ["朝阳区老年协会", "北京市朝阳区老年协会"])
    assert [found[name]["area_code"] for name in sorted(found)] == ["110105", None]


def test_levels() -> None:
    pairs = [(left, right) for left, right, _ in LEVELS]
    expected = [label for _, _, label in LEVELS]
    assert levels("org_name", pairs) == expected
    assert levels("org_name", [(right, left) for left, right in pairs]) == expected


def test_names_of_organizations_are_public() -> None:
    assert KINDS["org_name"].mask("佛山市老年协会") == "佛山市老年协会"


def test_folding_leaves_the_words_and_the_divisions_as_they_are() -> None:
    with reference_path(SHIPPED, "characters").open(encoding="utf-8") as file:
        folded = {row["char"]: row["folded"] for row in csv.DictReader(file)}
    for table, columns in (("org_words", ("word", "means")), ("county_history", ("name",))):
        with reference_path(SHIPPED, table).open(encoding="utf-8") as file:
            said = {row[column] for row in csv.DictReader(file) for column in columns}
        assert {word for word in said if "".join(folded.get(char, char) for char in word) != word} == set()


def test_a_word_has_one_meaning() -> None:
    with reference_path(SHIPPED, "org_words").open(encoding="utf-8") as file:
        words = list(csv.DictReader(file))
    assert len({(row["role"], row["word"]) for row in words}) == len(words)
    meant = {row["means"] for row in words if row["role"] == "form"}
    assert meant <= {row["word"] for row in words if row["role"] == "form"}


_places = st.sampled_from(["", "中国", "北京市", "佛山", "佛山市", "佛山市禅城区", "青河市", "朝阳区"])
_cores = st.text("阳光幸福家具老年学区市会乡镇", min_size=1, max_size=4)
_forms = st.sampled_from(["协会", "商会", "学会", "基金会", "养老院", "养老服务中心", "医院"])
_branches = st.sampled_from(["石湾分会", "工作委员会", "广州代表处", "第二办事处", "青年专业委员会"])
_names = st.builds(lambda *parts: "".join(parts), _places, _cores, _forms, st.just("") | _branches)


@settings(max_examples=2)
@given(st.lists(st.tuples(_names, _names), min_size=60, max_size=80))
def test_levels_do_not_depend_on_the_side(pairs: list[tuple[str, str]]) -> None:
    assert levels("org_name", pairs) == levels("org_name", [(b, a) for a, b in pairs])


@settings(max_examples=2)
@given(st.lists(st.tuples(_places, _cores, _forms, _branches, _branches), min_size=30, max_size=40))
def test_a_branch_reaches_its_parent_and_its_sisters_only_at_the_level_of_branches(
    made: list[tuple[str, str, str, str, str]],
) -> None:
    parents = ["".join(parts[:3]) for parts in made]
    pairs = [(parent, parent + one[3]) for parent, one in zip(parents, made, strict=True)]
    sisters = [
        (parent + one[3], parent + one[4]) for parent, one in zip(parents, made, strict=True) if one[3] != one[4]
    ]
    assert set(levels("org_name", pairs + sisters)) <= {"branch", "else"}


@settings(max_examples=3)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=15)
        | st.text("中国北京市区县协会分院（）()养老服务中心乡镇 1A", max_size=15),
        min_size=20,
        max_size=40,
        unique=True,
    )
)
def test_no_text_breaks_the_reading(texts: list[str]) -> None:
    found = parse("org_name", texts)
    assert sorted(found) == sorted(texts)
    for row in found.values():
        assert (row["value"] is None) == (row["key"] is None) == ("org_not_a_name" in row["findings"])
        assert (row["branch"] is None) == (row["parent"] is None)
        assert all(row[name] is None or row[name].isascii() for name in KINDS["org_name"].ascii)
