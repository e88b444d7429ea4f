"""Promises: touched.py names every record told of since the last settling, or that anything may have changed."""

from __future__ import annotations

import duckdb

from linkage import touched
from linkage.workspace import use_entity


def test_what_changed_is_named_until_it_is_settled_and_each_entity_type_has_its_own() -> None:
    con = duckdb.connect()
    use_entity(con, "ship")
    touched.note(con, "select 'a' as source, '1' as source_key")
    assert not touched.known(con)  # what was never settled cannot be told by naming some of it
    touched.settle(con)
    assert touched.known(con)
    touched.note(con, "select 'b' as source, '2' as source_key from range(2)")
    assert con.execute("select * from touched").fetchall() == [("b", "2")]
    use_entity(con, "crew")
    assert not touched.known(con)
    touched.forget(con)
    use_entity(con, "ship")
    assert touched.known(con)
    touched.settle(con)
    assert con.execute("select count(*) from touched").fetchall() == [(0,)]
    touched.forget(con)
    assert not touched.known(con)
