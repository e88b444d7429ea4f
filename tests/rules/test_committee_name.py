"""Names of committees: one suffix in many forms, a core that keeps what tells neighbours apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kindtools import agree, levels, parse

VILLAGES = ("村委会", "村民委员会", "村村民委员会", "村村委会", "村", "村委员会", "村民委会", "村村委", "社区村委会")
RESIDENTS = ("居委会", "居民委员会", "社区居民委员会", "社区居委会", "社区", "居委员会", "社区居委")
CORES = ("管陶", "王庄", "下王庄", "团结", "东方红", "前邢各庄", "一", "第二", "羊头峪")
NO_COMMITTEES = (
    "一连",
    "二十五连生活区",
    "园区虚拟社区",
    "工业园区虚拟村委会",
    "七星农场第二管理区",
    "十二岭村民委员会生活区",
    "前进林场",
    "三分场",
    "港尖生产队",
    "经济开发区管委会",
    "城市新区管理委员会社区",
    "北京经济管理干部学院",
)


def read(name: str, **options: str) -> dict[str, object]:
    return parse("committee_name", [name], options)[name]


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("form", "suffixes"), [("village", VILLAGES), ("residents", RESIDENTS)])
def test_every_suffix_gives_one_core_and_its_form(core: str, form: str, suffixes: tuple[str, ...]) -> None:
    read_all = parse("committee_name", [core + suffix for suffix in suffixes])
    assert {(row["key"], row["form"]) for row in read_all.values()} == {(core, form)}
    assert all(row["findings"] == [] for row in read_all.values())


@pytest.mark.parametrize(
    ("name", "core", "form"),
    [
        ("友谊嘎查", "友谊", "village"),
        ("友谊嘎查村民委员会", "友谊", "village"),
        ("友谊嘎查委会", "友谊", "village"),
        ("多日牧委会", "多日", "village"),
        ("市医院家委会", "市医院", "residents"),
        ("王村村委会", "王", "village"),
        ("兴垦村委会（新）", "兴垦新", "village"),
        ("冯家岔村委会一", "冯家岔一", "village"),
        ("蓝湾香郡社区居委会（南昌高新开发区）", "蓝湾香郡", "residents"),
        ("凤翔社区居委会（筹）", "凤翔", "residents"),
        (" 管陶 村委会 ", "管陶", "village"),
        ("3村委会", "三", "village"),
        ("姚臺村委会", "姚台", "village"),
        ("潘畈队委会", "潘畈队", "other"),
    ],
)
def test_core_and_form(name: str, core: str, form: str) -> None:
    row = read(name)
    assert (row["key"], row["form"]) == (core, form)


@pytest.mark.parametrize("name", NO_COMMITTEES)
def test_what_is_no_committee_has_no_form_and_says_so(name: str) -> None:
    row = read(name)
    assert row["form"] is None
    assert row["findings"] == ["committee_none"]


def test_findings() -> None:
    assert read("凤翔社区居委会（筹）")["findings"] == ["committee_preparing"]
    assert read("潘畈队委会")["findings"] == ["committee_unmarked"]
    assert "committee_unreadable" in read("123")["findings"]  # type: ignore[operator]


def test_the_form_as_a_value() -> None:
    rows = parse("committee_name", ["王庄村委会", "王庄社区", "潘畈队委会", "一连"], {"value": "form"})
    assert {raw: (row["value"], row["key"]) for raw, row in rows.items()} == {
        "王庄村委会": ("village", "village"),
        "王庄社区": ("residents", "residents"),
        "潘畈队委会": ("other", None),
        "一连": (None, None),
    }


@pytest.mark.parametrize(
    ("left", "right", "level"),
    [
        ("管陶村委会", "管陶村村民委员会", "exact"),
        ("楚乔头村村委会", "楚桥头村民委员会", "toneless"),
        ("西候庄村委会", "西侯庄村民委员会", "toneless"),
        ("桑元村委会", "桑园村村民委员会", "toneless"),
        ("腊埒村委会", "腊垸村委会", "else"),
        ("尤勒滚村委会", "尤勒贡村委会", "character"),
        ("郭岭坨村委会", "郭家岭坨村委会", "within"),
        ("姚涧河村委会", "朱姚涧河村民委员会", "within"),
        ("上王庄村委会", "下王庄村委会", "marks"),
        ("王庄村委会", "东王庄村委会", "within"),
        ("幸福一村委会", "幸福二村委会", "marks"),
        ("李庄村委会", "赵家沟村委会", "else"),
    ],
)
def test_levels(left: str, right: str, level: str) -> None:
    assert levels("committee_name", [(left, right), (right, left)]) == [level, level]


HAN = st.text("王庄李家沟河上下东西新老一二三山口塘铺连队场", min_size=1, max_size=5)


@settings(max_examples=3)
@given(st.lists(HAN, min_size=20, max_size=40))
def test_the_form_of_the_suffix_never_matters(cores: list[str]) -> None:
    rows = parse("committee_name", sorted({core + form for core in cores for form in VILLAGES[:4]}))
    for core in cores:
        told = [rows[core + form] for form in VILLAGES[:4]]
        assert len({(row["key"], row["form"], row["toneless"]) for row in told}) == 1, core


MARK = st.sampled_from("上下东西前后新老一二三四五")


@settings(max_examples=3)
@given(st.lists(st.tuples(HAN, MARK, MARK), min_size=20, max_size=40))
def test_other_marks_are_another_village(made: list[tuple[str, str, str]]) -> None:
    found = levels("committee_name", [(f"{one}{core}村委会", f"{other}{core}村委会") for core, one, other in made])
    for (core, one, other), level in zip(made, found, strict=True):
        assert (level == "exact") == (one == other), (core, one, other)
        assert level in ("exact", "marks", "within", "else")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("沧原省清川市青泉县新庄镇谢家湾村村民委员会", "谢家湾村委会", True),
        ("永定门街道东街社区居委会", "东街居委会", True),
        ("谢家湾村委会", "谢家湾居委会", True),  # whether village or residents is another field
        ("上王庄村委会", "王庄村委会", False),
        ("谢家湾村委会", "柳湾村委会", False),
    ],
)
def test_a_name_agrees_with_the_same_name_behind_its_division(one: str, other: str, same: bool) -> None:
    assert agree("committee_name", one, other) is same
