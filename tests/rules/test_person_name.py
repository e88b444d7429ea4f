"""Personal names: how they are written, what is read from them, and how two names may differ."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.kinds import KINDS
from tests.effort import effort
from tests.kindtools import level, levels, parse


@cache
def rows() -> dict[str, dict[str, Any]]:
    """What is read from the names of the lists below: all of them in one go."""
    return parse("person_name", sorted({row[0] for row in (*CLEANED, *WRONG, *PARTS, *READINGS)}))


@cache
def reached() -> dict[tuple[str, str], str]:
    """The levels that the pairs of LEVELS reach, and the other way round."""
    pairs = sorted({pair for left, right, _ in LEVELS for pair in ((left, right), (right, left))})
    return dict(zip(pairs, levels("person_name", pairs), strict=True))


def read(value: str) -> dict[str, Any]:
    return rows().get(value) or parse("person_name", [value])[value]


CLEANED = [
    ("张　伟", "张伟"),
    ("张 伟 ", "张伟"),
    ("张\u200b伟", "张伟"),
    ("王\ue863", "王䶮"),
    ("⽂明", "文明"),
    ("阿卜杜拉•买买提", "阿卜杜拉·买买提"),
    ("阿卜杜拉・买买提", "阿卜杜拉·买买提"),
    ("阿卜杜拉．买买提", "阿卜杜拉·买买提"),
    ("阿卜杜拉-买买提", "阿卜杜拉·买买提"),
    ("阿卜杜拉 买买提", "阿卜杜拉·买买提"),
    ("阿卜杜拉?买买提", "阿卜杜拉·买买提"),
    ("王□", "王?"),
    ("王（氵甸）", "王?"),
    ("徐（莹加王旁）", "徐?"),
    ("王(jie)", "王jie"),
    ("张某某", "张??"),
    ("李先生", "李?"),
    ("张XX", "张??"),
    ("王芳女士", "王芳"),
    ("张伟（女）", "张伟"),
    ("张伟2", "张伟"),
    ("張偉", "張偉"),
    ("John Smith", "John Smith"),
]


@pytest.mark.parametrize(("written", "value"), CLEANED)
def test_a_name_is_cleaned_and_stays_what_it_is(written: str, value: str) -> None:
    assert read(written)["value"] == value


WRONG = [
    ("张伟", []),
    ("王?", ["name_wildcard"]),
    ("王jie", ["name_wildcard"]),
    ("张😀伟", ["name_bad_character"]),
    ("张伟（女）", ["name_annotation"]),
    ("王芳女士", ["name_annotation"]),
    ("马", ["name_single"]),
    ("不详", ["name_not_a_name"]),
    ("无名氏", ["name_not_a_name"]),
    ("测试1", ["name_not_a_name"]),
    ("王芳之女", ["name_not_a_name"]),
    ("NULL", ["name_not_a_name"]),
    ("???", ["name_not_a_name"]),
    ("110101", ["name_not_a_name"]),
    ("王伟、李芳", ["name_several"]),
]


@pytest.mark.parametrize(("written", "finding"), WRONG)
def test_what_is_wrong_is_named(written: str, finding: list[str]) -> None:
    row = read(written)
    assert row["findings"] == finding
    refused = {"name_not_a_name", "name_several"} & set(finding)
    assert (row["value"] is None) == bool(refused)


PARTS = [
    ("张伟", "张", "伟"),
    ("王建国", "王", "建国"),
    ("欧阳锋", "欧阳", "锋"),
    ("司马相如", "司马", "相如"),
    ("陈李婉芬", "陈李", "婉芬"),
    ("萧红", "肖", "红"),
    ("傅明", "付", "明"),
    ("阎明", "闫", "明"),
    ("戴明", "代", "明"),
    ("丘明", "邱", "明"),
    ("鍾明", "钟", "明"),
    ("阿卜杜拉·买买提", None, None),
    ("王?", "王", None),
    ("?伟", None, "伟"),
]


@pytest.mark.parametrize(("written", "surname", "given_name"), PARTS)
def test_surname_and_given_name(written: str, surname: str | None, given_name: str | None) -> None:
    row = read(written)
    assert (row["surname"], row["given"]) == (surname, given_name)


READINGS = [
    ("曾小贤", "zeng xiao xian"),
    ("单雄信", "shan xiong xin"),
    ("覃秀英", "qin xiu ying"),
    ("翟天", "zhai tian"),
    ("解晓东", "xie xiao dong"),
    ("仇英", "qiu ying"),
    ("查良镛", "zha liang yong"),
    ("朴树", "piao shu"),
    ("卜算", "bu suan"),
    ("乐毅", "yue yi"),
    ("万俟卨", "mo qi xie"),
    ("尉迟恭", "yu chi gong"),
    ("吕布", "lv bu"),
    ("王乐", "wang le"),
    ("王曾", "wang zeng"),
    ("王jie", "wang jie"),
    ("阿卜杜拉·买买提", "a bu du la mai mai ti"),
    ("王?", None),
]


@pytest.mark.parametrize(("written", "toneless"), READINGS)
def test_readings(written: str, toneless: str | None) -> None:
    assert read(written)["toneless"] == toneless


def test_a_name_without_a_surname_has_a_skeleton_of_consonants() -> None:
    names = ("吐尔逊·买买提", "图尔荪·买买提", "扎西次仁", "张伟", "John Smith")
    found = parse("person_name", names)
    assert [found[name]["skeleton"] for name in names] == ["trsmmt", "trsmmt", "zscr", None, None]


def test_columns_of_a_name() -> None:
    row = read("王建國")
    assert (row["key"], row["folded"], row["toned"]) == ("王建国", "王建国", "wang2 jian4 guo2")
    assert (row["surname_pinyin"], row["given_toneless"], row["initials"]) == ("wang", "jian guo", "wjg")
    assert (row["shape"], row["wildcard"]) == ("101041540060103", None)


LEVELS = [
    ("张伟", "张 伟", "exact"),
    ("阿卜杜拉·买买提", "阿卜杜拉•买买提", "exact"),
    ("张伟", "張偉", "folded"),
    ("萧红", "肖红", "folded"),
    ("付明", "傅明", "folded"),
    ("锺书", "钟书", "folded"),
    ("王喆", "王哲", "folded"),
    ("王堃", "王坤", "folded"),
    ("张囗", "张口", "folded"),
    ("於敏", "于敏", "folded"),
    ("阿卜杜拉·买买提", "阿卜杜拉买买提", "folded"),
    ("张伟", "张玮", "toned"),
    ("王建国", "王健国", "toned"),
    ("张丽", "张莉", "toned"),
    ("张伟", "章伟", "toneless"),
    ("张英", "张颖", "toneless"),
    ("覃秀英", "谭秀英", "toneless"),
    ("覃秀英", "秦秀英", "toneless"),
    ("王晟", "王成", "toneless"),
    ("王㛃", "王jie", "toneless"),
    ("阿卜杜拉·买买提", "阿不都拉买买提", "toneless"),
    ("买买提·吐尔逊", "麦麦提·吐尔逊", "toneless"),
    ("阿卜杜拉·买买提", "阿布都拉·麦麦提", "toneless"),
    ("李未", "李末", "shape"),
    ("张戊", "张戌", "shape"),
    ("李己巳", "李已巳", "shape"),
    ("王建国", "王国建", "order"),
    ("买买提·吐尔逊", "吐尔逊·买买提", "order"),
    ("买买提·吐尔逊", "吐尔逊·麦麦提", "order"),
    ("吐尔逊·买买提", "图尔荪·买买提", "shape"),
    ("阿不都热西提·买买提", "阿卜杜日西提·买买提", "shape"),
    ("肉孜·买买提", "茹孜·买买提", "shape"),
    ("阿卜杜热合曼·买买提", "阿卜杜热依木·买买提", "else"),
    ("阿卜杜拉·买买提", "艾合买提·买买提", "else"),
    ("王建国", "王国", "missing"),
    ("王建国", "王建", "missing"),
    ("王建国", "建国", "missing"),
    ("阿卜杜拉·买买提", "阿卜杜拉", "missing"),
    ("阿卜杜拉·买买提", "阿不都拉", "missing"),
    ("买买提·吐尔逊", "麦麦提", "missing"),
    ("王㛃", "王?", "wildcard"),
    ("徐㼆", "徐（莹加王旁）", "wildcard"),
    ("张建国", "张?国", "wildcard"),
    ("王建国", "李建国", "given"),
    ("陈李婉芬", "李婉芬", "given"),
    ("童頔", "童迪", "toned"),
    ("张伟", "李芳", "else"),
    ("王建国", "王明", "else"),
    ("罗芬", "罗芳", "shape"),
    ("郑恒", "郭恒", "given"),
    ("王?", "李芳", "else"),
    ("张伟", "不详", "null"),
]


@pytest.mark.parametrize(("left", "right", "label"), LEVELS)
def test_levels(left: str, right: str, label: str) -> None:
    assert [reached()[left, right], reached()[right, left]] == [label, label]


def test_two_unreadable_characters_prove_nothing_exact() -> None:
    assert level("person_name", "王?", "王?") == "wildcard"


def test_a_mask_keeps_the_surname() -> None:
    masked = [KINDS["person_name"].mask(name) for name in ("张伟", "王建国", "欧阳锋", "阿卜杜拉·买买提")]
    assert masked == ["张*", "王**", "欧阳*", "阿***·***"]


def test_no_derived_column_completes_a_masked_name() -> None:
    kind, row = KINDS["person_name"], read("沈青禾")
    shown = {name: kind.mask_column(name, row[name]) for name in kind.columns if row[name] is not None}
    assert not [name for name, text in shown.items() if set(text) & set("青禾") or "qing" in text or "he" in text]
    assert (shown["given"], shown["surname"], shown["folded"]) == ("**", "沈", "沈**")


def test_term_frequencies_are_those_of_the_sound() -> None:
    found = {one.label: one.term_frequency for one in KINDS["person_name"].compare("name", {}).levels}
    assert [label for label, column in found.items() if column == "name__toneless"] == [
        "exact",
        "folded",
        "toned",
        "toneless",
    ]


def test_no_bytewise_function_touches_han() -> None:
    bytewise = re.compile(r"(levenshtein|jaro\w*|jaccard|hamming|mismatches)\(([^()]*)\)")
    ascii_columns = KINDS["person_name"].ascii
    for one in KINDS["person_name"].compare("name", {}).levels:
        for _, arguments in bytewise.findall(one.when):
            assert {part.strip()[len("name__") : -2] for part in arguments.split(",")} <= ascii_columns


names = st.text(alphabet="王张李萧肖付傅伟玮建国芳英未末?·j（）曾覃 阿买提", min_size=1, max_size=6)


@settings(max_examples=effort(5, 15))
@given(st.lists(st.tuples(names, names), min_size=30, max_size=60))
def test_every_level_is_symmetric(pairs: list[tuple[str, str]]) -> None:
    found = levels("person_name", pairs + [(right, left) for left, right in pairs])
    assert found[: len(pairs)] == found[len(pairs) :]


@settings(max_examples=effort(5, 15))
@given(st.lists(st.text(max_size=12), min_size=20, max_size=60, unique=True))
def test_no_text_breaks_the_reading(texts: list[str]) -> None:
    texts = [text for text in texts if "\0" not in text]
    rows = parse("person_name", texts) if texts else {}
    assert sorted(rows) == sorted(texts)
    for row in rows.values():
        for name in KINDS["person_name"].ascii:
            assert row[name] is None or row[name].isascii()
        assert row["key"] is None or row["value"] is not None
