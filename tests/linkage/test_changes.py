"""Linking what changed gives what linking everything gives."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from demo.population import generate
from linkage.changes import partners_sql
from linkage.decisions import Decision, DecisionStore
from linkage.ingest import load_file
from linkage.kernel.partners import partners
from linkage.link import link
from linkage.renewal import WITHOUT
from linkage.values import NTH
from linkage.workspace import Workspace, use_entity
from rules.columns import quote
from rules.loader import load_rules
from tests.effort import effort
from tests.linkage.searching import check_search
from tests.linkage.test_kernel import weighed

RULES = Path(__file__).parent / "rules"
FIELDS = ("mark", "old_mark", "name", "owner", "radio", "built")
FIRST = date(2024, 1, 1)
SHARES = [0.9, 0.02, 0.3, 0.05, 0.6]


def state(con: duckdb.DuckDBPyConnection, ws: Workspace, entity: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything that linking leaves behind, records named by source and key, in one order."""
    use_entity(con, entity)
    fields = ws.load_rules().entities[entity].entity.fields
    numbers = ", ".join(["record_id", *(quote(f"{field}__{NTH}") for field in fields)])
    con.execute(
        "create or replace temp view who as select record_id, source || '/' || source_key || '/' || row_hash as who "
        "from (from record union all by name from grouped_record)"
    )
    pair = "join who as l on l.record_id = record_l join who as r on r.record_id = record_r"
    queries = {
        "standard": f"select * exclude ({numbers}) from standard",
        "past": f"select * exclude ({numbers}) from past",
        "finding": "select who, f.* exclude (record_id) from finding as f left join who using (record_id)",
        "quarantine": "select who, rule from quarantine join who using (record_id)",
        "candidate_pair": f"select l.who, r.who, p.* exclude (record_l, record_r) from candidate_pair as p {pair}",
        "refusal": f"select l.who, r.who, p.* exclude (record_l, record_r) from refusal as p {pair}",
        "cluster": "select a.who, b.who from cluster as c join who as a using (record_id) "
        "join who as b on b.record_id = cluster_id",
    }
    found = {name: con.execute(f"from ({sql}) order by all").fetchall() for name, sql in queries.items()}
    waiting = DecisionStore(ws.decisions).queue(entity)
    return found | {"queue": sorted((one.left, one.right, repr(one)) for one in waiting)}


def linked(ws: Workspace, as_of: date, full: bool) -> tuple[dict[str, Any], dict[str, int | None]]:
    """Link, and give the state of every linked entity type and how many records each found changed."""
    con = ws.connect()
    try:
        reports = link(con, ws, ws.load_rules(), DecisionStore(ws.decisions), as_of, full=full)
        return {one.entity: state(con, ws, one.entity) for one in reports}, {r.entity: r.changed for r in reports}
    finally:
        con.close()


def both(ws: Workspace, aside: Path, as_of: date) -> dict[str, int | None]:
    """Link what changed, link everything in a copy, compare; gives how many records had changed."""
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(ws.root, aside)
    mine, changed = linked(ws, as_of, full=False)
    theirs, _ = linked(Workspace.open(aside), as_of, full=True)
    for entity, tables in theirs.items():
        for table, rows in tables.items():
            assert mine[entity][table] == rows, (entity, table)
    return changed


def check_partners(ws: Workspace, name: str) -> int:
    """The packed store tells of some records who shares a block with them, as SQL does; gives how many do."""
    con, one = ws.connect(), ws.load_rules().entities[name]
    try:
        use_entity(con, name)
        con.execute("create or replace temp table newcomer as from standard where hash(source_key) % 3 = 0")
        counting = {record for (record,) in con.execute("select record_id from standard").fetchall()}
        said = [con.execute(partners_sql(rule)).fetchall() for rule in one.entity.blocking]
        found = partners(con, one.entity, ws.packed / name)
        assert found is not None
        assert set(found.tolist()) & counting == {record for rows in said for (record,) in rows}
        return len(found)
    finally:
        con.close()


# ── boats that a test makes up ──────────────────────────────────────────────────────────────────────

ROW = st.fixed_dictionaries(
    {
        "id": st.sampled_from([f"{i}" for i in range(7)]),
        "op": st.sampled_from(["", "", "", "gone"]),
        "mark": st.sampled_from(["", "k1", "k2", "k3", "k"]),
        "old_mark": st.sampled_from(["", "", "k1", "k2"]),
        "name": st.sampled_from(["", "astra", "astra ii", "borea"]),
        "owner": st.sampled_from(["", "meyer", "meyer sa", "silva"]),
        "radio": st.sampled_from(["", "13900000001", "13900000002", "13900000003"]),
        "built": st.sampled_from(["", "1999-05-05", "2024-02-09", "2024-03-01", "1970-01-02"]),
    }
)
STEP = st.fixed_dictionaries(
    {
        "source": st.sampled_from(["registry", "harbour", "guild"]),
        "rows": st.lists(ROW, max_size=5, unique_by=lambda row: row["id"]),
        "days": st.integers(0, 40),
        "late": st.sampled_from([0, 0, 0, 15]),
        "say": st.none()
        | st.tuples(
            st.sampled_from(["same", "different", "pin", "withdraw"]),
            st.tuples(st.sampled_from(["registry", "harbour", "guild"]), st.sampled_from("0123456")),
            st.tuples(st.sampled_from(["registry", "harbour", "guild"]), st.sampled_from("0123456")),
        ),
    }
)


