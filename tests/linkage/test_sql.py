"""What reads files beside the work database shares one database with others, and nothing that it makes."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from linkage.sql import aside


def test_what_one_makes_aside_is_its_own() -> None:
    with aside() as one, aside() as other:
        for con, number in ((one, 1), (other, 2)):
            con.register("given", pa.table({"n": [number]}))
            con.execute("create temp table made as from given")
            con.execute("create temp view seen as from made")
        assert [con.execute("from seen").fetchall() for con in (one, other)] == [[(1,)], [(2,)]]
    with aside() as after, pytest.raises(duckdb.CatalogException):
        after.execute("from made")
