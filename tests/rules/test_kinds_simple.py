"""What the simple kinds read, as rows that a domain person can check."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.checks import bytewise_uses
from rules.kinds import KINDS
from tests.kindtools import level, levels, parse


@pytest.mark.parametrize(
    ("raw", "value", "key", "findings"),
    [
        ("1990-05-12", "1990-05-12", "1990-05-12", []),
        ("1990年5月2日", "1990-05-02", "1990-05-02", []),
        ("１９９０／５／２", "1990-05-02", "1990-05-02", []),
        ("19900502", "1990-05-02", "1990-05-02", []),
        ("1990-05-02 00:00:00", "1990-05-02", "1990-05-02", []),
        ("1990-01-01", "1990-01-01", None, ["date_default"]),
        ("1990", "1990", None, ["date_partial"]),
        ("199005", "1990-05", None, ["date_partial"]),
        ("1990-00-00", "1990", None, ["date_partial"]),
        ("1990-02-30", None, None, ["date_impossible"]),
        ("1990-13-01", None, None, ["date_impossible"]),
        ("不详", None, None, ["date_impossible"]),
        ("2031-05-02", None, None, ["date_future"]),
        ("1900-01-01", None, None, ["date_missing"]),
        ("9999-12-31", None, None, ["date_missing"]),
        ("32994", "1990-05-01", "1990-05-01", ["date_excel_serial"]),
    ],
)
def test_date(raw: str, value: str | None, key: str | None, findings: list[str]) -> None:
    row = parse("date", [raw])[raw]
    assert (row["value"], row["key"], row["findings"]) == (value, key, findings)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("1990-05-12", "19900512", "exact"),
        ("1990-04-08", "1990-05-02", "lunar"),
        ("1990-05-12", "1990-12-05", "swapped"),
        ("1990-05-12", "1990-05-13", "one_digit"),
        ("1990-05-12", "1990-05-21", "transposed"),
        ("1985-05-12", "1997-05-12", "same_month_day"),
        ("1990-01-01", "1990-05-12", "same_year_imprecise"),
        ("1990-07-29", "1990-05-12", "same_year"),
        ("1990-05-12", "1971-08-30", "else"),
        ("1990-05-12", "不详", "null"),
    ],
)
def test_date_levels(left: str, right: str, expected: str) -> None:
    assert level("date", left, right) == expected


@pytest.mark.parametrize(
    ("raw", "key", "findings"),
    [
        ("13912345678", "13912345678", []),
        ("+86 139-1234-5678", "13912345678", []),
        ("１３９１２３４５６７８", "13912345678", []),
        ("013912345678", "13912345678", []),
        ("0531-88001234", "053188001234", []),
        ("13800138000", None, ["phone_placeholder"]),
        ("11111111111", None, ["phone_placeholder"]),
        ("139123", None, ["phone_malformed"]),
    ],
)
def test_phone(raw: str, key: str | None, findings: list[str]) -> None:
    row = parse("phone", [raw])[raw]
    assert (row["key"], row["findings"]) == (key, findings)


@pytest.mark.parametrize(
    ("raw", "key"),
    [("男", "1"), ("女性", "2"), ("1", "1"), ("２", "2"), ("F", "2"), ("未说明", "9"), ("?", None)],
)
def test_sex(raw: str, key: str | None) -> None:
    assert parse("code", [raw], {"list": "gb2261_1"})[raw]["key"] == key


@pytest.mark.parametrize(
    ("raw", "key", "county_now", "findings"),
    [
        ("110224", "110224", "110115", ["division_retired"]),
        ("110115", "110115", "110115", []),
        ("110115000000", "110115", "110115", []),
        ("110000", "11", None, []),
        ("880101001", "880101001", "880101", ["division_unknown"]),
        ("88010", None, None, ["division_malformed"]),
    ],
)
def test_division(raw: str, key: str | None, county_now: str | None, findings: list[str]) -> None:
    row = parse("division", [raw])[raw]
    assert (row["key"], row["county_now"], row["findings"]) == (key, county_now, findings)


def test_a_renamed_county_is_the_same_place() -> None:
    assert level("division", "110224", "110115") == "same_county"


@pytest.mark.parametrize(
    ("left", "right", "script", "expected"),
    [
        ("Ｓmith ", "smith", "latin", "exact"),
        ("smith", "smyth", "latin", "similar"),
        ("élodie brown", "elodie browne", "latin", "close"),
        ("张伟", "张玮", "han", "else"),
    ],
)
def test_text_levels(left: str, right: str, script: str, expected: str) -> None:
    assert level("text", left, right, {"script": script}) == expected


_samples = {
    "date": st.dates().map(str) | st.sampled_from(["1990", "1990-01-01", "1990-04-08", "1990-05-02"]),
    "phone": st.from_regex("1[3-9][0-9]{9}", fullmatch=True),
    "division": st.sampled_from(["11", "110115", "110224", "110115001", "880101001201", "3701"]),
    "text": st.text("abcdé ", min_size=1, max_size=8),
}


@pytest.mark.parametrize("kind", sorted(_samples))
def test_levels_do_not_depend_on_the_side(kind: str) -> None:
    options = {"script": "latin"} if kind == "text" else {}

    @settings(max_examples=5)
    @given(st.lists(st.tuples(_samples[kind], _samples[kind]), min_size=40, max_size=60))
    def check(pairs: list[tuple[str, str]]) -> None:
        assert levels(kind, pairs, options) == levels(kind, [(b, a) for a, b in pairs], options)

    check()


@pytest.mark.parametrize("name", sorted(KINDS))
def test_no_kind_counts_the_bytes_of_han_text(name: str) -> None:
    kind = KINDS[name]
    for options in ({}, {"script": "latin"}, {"list": "gb2261_1"}):
        known = {key: value for key, value in options.items() if key in kind.options}
        comparison = kind.compare("f", known)
        ascii_names = frozenset(f"f__{extra}" if extra else "f" for extra in kind.ascii)
        for sql in (comparison.null, *(one.when for one in comparison.levels)):
            assert bytewise_uses(sql, ascii_names) == []


def test_the_scan_for_bytewise_functions_finds_one() -> None:
    assert bytewise_uses("levenshtein(f_l, f_r) <= 1", frozenset()) == ["levenshtein(f)"]