def deliver(ws: Workspace, source: str, day: date, rows: list[dict[str, str]]) -> None:
    path = ws.root.parent / f"{source}_{day}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["id", *FIELDS, "day", "op"])
        writer.writeheader()
        writer.writerows({"day": day, **row} for row in rows)
    con = ws.connect()
    try:
        load_file(con, ws, ws.load_rules().entities["boat"], source, path, day)
    finally:
        con.close()


def decide(ws: Workspace, said: tuple[str, tuple[str, str], tuple[str, str]]) -> None:
    kind, left, right = said
    store = DecisionStore(ws.decisions)
    if kind == "withdraw":
        for made in store.entries("boat")[-1:]:
            store.withdraw(made.decision_id, "eve")
    elif left != right and not any({left, right} & set(made.subjects) for made in store.entries("boat")):
        store.add(Decision(kind, "boat", (left, right), "seen", "eve", ()))


FLEET = [
    {"id": str(i), "op": "", "mark": f"k{i % 5}", "old_mark": "", "name": "astra", "owner": "meyer",
     "radio": f"1390000000{i % 4}", "built": "1999-05-05"}
    for i in range(80)
]  # fmt: skip


@pytest.fixture(scope="module")
def boats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rules folder with made-up weights."""
    folder = tmp_path_factory.mktemp("boats") / "rules"
    shutil.copytree(RULES, folder)
    rules = weighed(load_rules(folder).entities["boat"], SHARES)
    (folder / "boat/weights.json").write_text(json.dumps(rules.weights))
    return folder


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory, boats: Path) -> Path:
    """A workspace with the fleet linked; to be copied."""
    folder = tmp_path_factory.mktemp("fleet")
    ws = Workspace.create(folder / "ws", "07", boats)
    deliver(ws, "harbour", FIRST, FLEET)
    assert both(ws, folder / "aside", FIRST + timedelta(1)) == {"boat": None}
    return ws.root


@settings(
    max_examples=effort(3, 8),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(steps=st.lists(STEP, min_size=2, max_size=5))
def test_any_deliveries_and_decisions_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, harbour: Path, steps: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    shutil.copytree(harbour, folder / "ws")
    ws, day = Workspace.open(folder / "ws"), FIRST + timedelta(1)
    for step in steps:
        day += timedelta(step["days"])
        if step["rows"]:
            deliver(ws, step["source"], day - timedelta(step["late"]), step["rows"])
        if step["say"]:
            decide(ws, step["say"])
        assert both(ws, folder / "aside", day)["boat"] is not None
    check_search(ws, "boat", day)
    check_partners(ws, "boat")


def empty_columns(ws: Workspace) -> set[str]:
    """The columns of `standard` that take no room."""
    con = ws.connect()
    try:
        use_entity(con, "boat")
        return {str(name) for (name,) in con.execute(WITHOUT).fetchall()}
    finally:
        con.close()


def test_a_field_takes_no_room_until_a_record_says_something_of_it(tmp_path: Path, harbour: Path) -> None:
    shutil.copytree(harbour, tmp_path / "ws")
    ws, day = Workspace.open(tmp_path / "ws"), FIRST + timedelta(2)
    assert {name.split("__")[0] for name in empty_columns(ws)} == {"old_mark"}
    deliver(ws, "guild", day, [FLEET[0] | {"mark": "k9"}])
    assert both(ws, tmp_path / "aside", day) == {"boat": 1}
    assert "old_mark" in empty_columns(ws)
    deliver(ws, "guild", day + timedelta(1), [FLEET[1] | {"mark": "k2", "old_mark": "k9"}])
    assert both(ws, tmp_path / "aside", day + timedelta(1)) == {"boat": 1}
    assert not empty_columns(ws)
    con = ws.connect()
    use_entity(con, "boat")
    said = con.execute("select source_key, old_mark, old_mark__key from standard where old_mark is not null").fetchall()
    con.close()
    assert said == [("1", "k9", "k9")]


# ── a province in three deliveries ──────────────────────────────────────────────────────────────────


def test_a_province_of_five_entity_types_in_three_deliveries(tmp_path: Path) -> None:
    ws = Workspace.create(tmp_path / "ws")
    rules = ws.load_rules()
    files = generate(tmp_path / "files", 600, 5).files
    changed = []
    for day in ("20251201", "20251231", "20260131"):
        con = ws.connect()
        for entity, source, path in files:
            if day in path.name or (entity == "committee" and day == "20251201" and "统计" in path.name):
                load_file(con, ws, rules.entities[entity], source, path)
        con.close()
        as_of = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        # The first run links everything whichever way it is asked.
        changed.append(both(ws, tmp_path / "aside", as_of) if changed else linked(ws, as_of, full=False)[1])
    assert None not in [changed[-1][name] for name in ("committee", "organization", "person", "household")]
    assert all(check_partners(ws, name) for name in changed[-1])
    (ws.packed / "person" / "index.json").unlink()
    assert partners(duckdb.connect(), rules.entities["person"].entity, ws.packed / "person") is None
