"""What becomes of raw text in `standard`, literal rows in and literal rows out."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage import values
from linkage.sql import execute
from linkage.standardize import standardize
from rules.loader import SHIPPED, load_rules
from tests.linkage.things import database, vessel

DAY = date(2024, 6, 1)


def run(tmp_path: Path, records: list[dict[str, Any]], **changes: Any) -> Any:
    rules = vessel(tmp_path, **changes)
    con = database(rules, records)
    standardize(con, rules, tmp_path, DAY)
    return con


def test_blanks_are_trimmed_and_nothing_else_is(tmp_path: Path) -> None:
    con = run(tmp_path, [{"name": "\u3000Astra \t", "port": "u3000 e"}, {"name": "Clio", "port": " \u00a0 "}])
    assert con.execute("select name, name__key, port from standard order by ordinal").fetchall() == [
        ("Astra", "astra", "u3000 e"),
        ("Clio", "clio", None),
    ]


def test_a_value_with_a_warning_stays_and_is_not_ok(tmp_path: Path) -> None:
    records = [{"name": "Astra", "radio": "135"}, {"name": "Clio", "radio": "13912345678"}, {"name": "Delos"}]
    con = run(tmp_path, records)
    assert con.execute("select radio, radio__key, radio__ok from standard order by ordinal").fetchall() == [
        ("135", None, False),
        ("13912345678", "13912345678", True),
        (None, None, None),
    ]
    assert con.execute("select record_id, field, rule, severity from finding").fetchall() == [
        (0, "radio", "phone_malformed", "warn")
    ]


def test_a_check_of_severity_error_quarantines_and_the_ranks_close_up(tmp_path: Path) -> None:
    con = run(tmp_path, [{"name": "Astra"}, {"port": "Kiel"}, {"mark": "K1"}])
    assert con.execute("select record_id, ordinal from standard order by ordinal").fetchall() == [(0, 0), (2, 1)]
    assert con.execute("select record_id, field, rule, severity from finding order by record_id").fetchall() == [
        (1, None, "nameless", "error"),
        (2, "mark", "short_mark", "warn"),
    ]


def test_the_rank_follows_source_and_key_not_the_order_of_loading(tmp_path: Path) -> None:
    records = [{"source": "b", "key": "1", "name": "x"}, {"source": "a", "key": "9", "name": "y"}]
    for order in (records, records[::-1]):
        con = run(tmp_path, order)
        assert con.execute("select name from standard order by ordinal").fetchall() == [("y",), ("x",)]


def test_derived_columns_read_the_cleaned_ones(tmp_path: Path) -> None:
    con = run(tmp_path, [{"name": " Éclat "}])
    assert con.execute("select initial from standard").fetchall() == [("e",)]


def test_a_second_run_replaces_the_first(tmp_path: Path) -> None:
    rules = vessel(tmp_path)
    con = database(rules, [{"name": "Astra", "radio": "135"}])
    con.execute(
        "create table finding (record_id bigint, batch_id integer, line bigint, field varchar, rule varchar, "
        "severity varchar, detail varchar)"
    )
    con.execute("insert into finding values (null, 1, 7, null, 'no_key', 'error', 'a rejected row')")
    for _ in range(2):
        standardize(con, rules, tmp_path, DAY)
    assert con.execute("select rule from finding order by rule").fetchall() == [("no_key",), ("phone_malformed",)]
    assert con.execute("select count(*) from standard").fetchall() == [(1,)]


def test_numbers_of_values_that_were_read_anew_are_never_those_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [{"name": name} for name in ("Clio", "Astra", "Delos", "Astra")]
    con = run(tmp_path, records)
    names = "select name from standard order by ordinal"
    expected = con.execute(names).fetchall()
    # As if the kind had read names in another way until now: the table is made anew, and then the run dies.
    con.execute("update reading set sha256 = 'another' where field = 'name'")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(values._Arrived, "write", interrupted)
        standardize(con, vessel(tmp_path), tmp_path, DAY)
    con.execute("update value_name set nth = 4 - nth")
    standardize(con, vessel(tmp_path), tmp_path, DAY)
    assert con.execute(names).fetchall() == expected


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@given(st.lists(st.text(alphabet="aé张 \t\u3000\u00a0\ufeff", max_size=4)))
def test_texts_are_told_apart_by_what_stands_between_blanks(raw: list[str]) -> None:
    which, texts = values.told_apart(pa.chunked_array([pa.array(raw, pa.string())]))
    told = texts.to_pylist()
    assert len(set(told)) == len(told)
    assert ["" if place < 0 else told[place] for place in which] == [text.strip(values.BLANKS) for text in raw]


@given(st.text(alphabet="aé张 \t\u3000\u00a0\ufeff", max_size=4))
def test_sql_trims_as_everybody_else_does(text: str) -> None:
    (bare,) = duckdb.execute(f"select {values.trimmed('said')} from (select $text as said)", {"text": text}).fetchall()
    assert bare == (text.strip(values.BLANKS) or None,)


def test_what_is_trimmed_is_joined_without_making_every_pair_first() -> None:
    con = duckdb.connect()
    con.execute("create table told as select 'x' || i as said from range(9000) as r(i)")
    con.execute("create table known as select said as raw from told")
    joined = f"from told as a join told as b using (said) join known as k on k.raw = {values.trimmed('b.said')}"
    (((_, planned),)) = con.execute(f"explain {joined}").fetchall()
    assert "hash join" in planned.lower() and "cross" not in planned.lower() and "mark" not in planned.lower()


@given(st.text(max_size=20).filter(lambda text: "\0" not in text))
def test_the_code_of_a_key_is_half_of_its_md5(text: str) -> None:
    (code,) = duckdb.execute(f"select {values.code_sql('$text')}", {"text": text}).fetchall()[0]
    assert code == int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[8:], "little")


def test_what_two_fields_of_one_kind_say_is_read_once_and_stands_in_both(tmp_path: Path) -> None:
    records = [{"name": "Astra", "owner": "Kiel"}, {"name": "Kiel", "owner": "Lübeck"}, {"name": "Clio"}]
    con = run(tmp_path, records)
    assert values.alike(vessel(tmp_path).entity)[0] == ["name", "owner"]
    for field, said in (("name", ["Astra", "Clio", "Kiel"]), ("owner", ["Kiel", "Lübeck"])):
        assert con.execute(f"select raw, value from value_{field} order by 1").fetchall() == [(s, s) for s in said]
        numbers = con.execute(f"select nth from value_{field} order by 1").fetchall()
        assert numbers == [(i + 1,) for i in range(len(said))]
    assert con.execute("select name, owner from standard order by ordinal").fetchall() == [
        (one["name"], one.get("owner")) for one in records
    ]


@pytest.mark.parametrize("name", sorted(load_rules(SHIPPED).entities))
def test_a_table_of_values_has_the_types_that_reading_gives(name: str) -> None:
    entity = load_rules(SHIPPED).entities[name].entity
    con = duckdb.connect()
    values.load_references(con, entity, SHIPPED)
    for field in entity.fields:
        nothing = values.parsed_sql(entity, field, "select null::varchar as raw where false")
        execute(con, f"create or replace table read as {nothing}", as_of=DAY)
        con.execute(f"create or replace table made ({values.columns_sql(entity, field)})")
        read, made = (
            con.execute(f"select column_name, column_type from (describe {table})").fetchall()
            for table in ("read", "made")
        )
        assert made == [*read, (values.NTH, "INTEGER")], field
