"""Resident identity numbers: what GB 11643 says, what files do to them, and when two are one number.

The two numbers of real areas below are the examples printed in the standard; all others are made up in a
province 88 that never existed.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.kinds import KINDS, gb11643
from tests.effort import effort
from tests.kindtools import connect, levels, parse

STANDARD = ["11010519491231002X", "440524188001010014"]


def number(body17: str) -> str:
    return body17 + gb11643.check_character(body17)


ZHANG = number("88010119900315123")
TWIN = number("88010119900315125")


@cache
def rows() -> dict[str, dict[str, Any]]:
    """What is read from the numbers of the lists below: all of them in one go."""
    return parse("citizen_id", sorted({*STANDARD, *WRITTEN, *(row[0] for row in WRONG)}), KINDS["citizen_id"].options)


@cache
def reached() -> dict[tuple[str, str], str]:
    """The levels that the pairs of LEVELS reach, and the other way round."""
    pairs = sorted({pair for left, right, _ in LEVELS for pair in ((left, right), (right, left))})
    return dict(zip(pairs, levels("citizen_id", pairs), strict=True))


def read(value: str, **options: Any) -> dict[str, Any]:
    if not options and value in rows():
        return rows()[value]
    return parse("citizen_id", [value], {**KINDS["citizen_id"].options, **options})[value]


BORN = st.dates(date(1880, 1, 1), date(2030, 12, 31))
DAMAGED = st.sampled_from(["{}", "{}", " {}", "{}x", "ＩＤ{}", "{:.15}", "{:.17}", "{:.12}000000", "*{:.10}"])
DAYS = st.dates(date(2000, 1, 1), date(2029, 12, 31))


@settings(max_examples=effort(8, 25))
@given(born=st.lists(BORN, min_size=1, max_size=20), damage=DAMAGED, days=st.tuples(DAYS, DAYS))
def test_a_number_that_does_not_turn_says_the_same_on_both_days(
    born: list[date], damage: str, days: tuple[date, date]
) -> None:
    texts = sorted({damage.format(number(f"880101{day:%Y%m%d}123")) for day in born})
    first, last = sorted(days)
    con = connect("citizen_id")
    con.execute("create temp table raw as select unnest(?) as raw", [texts])
    turns = KINDS["citizen_id"].turns({})
    turning = con.execute(f"select raw from raw where {turns}", {"first": first, "last": last}).fetchall()
    before, after = (parse("citizen_id", texts, as_of=day) for day in (first, last))
    assert {text for text in texts if before[text] != after[text]} <= {text for (text,) in turning}


def test_hardly_any_number_turns_from_one_day_to_the_next() -> None:
    texts = [number(f"880101{year}0315123") for year in range(1900, 2020)]
    con = connect("citizen_id")
    con.execute("create temp table raw as select unnest(?) as raw", [texts])
    days = {"first": date(2026, 1, 1), "last": date(2026, 1, 2)}
    assert con.execute(f"select count(*) from raw where {KINDS['citizen_id'].turns({})}", days).fetchall() == [(0,)]


@pytest.mark.parametrize("example", STANDARD)
def test_the_examples_of_the_standard_are_valid(example: str) -> None:
    assert gb11643.is_valid(example)
    row = read(example)
    assert row["value"] == row["key"] == row["valid"] == row["id18"] == example


def test_a_valid_number_gives_birth_sex_and_area() -> None:
    row = read(STANDARD[0])
    assert (row["birth"], row["sex"], row["area"], row["findings"]) == (19491231, "2", "110105", [])


WRITTEN = [
    "11010519491231002x",
    "11010519491231002Ⅹ",
    "11010519491231002Х",
    "11010519491231002×",
    "１１０１０５１９４９１２３１００２Ｘ",
    "110105 19491231 002X",
    "110105-19491231-002X",
    "'11010519491231002X",
    "身份证：11010519491231002X",
    "11010519491231OO2X",
]


@pytest.mark.parametrize("written", WRITTEN)
def test_ways_of_writing_are_one_number(written: str) -> None:
    assert read(written)["valid"] == STANDARD[0]


WRONG = [
    (STANDARD[1], "id_age"),
    ("110105491231002", "id_legacy"),
    ("110105194912310021", "id_check"),
    (number("88010119901332123"), "id_date"),
    (number("88010120991231123"), "id_date"),
    ("880101199013", "id_malformed"),
    ("8801011990031512345", "id_malformed"),
    ("11010519491231002", "id_check_missing"),
    ("110105194912310000", "id_excel"),
    ("110105194912310016.0", "id_excel"),
    ("1.10105E+17", "id_scientific"),
    ("11010519491231?02X", "id_unreadable"),
    ("110105********002X", "id_masked"),
    ("111111111111111111", "id_placeholder"),
    ("123456789012345678", "id_placeholder"),
    ("无", "id_not_given"),
    ("不详", "id_not_given"),
    (ZHANG, "id_area_unknown"),
    (number("11999919900315123"), "id_area_never"),
    (number("11011819500315123"), "id_area_after_birth"),
    ("H1234567801", "id_travel_permit"),
    ("AUS110000800101", "id_foreigner_card"),
]


@pytest.mark.parametrize(("written", "finding"), WRONG)
def test_what_is_wrong_is_named(written: str, finding: str) -> None:
    assert read(written)["findings"] == [finding]


def test_a_province_that_never_existed_is_noted_and_the_number_counts() -> None:
    row = read(ZHANG)
    assert row["valid"] == ZHANG
    assert KINDS["citizen_id"].findings["id_area_unknown"].severity == "info"


def test_residence_permits_and_the_foreigners_card_are_numbers_like_others() -> None:
    for body in ("81000019900101001", "82000019900101001", "83000019900101001", "91011019900101001"):
        row = read(number(body))
        assert (row["valid"], row["findings"]) == (number(body), [])


def test_the_card_of_2017_is_not_an_old_number() -> None:
    row = read("AUS110000800101")
    assert (row["value"], row["key"], row["id18"]) == ("AUS110000800101", "AUS110000800101", None)


def test_issue_counts_are_no_part_of_a_travel_permit() -> None:
    assert read("H1234567801")["key"] == read("h12345678")["key"] == "H12345678"
    assert read("1234567602")["key"] == "12345676"


def test_fifteen_digits_give_a_candidate_and_nothing_exclusive() -> None:
    row = read("110105491231002")
    assert (row["key"], row["id18"], row["valid"]) == (STANDARD[0], STANDARD[0], None)
    assert row["birth"] == 19491231


def test_sequences_of_centenarians_belong_to_the_nineteenth_century() -> None:
    assert read("880101990315998")["birth"] == 18990315
    assert read("880101990315998", century_18=False)["birth"] == 19990315
    assert gb11643.upgrade15("880101990315998").startswith("88010118990315998")


def test_seventeen_digits_get_a_computed_check_character_as_a_candidate() -> None:
    row = read(ZHANG[:17])
    assert (row["value"], row["id18"], row["broken"]) == (None, ZHANG, ZHANG[:17])


def test_a_spreadsheet_leaves_the_first_fifteen_digits() -> None:
    assert read(ZHANG[:15] + "000")["trunk15"] == ZHANG[:15]
    assert read("1.1010519491231002E+17")["trunk15"] == "110105194912310"
    assert read("1.10105E+17")["trunk15"] is None
    assert read(str(int(float("880101199003151238"))))["trunk15"] == "880101199003151"


def test_a_broken_number_still_shows_a_birth_date() -> None:
    row = read("110105194912310021")
    assert (row["value"], row["key"], row["birth"]) == (None, None, 19491231)
    assert row["broken"] == "110105194912310021"


LEVELS = [
    (ZHANG, ZHANG, "exact"),
    ("11010519491231002X", "１１０１０５１９４９１２３１００２ｘ", "exact"),
    ("110105194912310021", "110105194912310021", "exact"),
    ("110105491231002", "11010519491231002X", "candidate"),
    (ZHANG[:17], ZHANG, "candidate"),
    (ZHANG[:15] + "000", ZHANG, "excel"),
    (ZHANG[:9] + "1" + ZHANG[10:], ZHANG, "one_typo"),
    (ZHANG[:8] + ZHANG[9] + ZHANG[8] + ZHANG[10:], ZHANG, "one_typo"),
    (ZHANG[:8] + ZHANG[9:], ZHANG, "one_typo"),
    (ZHANG[:8] + "7" + ZHANG[8:], ZHANG, "one_typo"),
    (ZHANG[:5] + "?" + ZHANG[6:], ZHANG, "one_typo"),
    (ZHANG[:15] + "777", ZHANG, "same_birth_area"),
    (ZHANG, TWIN, "else"),
    (ZHANG, number("88010119900316123"), "else"),
    (ZHANG, "无", "null"),
    ("H12345678", "H1234567802", "exact"),
]


@pytest.mark.parametrize(("left", "right", "label"), LEVELS)
def test_levels(left: str, right: str, label: str) -> None:
    assert [reached()[left, right], reached()[right, left]] == [label, label]


def test_a_mask_shows_the_first_and_the_last_character() -> None:
    assert KINDS["citizen_id"].mask(STANDARD[0]) == "1****************X"


def test_repair_fills_one_unknown_character() -> None:
    assert gb11643.repair_one_unknown("11010519491231?02X") == STANDARD[0]
    assert gb11643.repair_one_unknown("11010519491231002?") == STANDARD[0]
    assert gb11643.repair_one_unknown("110105194?1231002X") == STANDARD[0]
    with pytest.raises(ValueError, match="unknown"):
        gb11643.repair_one_unknown("1101051949123100??")


bodies = st.builds(
    lambda area, born, sequence: f"{area}{born:%Y%m%d}{sequence:03}",
    st.integers(110000, 999999),
    st.dates(date(1900, 1, 1), date(2025, 12, 31)),
    st.integers(0, 999),
)


@given(bodies, st.integers(0, 17), st.integers(1, 9))
def test_every_substitution_is_detected(body: str, place: int, shift: int) -> None:
    right = number(body)
    characters = gb11643.CHECK_CHARACTERS if place == 17 else "0123456789"
    other = characters[(characters.index(right[place]) + shift) % len(characters)]
    assert gb11643.is_valid(right)
    assert not gb11643.is_valid(right[:place] + other + right[place + 1 :])


@given(bodies, st.integers(0, 16))
def test_every_transposition_is_detected(body: str, place: int) -> None:
    right = number(body)
    wrong = right[:place] + right[place + 1] + right[place] + right[place + 2 :]
    assert wrong == right or not gb11643.is_valid(wrong)


@given(bodies, st.integers(0, 17))
def test_one_unknown_character_is_always_recovered(body: str, place: int) -> None:
    right = number(body)
    assert gb11643.repair_one_unknown(right[:place] + "?" + right[place + 1 :]) == right


@settings(max_examples=effort(5, 15))
@given(st.lists(bodies, min_size=20, max_size=60), st.integers(0, 10))
def test_sql_and_python_agree(numbers: list[str], shift: int) -> None:
    checks = gb11643.CHECK_CHARACTERS
    texts = {body + checks[(checks.index(number(body)[17]) + i % 2 * shift) % 11] for i, body in enumerate(numbers)}
    texts |= {body[:6] + body[8:] for body in numbers if body[6:8] == "19"}
    rows = parse("citizen_id", sorted(texts))
    for text, row in rows.items():
        if len(text) == 15:
            candidate = gb11643.upgrade15(text)
            assert row["id18"] == (candidate if gb11643.birth_date(text) else None)
        elif "id_placeholder" not in row["findings"]:
            assert (row["valid"] == text) == gb11643.is_valid(text, date(2026, 11, 23))
