"""The pairs of records that are known, or believed, to be one entity: what blocking and weights are judged by.

Reads: standard; a truth file, or candidate_pair and decisions. Writes: temporary tables known_pair and truth.

A truth names them all, those that no rule finds included. Without one they are the pairs that the weights accept and
those that stewards called the same, less those that they called different: such a pair was found by some rule, so a
rule may only be judged by the pairs that another one found. To search for better rules more can be had: what is
together only by way of others, what waits, and what loosened rules find (frame.py), each as likely as its weight says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb

from linkage.decided import Decided
from linkage.evaluate import read_truth
from linkage.kernel.columns import Floats, Ints

Origin = Literal["truth", "weights"]
UNLIKELY = 0.05


@dataclass(frozen=True)
class Known:
    """Pairs of ordinals (left < right) in temporary table `known_pair`, and where they are known from.

    `chance` is the probability that each is one entity; 1 where that is known, or believed.
    """

    origin: Origin
    left: Ints
    right: Ints
    chance: Floats

    @property
    def count(self) -> int:
        """How many pairs there are."""
        return int(self.left.size)


def from_truth(con: duckdb.DuckDBPyConnection, path: Path) -> Known:
    """Every true pair of a truth file, but those within a group that its source declares free of duplicates."""
    truth = read_truth(con, path)
    error = "coalesce(t.error, '')" if truth.errors else "''"
    con.execute(
        "create or replace temp table known_record as "
        f"select s.ordinal, s.dup_group, t.truth, {error} as error "
        "from standard as s join truth as t using (source, source_key)"
    )
    con.execute(
        "create or replace temp table known_pair as "
        "select a.ordinal as l, b.ordinal as r, a.truth, "
        "list_distinct(string_split(a.error, ';') || string_split(b.error, ';')) as errors, 1.0 as chance "
        "from known_record as a join known_record as b on a.truth = b.truth and a.ordinal < b.ordinal "
        "where a.dup_group is null or a.dup_group is distinct from b.dup_group"
    )
    return _read(con, "truth")


def from_weights(con: duckdb.DuckDBPyConnection, decided: Iterable[Decided], linked: bool = True) -> Known:
    """The pairs that the weights accept, where they are linked, or stewards called the same."""
    _said(con, decided)
    accepted = (
        "select least(a.ordinal, b.ordinal) as l, greatest(a.ordinal, b.ordinal) as r from candidate_pair "
        "join standard as a on a.record_id = record_l join standard as b on b.record_id = record_r "
        "where verdict = 'accept'"
        if linked
        else "select null::bigint as l, null::bigint as r where false"
    )
    same, different = (_SAID.format(kind=kind) for kind in ("same", "different"))
    con.execute(
        "create or replace temp table known_pair as "
        "select l, r, null::varchar as truth, []::varchar[] as errors, 1.0 as chance "
        f"from (({accepted} union {same}) except {different})"
    )
    return _read(con, "weights")


def from_frame(con: duckdb.DuckDBPyConnection, decided: Iterable[Decided]) -> Known:
    """The pairs of table `frame` by which better rules are searched for, without those that stewards called different.

    Pairs that are together are believed; others, unless a guard or a constraint holds them apart, count by the
    probability that their weight w says, 2^w / (1 + 2^w), if that is UNLIKELY or more.
    """
    _said(con, decided)
    con.execute(
        f"""
        create or replace temp table known_pair as
        select l, r, null::varchar as truth, []::varchar[] as errors, chance from (
          select l, r, case when linked then 1 else 1 / (1 + power(2, -match_weight)) end as chance
          from frame where not held
        ) anti join ({_SAID.format(kind="different")}) using (l, r)
        where chance >= {UNLIKELY}"""
    )
    return _read(con, "weights")


def _said(con: duckdb.DuckDBPyConnection, decided: Iterable[Decided]) -> None:
    con.execute("create or replace temp table said (kind varchar, ls varchar, lk varchar, rs varchar, rk varchar)")
    rows = [[one.kind, *one.left, *one.right] for one in decided]
    if rows:
        con.executemany("insert into said values (?, ?, ?, ?, ?)", rows)


def _read(con: duckdb.DuckDBPyConnection, origin: Origin) -> Known:
    found = con.execute("select l, r, chance from known_pair order by l, r").fetchnumpy()
    return Known(origin, found["l"].astype("int64"), found["r"].astype("int64"), found["chance"].astype("float64"))


_SAID = """select least(a.ordinal, b.ordinal) as l, greatest(a.ordinal, b.ordinal) as r from said
join standard as a on a.source = ls and a.source_key = lk
join standard as b on b.source = rs and b.source_key = rk where kind = '{kind}'"""
