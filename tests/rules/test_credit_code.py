"""Unified social credit codes: both checks, what old files hold instead, and when two are one organization.

54440604778330561N is the code of a villagers' committee as a court published it. All others are made up in a
province 88 that never existed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rules.kinds import KINDS, gb11643, gb32100
from rules.kinds.gb32100 import credit_code
from tests.kindtools import levels, parse

COMMITTEE = "54440604778330561N"
SOCIETY = credit_code("51880101", "50012345")
HOME = credit_code("52880102", "MJ123456")
SAME_PLACE = credit_code("51880101", "50012346")
PERSON = "11010519491231002X"

WRITTEN = [
    ("５４４４０６０４７７８３３０５６１Ｎ", COMMITTEE, []),
    ("54440604778330561n", COMMITTEE, []),
    (" 5444 0604 7783 3056 1N", COMMITTEE, []),
    ("54-440604-77833056-1-N", COMMITTEE, []),
    ("统一社会信用代码：54440604778330561N", COMMITTEE, []),
    ("'54440604778330561N", COMMITTEE, []),
    ("5444O6O4778330561N", COMMITTEE, ["credit_repaired"]),
    ("544406047783305 6IN", COMMITTEE, ["credit_repaired"]),
    ("77833056-1", "778330561", ["credit_org_code"]),
    ("778330561", "778330561", ["credit_org_code"]),
    ("组织机构代码：77833056-1", "778330561", ["credit_org_code"]),
    ("77833O56-1", "778330561", ["credit_org_code", "credit_repaired"]),
    ("民证字第010025号", "民证字010025", ["credit_registration_no"]),
    ("民证字第 010025 号", "民证字010025", ["credit_registration_no"]),
    ("登记证号:民证字第010025号", "民证字010025", ["credit_registration_no"]),
    ("粤佛社证字［2003］第12号", "粤佛社证字200312", ["credit_registration_no"]),
    ("440600000012345", "440600000012345", ["credit_registration_no"]),
    (SOCIETY, SOCIETY, ["credit_area_unknown"]),
    (credit_code("X1440604", "MJ123456"), credit_code("X1440604", "MJ123456"), ["credit_category_unknown"]),
    (credit_code("51100000", "50012345"), credit_code("51100000", "50012345"), []),
]

REFUSED = [
    ("54440604778330561M", "credit_check"),
    ("544406047783305610", "credit_check"),
    ("54440604778330562" + gb32100.check_character("54440604778330562"), "credit_org_check"),
    ("778330562", "credit_org_check"),
    ("5444O6O4778330561M", "credit_check"),
    ("5444060477833056", "credit_malformed"),
    ("54440604778330561", "credit_malformed"),
    ("54440604778330561NN", "credit_malformed"),
    ("5444060477833S561N", "credit_malformed"),
    ("5444****78330561N", "credit_malformed"),
    ("000000000000000000", "credit_placeholder"),
    ("00000000-0", "credit_placeholder"),
    ("123456789012345678", "credit_placeholder"),
    ("51880101000000000" + gb32100.check_character("51880101000000000"), "credit_placeholder"),
    ("544406047783305000", "credit_excel"),
    ("5.44406E+17", "credit_scientific"),
    (PERSON, "credit_citizen_id"),
    ("无", "credit_not_given"),
    ("不详", "credit_not_given"),
]


@cache
def rows() -> dict[str, dict[str, Any]]:
    return parse("credit_code", [raw for raw, *_ in (*WRITTEN, *REFUSED)] + [COMMITTEE, HOME, "54440604778330561K"])


def test_the_published_code_of_a_committee_passes_both_checks() -> None:
    assert gb32100.is_valid(COMMITTEE)
    row = rows()[COMMITTEE]
    assert row["value"] == row["key"] == row["uscc"] == COMMITTEE
    assert (row["valid"], row["org_code"], row["category"]) == (True, "778330561", "54")
    assert (row["authority_area"], row["findings"]) == ("440604", [])


@pytest.mark.parametrize(("raw", "value", "findings"), WRITTEN)
def test_what_is_written_and_what_it_is(raw: str, value: str, findings: list[str]) -> None:
    row = rows()[raw]
    assert (row["value"], row["key"], row["findings"]) == (value, value, findings)


@pytest.mark.parametrize(("raw", "finding"), REFUSED)
def test_what_does_not_count_is_named(raw: str, finding: str) -> None:
    row = rows()[raw]
    assert (row["value"], row["uscc"], row["findings"]) == (None, None, [finding])
    severity = "info" if finding == "credit_not_given" else "error"
    assert KINDS["credit_code"].findings[finding].severity == severity


def test_what_is_unknown_is_only_noted() -> None:
    for finding in ("credit_category_unknown", "credit_area_unknown", "credit_repaired", "credit_org_code"):
        assert KINDS["credit_code"].findings[finding].severity == "info"


def test_a_failed_code_still_bridges_by_an_organization_code_that_holds() -> None:
    assert rows()["54440604778330561K"]["org_code"] == "778330561"
    assert rows()["778330562"]["org_code"] is None


@pytest.mark.parametrize("raw", ["5444060477833056é", "54440604778330561é", "村54440604778330561"])
def test_only_digits_and_capitals_are_compared_by_places(raw: str) -> None:
    assert parse("credit_code", [raw])[raw]["broken"] is None


def test_the_number_of_a_person_is_kept_nowhere_and_shown_nowhere() -> None:
    row = rows()[PERSON]
    assert {name: value for name, value in row.items() if value is not None} == {
        "raw": PERSON,
        "findings": ["credit_citizen_id"],
    }
    mask = KINDS["credit_code"].mask
    assert mask(PERSON) == "1****************X"
    assert mask(COMMITTEE) == COMMITTEE


@pytest.mark.parametrize("category", ["11", "12", "51", "52", "53", "54", "55", "59", "91", "N2", "N9", "A1", "Y1"])
def test_categories_of_the_table(category: str) -> None:
    code = credit_code(f"{category}440604", "MJ123456")
    assert gb32100.is_valid(code)
    row = parse("credit_code", [code])[code]
    assert (row["category"], row["findings"]) == (category, [])


LEVELS = [
    (COMMITTEE, "54440604778330561n", "exact"),
    (COMMITTEE, "5444O6O4778330561N", "exact"),
    (COMMITTEE, "77833056-1", "org_code"),
    ("77833056-1", "778330561", "org_code"),
    (credit_code("52440604", "77833056"), COMMITTEE, "org_code"),
    ("54440604778330561K", COMMITTEE, "org_code"),
    ("民证字第010025号", "民证字010025", "registration"),
    ("54440604778380561N", COMMITTEE, "one_typo"),
    ("54440604773830561N", COMMITTEE, "one_typo"),
    ("5444060477833061N", COMMITTEE, "one_typo"),
    ("544406047783305561N", COMMITTEE, "one_typo"),
    ("77833056-2", COMMITTEE, "one_typo"),
    ("77833065-1", "77833056-1", "one_typo"),
    ("54440604778380561N", "54440604778380561N", "one_typo"),
    (SOCIETY, SAME_PLACE, "else"),
    (SOCIETY, HOME, "else"),
    ("54440604778330561N", "77833056-9", "one_typo"),
    ("54440604118330561N", COMMITTEE, "else"),
    ("民证字第010025号", "民证字第010026号", "else"),
    ("民证字第010025号", COMMITTEE, "null"),
    ("无", COMMITTEE, "null"),
    ("无", "无", "null"),
]


def test_levels() -> None:
    pairs = [(left, right) for left, right, _ in LEVELS]
    expected = [label for _, _, label in LEVELS]
    assert levels("credit_code", pairs) == expected
    assert levels("credit_code", [(right, left) for left, right in pairs]) == expected


def test_a_village_and_its_cooperative_have_two_codes() -> None:
    village, cooperative = credit_code("54880101", "MJ200001"), credit_code("N2880101", "MF200001")
    assert levels("credit_code", [(village, cooperative)]) == ["else"]


_digits = st.text("0123456789", min_size=4, max_size=4).map("88".__add__)
_letters = st.text(gb32100.ALPHABET, min_size=8, max_size=8)
_categories = st.sampled_from(["51", "52", "54", "91", "N2", "A1", "Y1"])
codes = st.builds(lambda category, area, body: credit_code(category + area, body), _categories, _digits, _letters)


@given(codes, st.integers(0, 17), st.integers(1, 30))
def test_no_substitution_stays_valid(code: str, place: int, shift: int) -> None:
    other = gb32100.ALPHABET[(gb32100.ALPHABET.index(code[place]) + shift) % 31]
    assert gb32100.is_valid(code)
    assert not gb32100.is_valid(code[:place] + other + code[place + 1 :])


@given(codes, st.integers(0, 16))
def test_no_transposition_stays_valid(code: str, place: int) -> None:
    wrong = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    assert wrong == code or not gb32100.is_valid(wrong)


@given(_letters, st.integers(0, 7), st.integers(1, 9))
def test_the_organization_code_finds_a_wrong_digit(body: str, place: int, shift: int) -> None:
    assume(body[place].isdigit())
    wrong = body[:place] + str((int(body[place]) + shift) % 10) + body[place + 1 :]
    assert not gb32100.is_valid_org_code(wrong + gb32100.org_check_character(body))


def test_what_is_no_body_has_no_check_character() -> None:
    with pytest.raises(ValueError, match="17"):
        gb32100.check_character("5444O604778330561")
    with pytest.raises(ValueError, match="8"):
        gb32100.org_check_character("7783305")


@settings(max_examples=4)
@given(st.lists(st.tuples(codes, st.integers(0, 17), st.sampled_from(gb32100.ALPHABET)), min_size=30, max_size=50))
def test_sql_and_python_agree(made: list[tuple[str, int, str]]) -> None:
    texts = {code[:place] + char + code[place + 1 :] for code, place, char in made}
    texts |= {text[8:17] for text in texts} | {code for code, _, _ in made}
    for text, row in parse("credit_code", sorted(texts)).items():
        if "credit_placeholder" in row["findings"] or not any(char.isdigit() for char in text):
            continue
        if len(text) == 18:
            assert (row["uscc"] == text) == gb32100.is_valid(text)
            if gb11643.is_valid(text) and not gb32100.is_valid(text):
                assert row["broken"] is None
        elif gb32100.is_valid_org_code(text):
            assert row["org_code"] == text


@settings(max_examples=3)
@given(st.lists(st.tuples(codes, st.integers(0, 17), st.sampled_from("0O1I5SBA")), min_size=30, max_size=50))
def test_levels_do_not_depend_on_the_side(made: list[tuple[str, int, str]]) -> None:
    pairs = [(code, code[:place] + char + code[place + 1 :]) for code, place, char in made]
    pairs += [(one, other[8:17]) for (one, _), (_, other) in zip(pairs, pairs, strict=True)]
    assert levels("credit_code", pairs) == levels("credit_code", [(b, a) for a, b in pairs])


@settings(max_examples=8)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
        | st.text("0123456789OIX-证字第号 E+.", max_size=20),
        min_size=20,
        max_size=40,
        unique=True,
    )
)
def test_no_text_breaks_the_reading(texts: list[str]) -> None:
    found = parse("credit_code", texts)
    assert sorted(found) == sorted(texts)
    for row in found.values():
        for name in KINDS["credit_code"].ascii:
            assert row[name] is None or row[name].isascii()
        assert (row["value"] is None) == (row["key"] is None)
