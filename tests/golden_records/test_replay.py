"""A release is made again from what is kept, row for row, in the workspace and from an archive alone."""

from __future__ import annotations

import re
import tarfile
from datetime import date
from pathlib import Path

import pytest

from golden_records.plan import plan
from golden_records.release import publish
from golden_records.replay import evidence, replay
from linkage.decisions import Decision, DecisionStore
from linkage.link import link
from linkage.workspace import Workspace
from rules.errors import NotFoundError, RefusedError
from tests.linkage import things

DAY = date(2024, 6, 1)


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Committees in two releases, the second of them with a steward's decision."""
    ws = things.province(tmp_path_factory.mktemp("replay") / "workspace", 600, DAY, "committee")
    rules, decisions, con = ws.load_rules(), DecisionStore(ws.decisions), ws.connect()
    publish(con, ws, rules, decisions, plan(con, ws, rules, decisions))
    a, b = con.execute(
        "select min((s.source, s.source_key)), max((s.source, s.source_key)) from committee.standard as s "
        "join committee.cluster using (record_id) group by cluster_id having count(*) > 1 order by 1 limit 1"
    ).fetchall()[0]
    decisions.add(Decision("different", "committee", (tuple(a), tuple(b)), "looked"))
    link(con, ws, rules, decisions, DAY)
    publish(con, ws, rules, decisions, plan(con, ws, rules, decisions), forced="a test")
    con.close()
    return ws


def test_a_release_is_made_again_row_for_row(ws: Workspace) -> None:
    # What is decided later is not of the release.
    store = DecisionStore(ws.decisions)
    first = store.entries("committee")[0]
    store.add(Decision("same", "committee", first.subjects, "later", decided_at="2999-01-01T00:00:00+00:00"))
    before = sorted(path.name for path in ws.root.iterdir())
    found = replay(ws, 2)
    assert {(one.entity, one.table) for one in found if one.missing or one.added} == set()
    assert any(one.rows for one in found if one.table == "golden")
    assert sorted(path.name for path in ws.root.iterdir()) == before


def test_an_archive_is_enough(ws: Workspace, tmp_path: Path) -> None:
    told = evidence(ws, 1, tmp_path / "evidence.tar")
    assert told["audit_head"]
    with tarfile.open(tmp_path / "evidence.tar") as tar:
        tar.extractall(tmp_path / "audit", filter="data")
    other = Workspace.open(tmp_path / "audit")
    found = replay(other, 1)
    assert found and not any(one.missing or one.added for one in found)
    with pytest.raises(RefusedError, match="exists; choose another name"):
        evidence(ws, 1, tmp_path / "evidence.tar")
    # Rules that somebody touched do not make the release again.
    rules = next((other.root / "rule_sets").iterdir()) / "committee/entity.toml"
    text = rules.read_text("utf-8")
    rules.write_text(re.sub(r"(?m)^accept = .*", "accept = 90.0", text), "utf-8")
    assert any(one.missing for one in replay(other, 1))


def test_what_is_not_there_is_named(ws: Workspace) -> None:
    with pytest.raises(NotFoundError, match="there is no release 9"):
        replay(ws, 9)
