"""Labels of pairs from outside are counted against a grouping, and what is no label is refused with its line."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from linkage.inference import clopper_pearson
from linkage.labels import judge
from rules.errors import InputError

HEAD = "left_source,left_key,right_source,right_key,label\n"


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("create temp table placed (source varchar, source_key varchar, grp varchar)")
    con.execute(
        "insert into placed values ('a', '1', 'x'), ('b', '1', 'x'), ('a', '2', 'y'), ('b', '2', 'z'), ('c', '9', 'y')"
    )
    return con


def test_labels_are_counted(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(HEAD + "a,1,b,1,same\na,2,b,2,1\na,2,c,9,different\na,1,a,2,0\na,1,b,77,same\n", "utf-8")
    found = judge(con, path)
    assert [found[name] for name in ("labels", "unplaced", "same_together", "same_apart")] == [5, 1, 1, 1]
    assert [found[name] for name in ("different_together", "different_apart")] == [1, 1]
    low, high = clopper_pearson(1, 2)
    assert found["precision"] == found["recall"] == {"value": 0.5, "low": low, "high": high}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("left_source,left_key,right_source,right_key\na,1,b,1\n", "line 1: column 'label' is missing"),
        (HEAD + "a,1,b,1,same\na,2,b,2,perhaps\n", "line 3: 'perhaps' is no label; write same or different"),
    ],
)
def test_what_is_no_label_is_refused(con: duckdb.DuckDBPyConnection, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "labels.csv").write_text(text, "utf-8")
    with pytest.raises(InputError, match=said):
        judge(con, tmp_path / "labels.csv")
