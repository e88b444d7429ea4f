"""Relations to the head of a household: what is read, what it says, and which two contradict each other."""

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

with reference_path(SHIPPED, "codes").open(encoding="utf-8") as _file:
    LIST = [row for row in csv.DictReader(_file) if row["list"] == "gb4761"]

CODES = [
    ("01", "01"),
    ("本人", "01"),
    ("户主", "02"),
    ("03", "02"),
    ("小集体户户主", "02"),
    ("妻", "12"),
    ("妻子", "12"),
    ("户主之妻", "12"),
    ("之妻", "12"),
    ("与户主关系：妻", "12"),
    ("配偶", "10"),
    ("２２", "22"),
    ("22.0", "22"),
    ("长子", "22"),
    ("长 子", "22"),
    ("户主的长子", "22"),
    ("二女", "33"),
    ("儿媳", "38"),
    ("儿媳妇", "38"),
    ("孙女", "42"),
    ("外孙", "43"),
    ("父亲", "51"),
    ("爷爷", "61"),
    ("外婆", "64"),
    ("弟妹", "74"),
    ("侄儿", "93"),
    ("非亲属", "99"),
    ("Son-in-law", "28"),
]

FINDINGS = [
    ("1", "relation_one_digit"),
    ("2.0", "relation_one_digit"),
    ("04", "relation_unknown"),
    ("媳妇", "relation_unknown"),
    ("三姑六婆", "relation_unknown"),
]

MEANINGS = [
    ("户主", "self", 0, None, None, False),
    ("妻", "spouse", 0, None, "2", False),
    ("独生子", "child", -1, None, "1", False),
    ("长子", "child", -1, 1, "1", False),
    ("五子", "child", -1, 5, "1", False),
    ("三女", "child", -1, 3, "2", False),
    ("养子", "child", -1, None, "1", False),
    ("女婿", "child", -1, None, "1", True),
    ("儿媳", "child", -1, None, "2", True),
    ("孙女", "grandchild", -2, None, "2", False),
    ("曾孙", "grandchild", -3, None, "1", False),
    ("父母", "parent", 1, None, None, False),
    ("岳母", "parent", 1, None, "2", True),
    ("外祖父", "grandparent", 2, None, "1", False),
    ("曾祖母", "grandparent", 3, None, "2", False),
    ("姐夫", "sibling", 0, None, "1", True),
    ("姑母", "other", 1, None, "2", False),
    ("堂弟", "other", 0, None, None, False),
    ("外甥女", "other", -1, None, "2", False),
    ("其他", "other", None, None, None, False),
    ("非亲属", "other", None, None, None, False),
]

LEVELS = [
    ("妻", "12", "same"),
    ("小集体户户主", "02", "same"),
    ("户主", "本人", "compatible"),
    ("配偶", "妻", "compatible"),
    ("子", "长子", "compatible"),
    ("独生子", "长子", "compatible"),
    ("父亲", "继父", "compatible"),
    ("长子", "次子", "same_class"),
    ("长子", "长女", "same_class"),
    ("夫", "妻", "same_class"),
    ("女", "儿媳", "same_class"),
    ("祖父", "曾祖父", "same_class"),
    ("配偶", "长子", "opposed"),
    ("户主", "妻", "opposed"),
    ("长子", "孙子", "opposed"),
    ("伯父", "叔父", "else"),
    ("长子", "侄子", "else"),
    ("长子", "非亲属", "else"),
    ("长子", "1", "null"),
]


@cache
def rows() -> dict[str, dict[str, Any]]:
    return parse("relation_code", sorted({row[0] for row in (*CODES, *FINDINGS, *MEANINGS)}))


def read(value: str) -> dict[str, Any]:
    return rows()[value]


@pytest.mark.parametrize(("raw", "code"), CODES)
def test_what_people_write_is_a_code(raw: str, code: str) -> None:
    row = read(raw)
    assert (row["value"], row["key"], row["findings"]) == (code, code, [])


@pytest.mark.parametrize(("raw", "finding"), FINDINGS)
def test_what_is_no_code_is_kept_and_said(raw: str, finding: str) -> None:
    row = read(raw)
    assert (row["value"], row["key"], row["class"], row["findings"]) == (raw, None, None, [finding])
    assert KINDS["relation_code"].findings[finding].severity == "warn"


@pytest.mark.parametrize(("raw", "kin", "generation", "rank", "sex", "in_law"), MEANINGS)
def test_what_a_relation_says(
    raw: str, kin: str, generation: int | None, rank: int | None, sex: str | None, in_law: bool
) -> None:
    row = read(raw)
    assert (row["class"], row["generation"], row["rank"], row["sex"], row["in_law"]) == (
        kin,
        generation,
        rank,
        sex,
        in_law,
    )


def test_levels() -> None:
    pairs = [(left, right) for left, right, _ in LEVELS]
    expected = [label for _, _, label in LEVELS]
    assert levels("relation_code", pairs) == expected
    assert levels("relation_code", [(right, left) for left, right in pairs]) == expected


def test_every_code_of_the_list_and_every_word_for_it_is_read() -> None:
    said = {
        word: row["code"]
        for row in LIST
        for word in (row["code"], row["zh"], row["en"], *row["aliases"].split("|"))
        if word
    }
    found = parse("relation_code", sorted(said))
    assert {raw: row["key"] for raw, row in found.items()} == said
    assert all(row["class"] and row["in_law"] is not None for row in found.values())


def test_the_list_is_the_one_that_a_code_field_reads() -> None:
    assert parse("code", ["长子"], {"list": "gb4761"})["长子"]["key"] == "22"


def test_a_code_is_shown_as_it_is_and_a_text_is_not() -> None:
    assert KINDS["relation_code"].mask("22") == "22"
    assert KINDS["relation_code"].mask("张三之妻") == "张***"


_relations = st.sampled_from([row["zh"] for row in LIST])


@settings(max_examples=4)
@given(st.lists(st.tuples(_relations, _relations), min_size=40, max_size=60))
def test_levels_do_not_depend_on_the_side(pairs: list[tuple[str, str]]) -> None:
    assert levels("relation_code", pairs) == levels("relation_code", [(b, a) for a, b in pairs])


@settings(max_examples=8)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), unique=True))
def test_no_text_breaks_the_reading(texts: list[str]) -> None:
    found = parse("relation_code", texts) if texts else {}
    assert sorted(found) == sorted(texts)
