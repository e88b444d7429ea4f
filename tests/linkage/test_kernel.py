"""The kernel gives what Splink gives: the same pairs, levels and verdicts, and weights within 1e-9."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from linkage import frequencies
from linkage.block import block
from linkage.kernel import match
from linkage.kernel.columns import Columns, Domain, encode
from linkage.kernel.conditions import Edits, Pairs
from linkage.kernel.match import Kernel
from linkage.kernel.symmetry import symmetric, symmetric_rules
from linkage.score import score
from linkage.splink_model import build, comparison
from linkage.standardize import standardize
from linkage.workspace import Workspace, use_entity
from rules.errors import RefusedError
from rules.loader import SHIPPED, load_rules
from rules.model import EntityRules
from tests.effort import effort
from tests.linkage.things import VESSEL, database, population, vessel

DAY = date(2024, 6, 1)
ENTITIES = list(load_rules(SHIPPED).entities)


DIFFER = "from {} except all from {}"


def both(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> int:
    """Match `standard` both ways and compare everything that either leaves behind; returns the pairs compared."""
    counts = [(one.rule, one.pairs) for one in block(con, rules)]
    score(con, rules)
    con.execute("create or replace temp table theirs as select * from candidate_pair")
    (theirs,) = con.execute("select pairs from candidate_total").fetchall()
    assert (Kernel(con, rules, collapse=False).match(),) == theirs
    con.execute("create or replace temp table one_by_one as select * from candidate_pair")
    kernel = Kernel(con, rules)
    assert [(one.rule, one.pairs) for one in kernel.estimates] == counts
    assert (kernel.match(),) == theirs
    assert con.execute(f"({DIFFER.format('one_by_one', 'candidate_pair')})").fetchall() == []
    assert con.execute(f"({DIFFER.format('candidate_pair', 'one_by_one')})").fetchall() == []
    exact = ["match_key", "verdict", *(f"gamma_{one.name}" for one in rules.entity.comparisons)]
    near = ["match_weight", *(f"weight_{one.name}" for one in rules.entity.comparisons)]
    found = con.execute(
        f"select {', '.join(f'a.{name}, b.{name}' for name in (*exact, *near))} "
        "from theirs as a full join candidate_pair as b using (record_l, record_r)"
    ).fetchall()
    for row in found:
        left, right = row[::2], row[1::2]
        assert left[: len(exact)] == right[: len(exact)], (exact, row)
        for name, a, b in zip(near, left[len(exact) :], right[len(exact) :], strict=True):
            assert a == pytest.approx(b, abs=1e-9 if name == "match_weight" else 1e-6), (name, row)
    return int(theirs[0])


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_shipped_entity_type_is_matched_as_splink_matches_it(province: Workspace, entity: str) -> None:
    con = province.connect()
    try:
        use_entity(con, entity)
        assert both(con, province.load_rules().entities[entity]) > 0
    finally:
        con.close()


NAMES = st.none() | st.sampled_from(["astra", "astra ii", "astar", "borea", "a", "astra nova", "nova astra"])
RADIOS = st.none() | st.sampled_from([f"1390000000{i}" for i in range(5)] + ["13900000011"])
RECORD = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["a", "b"]),
        "name": NAMES,
        "owner": NAMES,
        "radio": RADIOS,
        "mark": st.none() | st.sampled_from(["k1", "k22", "k23", "k123"]),
        "old_mark": st.none() | st.sampled_from(["k1", "k22"]),
        "port": st.none() | st.sampled_from(["port 1", "port 2", "port 10"]),
        "dup_group": st.sampled_from([None, None, "g", "h"]),
    }
)
COLUMNS = ("name__key", "name__ascii", "owner__key", "owner__ascii", "radio__key", "mark__key", "port__key", "initial")
TEXT = st.sampled_from(
    [
        *(f"{name}_SIDE" for name in COLUMNS),
        "substr(name__key_SIDE, 1, 2)",
        "coalesce(mark__key_SIDE, old_mark__key_SIDE)",
    ]
)
NUMBER = st.sampled_from(["count_SIDE", "length(name__key_SIDE)", "length(owner__key_SIDE) - 3", "seen_SIDE"])


@st.composite
def numbers(draw: st.DrawFn, depth: int = 2) -> str:
    """A whole number of a pair."""
    if depth and draw(st.booleans()):
        a, b = draw(numbers(depth - 1)), draw(numbers(depth - 1))
        form = draw(
            st.sampled_from(
                ["abs({a} - {b})", "greatest({a}, {b})", "least({a}, {b})", "coalesce({a}, {b})", "({a} + {b})"]
            )
        )
        return form.format(a=a, b=b)
    a, b = draw(st.sampled_from("lr")), draw(st.sampled_from("lr"))
    return draw(
        st.sampled_from(
            [
                "2",
                "null",
                draw(NUMBER).replace("SIDE", a),
                f"len(list_intersect(words_{a}, words_{b}))",
                f"levenshtein(name__ascii_{a}, owner__ascii_{b})",
                f"damerau_levenshtein(name__key_{a}, owner__key_{b})",
                f"(name__key_{a} = owner__key_{b})::integer",
                f"(seen_{a} & seen_{b})",
            ]
        )
    )


@st.composite
def atoms(draw: st.DrawFn) -> str:
    a, b = draw(st.sampled_from(["lr", "rl", "ll", "lr"]))
    one, other = draw(TEXT).replace("SIDE", a), draw(TEXT).replace("SIDE", b)
    equal = draw(st.sampled_from(["=", "<>", "is distinct from", "is not distinct from", "<"]))
    order = draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "is not distinct from"]))
    likeness = draw(st.sampled_from(["jaro_winkler_similarity", "jaro_similarity", "jaccard"]))
    return draw(
        st.sampled_from(
            [
                f"{one} {equal} {other}",
                f"{one} is null",
                f"coalesce({one}, {other}) is null",
                f"{one} = 'astra'",
                f"starts_with({one}, {other})",
                f"{one} like {other} || '%'",
                f"contains(' ' || {one}, {other})",
                f"{likeness}(name__ascii_{a}, owner__ascii_{b}) {order} {draw(st.sampled_from([0, 0.5, 0.8, 1]))}",
                f"case when length(name__ascii_{a}) = length(name__ascii_{b}) "
                f"then hamming(name__ascii_{a}, name__ascii_{b}) = 1 else {one} = {other} end",
                f"words_{a} = words_{b}",
                f"half_{a} {order} half_{b}",
                f"born_{a} {order} born_{b}",
                f"seen_{a} {order} seen_{b}",
                f"name__ok_{a} {equal} owner__ok_{b}",
                f"name__ok_{a}",
                f"{draw(numbers())} {order} {draw(numbers())}",
                "true",
                "null",
            ]
        )
    )


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    """A condition over a pair, as rules may write it."""
    if not depth or draw(st.integers(0, 2)) == 0:
        return draw(atoms())
    parts = [draw(conditions(depth - 1)) for _ in range(3)]
    form = draw(
        st.sampled_from(
            [
                "({0}) and ({1})",
                "({0}) or ({1}) or ({2})",
                "not ({0})",
                "coalesce({0}, {1})",
                "case when {0} then {1} else {2} end",
                "case when {0} then {1} end",
            ]
        )
    )
    return form.format(*(f"({part})" for part in parts))


DERIVED = VESSEL["derive"] | {
    "count": "length(name__key) + case when mark__key is null then null else 1 end",
    "words": "string_split(name__key, ' ')",
    "half": "length(owner__key) / 2.0",
    "seen": "1::bigint << length(port__key)",
    "born": "date '2000-01-01' + length(name__key)::integer",
}
KEYS = ["mark__key", "radio__key", "name__key", "initial", "port__key", "count", "half", "substr(owner__key, 1, 1)"]
RULE = st.builds(
    lambda keys, each, cap: {"keys": keys, "each": each if keys or each else "words", "cap": cap},
    st.lists(st.sampled_from(KEYS), max_size=2, unique=True),
    st.sampled_from([None, None, "words", "[mark__key, old_mark__key]"]),
    st.sampled_from([None, None, 2, 4]),
)


GAMMAS = ["gamma_c0 = 0", "gamma_c0 > 0", "repeat(initial_l, gamma_c0 + 1) = initial_r"]


@st.composite
def levels(draw: st.DrawFn, label: str) -> dict[str, Any]:
    """A level; Splink finds a frequency only for a column that the condition names."""
    column = draw(st.sampled_from([None, "name__key", "port__key"]))
    when = draw(conditions())
    if column is not None:
        when = f"({when}) and coalesce({column}_l, {column}_r) is not null"
    return {"label": label, "when": when, "term_frequency": column}


@st.composite
def entities(draw: st.DrawFn) -> dict[str, Any]:
    """What to change in the rules of the vessel: derived columns, blocking, comparisons, guards."""
    own = [
        {
            "name": f"c{i}",
            "null": draw(conditions(1)),
            "own": [draw(levels(str(j))) for j in range(draw(st.integers(1, 3)))],
        }
        for i in range(draw(st.integers(1, 2)))
    ]
    guards = [
        {"label": "g", "when": f"{draw(st.sampled_from(GAMMAS))} and {draw(conditions(1))}", "effect": e}
        for e in draw(st.lists(st.sampled_from(["review", "reject"]), max_size=2))
    ]
    return {
        "derive": DERIVED,
        "blocking": draw(st.lists(RULE, min_size=1, max_size=4, unique_by=lambda rule: (*rule["keys"], rule["each"]))),
        "comparisons": [*VESSEL["comparisons"][: draw(st.integers(0, 2))], *own],
        "guards": guards,
        "matching": VESSEL["matching"] | {"review": draw(st.sampled_from([-40.0, -2.0, 1.0])), "budget": 1000.0},
    }


def weighed(rules: EntityRules, shares: list[float]) -> EntityRules:
    """The rules with made-up weights for every level."""
    trained, i = {}, 0
    for rule in rules.entity.comparisons:
        for label in [*(level.label for level in comparison(rules.entity, rule).levels), "else"]:
            trained[rule.name, label] = {
                "m_probability": shares[i % len(shares)],
                "u_probability": shares[(3 * i + 1) % len(shares)],
            }
            i += 1
    return rules.model_copy(update={"weights": build(rules.entity, 0.01, trained)})


@settings(
    max_examples=effort(20, 60),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    changes=entities(),
    records=st.lists(RECORD, min_size=4, max_size=24),
    again=st.lists(st.tuples(st.integers(0, 23), st.sampled_from([None, "g", "h"])), max_size=12),
    shares=st.lists(st.floats(0.001, 0.999), min_size=3, max_size=7),
    chunk=st.sampled_from([3, 50, 1 << 16]),
)
def test_any_rules_over_any_records_are_matched_as_splink_matches_them(
    tmp_path_factory: pytest.TempPathFactory,
    changes: dict[str, Any],
    records: list[dict[str, Any]],
    again: list[tuple[int, str | None]],
    shares: list[float],
    chunk: int,
) -> None:
    rules = weighed(vessel(tmp_path_factory.mktemp("any"), **changes), shares)
    records += [records[i % len(records)] | {"dup_group": group} for i, group in again]
    con = database(rules, records)
    standardize(con, rules, rules.folder.parent, DAY)
    frequencies.load(con, rules)
    before = match.CHUNK, match.BATCH
    match.CHUNK, match.BATCH = chunk, 2 * chunk
    try:
        both(con, rules)
    finally:
        match.CHUNK, match.BATCH = before
        con.close()


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a_l = a_r", True),
        ("a_l = b_r", False),
        ("a_l = b_r or a_r = b_l", True),
        ("a_l < a_r", False),
        ("a_l < a_r or a_r < a_l", True),
        ("a_l > b_r and b_l < a_r", True),
        ("abs(a_l - a_r) < 2", True),
        ("a_l - a_r < 2", False),
        ("a_l is null", False),
        ("a_l is null or a_r is null", True),
        ("a_l = a_r and length(a_l) > 2", True),
        ("a_l = a_r or length(a_l) > 2", False),
        ("starts_with(a_l, a_r) or starts_with(a_r, a_l)", True),
        ("starts_with(a_l, a_r)", False),
        ("len(list_intersect(w_l, w_r)) = 0", False),
        ("levenshtein(a_l, a_r) < 2", True),
        ("case when a_l is null and a_r is null then 1 when a_l = a_r then 2 end = 2", True),
        ("a_l between 1 and a_r", False),
        ("gamma_name = 0 and a_l <> a_r", True),
    ],
)
def test_what_is_symmetric_is_seen(condition: str, expected: bool) -> None:
    assert symmetric(condition) is expected


@pytest.mark.parametrize("entity", [entity for entity in ENTITIES if entity != "household"])
def test_shipped_rules_say_the_same_of_a_pair_the_other_way_round(entity: str) -> None:
    assert symmetric_rules(load_rules(SHIPPED).entities[entity].entity)


def ready(tmp_path: Path, records: list[dict[str, Any]], **changes: Any) -> tuple[Any, EntityRules]:
    """Standardized records, with weights for every level of the rules."""
    rules = weighed(vessel(tmp_path, **changes), [0.9, 0.02, 0.3])
    con = database(rules, records)
    standardize(con, rules, tmp_path, DAY)
    frequencies.load(con, rules)
    return con, rules


def test_texts_that_share_a_hash_keep_codes_of_their_own() -> None:
    pair = ["sun li ying\x1f1977\x1f880304", "sun li ping\x1f1970\x1f880304"]
    con = duckdb.connect()
    hashes = con.execute("select hash(text) as h from unnest(?) as t(text)", [pair]).fetchnumpy()["h"]
    assert hashes[0] == hashes[1], "another DuckDB: any two hashes may be taken as equal here"
    codes, domain = encode(hashes[[0, 1, 0]], pa.array([*pair, pair[0]]))
    assert codes[0] == codes[2] != codes[1]
    assert domain.values.take(pa.array(codes)).to_pylist() == [*pair, pair[0]]
    again, same = encode(hashes[[1, 0]], pa.array(pair[::-1]))
    assert again.tolist() == codes[[1, 0]].tolist() and same.values.equals(domain.values)


def test_the_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    con, rules = ready(tmp_path, population(300, seed=9))
    found = []
    for threads in (1, 4):
        con.execute(f"set threads = {threads}")
        Kernel(con, rules).match()
        found.append(con.execute("select * from candidate_pair order by record_l, record_r").fetchall())
    assert len(found[0]) > 100
    assert found[0] == found[1]


def test_too_many_pairs_are_refused_before_any_is_made(tmp_path: Path) -> None:
    records = [{"name": f"v{i}", "owner": "Meyer", "radio": f"13900001{i:03}"} for i in range(20)]
    con, rules = ready(tmp_path, records, matching=VESSEL["matching"] | {"budget": 1.0})
    with pytest.raises(RefusedError, match=r"190 candidate pairs, more than the budget of 20 .*owner__key") as refused:
        Kernel(con, rules)
    assert "(20 records, 20 of source " in str(refused.value)
    assert con.execute("select count(*) from duckdb_tables() where table_name = 'candidate_pair'").fetchall() == [(0,)]


def test_the_number_that_stands_for_null_is_refused_as_a_value(tmp_path: Path) -> None:
    odd = {"name": "odd", "null": "lowest_l is null", "own": [{"label": "same", "when": "lowest_l + 0 = lowest_r"}]}
    derive = VESSEL["derive"] | {"lowest": "case when mark__key is null then 0 else -2147483648 end::integer"}
    con, rules = ready(tmp_path, [{"name": "a", "mark": "k1"}] * 2, derive=derive, comparisons=[odd], guards=[])
    with pytest.raises(RefusedError, match="keeps for null"):
        Kernel(con, rules)


def test_lists_that_are_null_share_what_they_share_in_duckdb(tmp_path: Path) -> None:
    both_ways = [f"len(list_intersect(words_{a}, words_{b}))" for a, b in ("lr", "rl")]
    own = [
        {"label": f"{i} {said}", "when": f"{shared} {said}"}
        for i, shared in enumerate(both_ways)
        for said in ("is null", "= 0")
    ]
    comparisons = [{"name": "words", "own": own}, {"name": "other", "own": own[::-1]}]
    con, rules = ready(
        tmp_path,
        [{"name": name, "mark": "k1"} for name in ("astra", "astra ii", None, "borea", None)],
        derive=VESSEL["derive"] | {"words": "string_split(name__key, ' ')"},
        comparisons=comparisons,
        guards=[],
        matching=VESSEL["matching"] | {"review": -40.0},
    )
    assert both(con, rules) == 10


@settings(max_examples=30)
@given(texts=st.lists(st.text("ab1é王 ", min_size=1, max_size=8), min_size=2, max_size=30))
def test_slips_of_the_keyboard_are_counted_as_duckdb_counts_them(texts: list[str]) -> None:
    con = duckdb.connect()
    every = np.arange(len(texts))
    domain = Domain(np.zeros(0, dtype=np.uint64), pa.array(texts))
    columns = Columns(len(texts), codes={"name": every.astype(np.int32)}, domains={"name": domain})
    left, right = np.divmod(np.arange(len(texts) ** 2), len(texts))
    asked = Edits("damerau_levenshtein(name_l, name_r)", (("l", "name"), ("r", "name")), strict=True)
    found, known = asked.value(Pairs(columns, con, left, right))
    con.execute("create table t (n bigint, name varchar)")
    con.executemany("insert into t values (?, ?)", [[i, text] for i, text in enumerate(texts)])
    expected = con.execute(
        "select damerau_levenshtein(a.name, b.name) from t as a, t as b order by a.n, b.n"
    ).fetchnumpy()
    assert known.all()
    assert found.tolist() == next(iter(expected.values())).tolist()


def test_nothing_to_compare_is_no_error(tmp_path: Path) -> None:
    con, rules = ready(tmp_path, [{"name": "astra", "owner": "Meyer"}])
    assert Kernel(con, rules).match() == 0
    assert con.execute("select count(*) from candidate_pair").fetchall() == [(0,)]


OWN_WORDS = ("place", "value", "hash", "code", "which", "nth", "raw", "key", "said")


def test_a_field_may_bear_any_name_that_the_kernel_uses_itself(tmp_path: Path) -> None:
    fields = {name: VESSEL["fields"]["mark"] for name in OWN_WORDS}
    changes = {
        "fields": fields,
        "derive": {},
        "checks": [],
        "exclusive": [],
        "blocking": [{"keys": [f"{name}__key"]} for name in OWN_WORDS],
        "comparisons": [{"name": name, "field": name} for name in OWN_WORDS],
        "guards": [{"label": "long", "when": f"length({OWN_WORDS[0]}_l) > 9", "effect": "reject"}],
        "matching": VESSEL["matching"] | {"review": -40.0},
    }
    values = [None, "k1", "k22", "k1"]
    records = [{name: values[(i + j) % 4] for j, name in enumerate(OWN_WORDS)} for i in range(8)]
    con, rules = ready(tmp_path, records, **changes)
    assert both(con, rules) > 0
