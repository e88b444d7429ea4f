"""Promises: every program finds a key in the same partition, and no file of a table is missed silently."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden_records.partitions import file_name, files_of, partition_of, partition_sql
from golden_records.segments import has_table, table_of, table_sql


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), max_size=30), st.integers(1, 70_000))
@settings(max_examples=20, derandomize=True)
def test_a_key_lies_where_sql_says(keys: list[str], count: int) -> None:
    with duckdb.connect() as con:
        sql = f"select {partition_sql('key', count)} from (select unnest($keys::varchar[]) as key)"
        found = [row[0] for row in con.execute(sql, {"keys": keys}).fetchall()]
    assert found == [partition_of(key, count) for key in keys]


def test_a_key_lies_where_it_lay() -> None:
    """Releases that are written are read for ever."""
    assert [partition_of(key, 12) for key in ("P0000000000012", "王建国", "")] == [11, 7, 1]


def test_the_files_of_a_table_are_named_by_one_of_them(tmp_path: Path) -> None:
    assert not has_table(tmp_path, "golden")
    names = [file_name("golden", number, 3) for number in range(3)]
    assert names == [f"golden-0000{number}-of-00003.parquet" for number in range(3)]
    with duckdb.connect() as con:
        for number in (0, 2):
            con.execute(f"copy (select {number} as n) to '{tmp_path / names[number]}' (format parquet)")
        assert [path.name for path in files_of(tmp_path, "golden")] == names
        assert has_table(tmp_path, "golden") and {table_of(path) for path in files_of(tmp_path, "golden")} == {"golden"}
        with pytest.raises(duckdb.IOException, match=names[1]):
            con.execute(f"from {table_sql(tmp_path, 'golden')}").fetchall()
        con.execute(f"copy (select 1 as n) to '{tmp_path / names[1]}' (format parquet)")
        assert con.execute(f"from {table_sql(tmp_path, 'golden')}").fetchall() == [(0,), (1,), (2,)]
