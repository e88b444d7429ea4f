"""What is said without SQL is what DuckDB says, form by form; `test_search.py` holds it for the shipped rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage import plain
from linkage.plain import NotPlainError, plan
from tests.effort import effort

COLUMNS = {"a": "VARCHAR", "b": "VARCHAR", "m": "INTEGER", "n": "INTEGER", "p": "BOOLEAN", "q": "BOOLEAN"}
TYPES = frozenset((name, plain.type_of(sql_type)) for name, sql_type in COLUMNS.items())
TEXTS = st.none() | st.text("ab1 %_/.é王欧\U00020bb7", max_size=6) | st.sampled_from(["880402197708070019", "ab/1", ""])
NUMBERS = st.none() | st.integers(-3, 40) | st.sampled_from([19770807, 2**31 - 1, -(2**31)])
TRUTHS = st.none() | st.booleans()
ROWS = st.fixed_dictionaries({"a": TEXTS, "b": TEXTS, "m": NUMBERS, "n": NUMBERS, "p": TRUTHS, "q": TRUTHS})
EXPRESSIONS = [
    "m // 100 % 100",
    "m // n",
    "m % n",
    "m + n",
    "m - n",
    "m * n",
    "m = n or m < n and not p",
    "p and q",
    "p or q",
    "not p",
    "p = q",
    "p is null or q is not null",
    "a is not distinct from b",
    "a is distinct from b",
    "m is not distinct from n",
    "a < b",
    "a >= b",
    "a <> b",
    "a = 'ab'",
    "a in (b, 'ab', '')",
    "m in (n, 1, null)",
    "a not in (b, 'x')",
    "coalesce(a, b, '-')",
    "coalesce(m, n, 0)",
    "case when p then a when q then b end",
    "case when a = b then 'same' else a || '/' || b end",
    "case when m > n then m else null end",
    "length(a)",
    "length(a) - length(replace(a, ' ', ''))",
    "left(a, 1) || substring(a, 3) = b",
    "left(a, 2)",
    "right(a, 2)",
    "substr(a, 2, 2)",
    "substring(a, m, n)",
    "split_part(a, '/', 1)",
    "split_part(a, '/', 2)",
    "starts_with(a, b) or ends_with(a, b)",
    "contains(a, b)",
    "a like b",
    "hamming(a, b)",
    "levenshtein(a, b) <= 1",
    "damerau_levenshtein(a, b)",
    "cast(a as varchar)",
    "null",
    "true",
    "not (a like '%1_')",
]
CON = duckdb.connect()


def said(sql: str, row: Mapping[str, Any]) -> Any:
    values = ", ".join(f"${name}::{COLUMNS[name]} as {name}" for name in row)
    return CON.execute(f"select ({sql}) from (select {values})", dict(row)).fetchall()[0][0]


@pytest.mark.parametrize("sql", EXPRESSIONS)
@settings(max_examples=effort(40, 2_000))
@given(row=ROWS)
def test_a_form_says_what_duckdb_says(sql: str, row: dict[str, Any]) -> None:
    how = plan(sql, TYPES)
    assert how is not None
    try:
        found = how.of(row)
    except NotPlainError:
        return
    assert said(sql, row) == found


@pytest.mark.parametrize(
    "sql",
    [
        "jaro_winkler_similarity(a, b)",
        "a = m",
        "m + a",
        "upper(a)",
        "regexp_matches(a, 'x')",
        "substring(a)",
        "a || m",
        "unknown",
        "a like b escape '/'",
        "a not like b",
        "a ilike b",
        "m / n",
        "m = 1.5",
        "sum(m) over ()",
        "a in (select b)",
        "case a when 'x' then 1 end",
        "cast(m as varchar)",
        "coalesce(a, m)",
    ],
)
def test_what_has_another_form_is_left_to_duckdb(sql: str) -> None:
    assert plan(sql, TYPES) is None


@pytest.mark.parametrize(
    ("sql", "row"),
    [
        ("levenshtein(a, b)", {"a": "王", "b": "é"}),
        ("hamming(a, b)", {"a": "ab", "b": "a"}),
        ("m // n", {"m": -7, "n": 2}),
        ("m % n", {"m": 7, "n": 0}),
        ("m * n", {"m": 2**30, "n": 4}),
        ("left(a, m)", {"a": "ab", "m": -1}),
    ],
)
def test_values_of_which_the_two_might_differ_are_left_to_duckdb(sql: str, row: dict[str, Any]) -> None:
    how = plan(sql, TYPES)
    assert how is not None
    with pytest.raises(NotPlainError):
        how.of(row)
