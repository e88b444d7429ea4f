"""The census: what there is, what was merged, what is in conflict, and that every record is accounted for."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from golden_records.census import report
from golden_records.page import write_census
from golden_records.plan import read_plan
from golden_records.release import publish
from linkage.workspace import Workspace, use_entity
from rules.errors import NotFoundError, RefusedError
from tests.golden_records.things import SHIP, Yard

CHECK = """
[[checks]]
rule = "no_name"
field = "name"
when = "name is null"
severity = "error"
title = { zh = "无船名", en = "no name" }
"""


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    """Four ships with six records, one record without a name, one that is gone, one row without a key.

    ship 0  registry r0 and harbour h0, who differ in the owner; in 舟山
    ship 1  registry r1, no mark; in 宁波
    ship 2  registry r2 and harbour h2; in 宁波
    ship 3  harbour h3, no port
    """
    found = Yard.create(tmp_path_factory.mktemp("census") / "ws")
    rules = found.ws.rules_folder / SHIP.name / "entity.toml"
    text = rules.read_text("utf-8").replace('prefix = "S"', 'prefix = "S"\nregion = "port"')
    rules.write_text(text.replace("[[blocking]]", CHECK + "\n[[blocking]]"), "utf-8")
    found.deliver("harbour", "2024-01-10", {"id": "h9", "mark": "MK-9", "name": "已离港"})
    found.deliver(
        "registry",
        "2024-01-31",
        {"id": "r0", "mark": "MK-0", "name": "海鸥", "owner": "甲", "port": "舟山"},
        {"id": "r1", "name": "东风", "port": "宁波"},
        {"id": "r2", "mark": "MK-2", "name": "长江", "port": "宁波"},
        {"id": "r4", "mark": "MK-4"},
        {"id": "", "mark": "MK-5", "name": "黄河"},
    )
    found.deliver(
        "harbour",
        "2024-02-01",
        {"id": "h0", "mark": "MK-0", "name": "海鸥", "owner": "乙"},
        {"id": "h2", "mark": "MK-2", "name": "长江"},
        {"id": "h3", "mark": "MK-3", "name": "珠江"},
        {"id": "h9", "op": "gone"},
    )
    found.release(date(2024, 2, 15))
    return found


@pytest.fixture
def ships(yard: Yard) -> dict[str, Any]:
    with yard.ask() as published:
        found: dict[str, Any] = report(published, yard.ws.load_rules())["entities"]["ship"]
    return found


def test_every_record_is_a_member_or_quarantined_and_the_rest_is_counted_apart(ships: dict[str, Any]) -> None:
    assert ships["balance"] == {
        "records": 7,
        "members": 6,
        "quarantined": 1,
        "withdrawn": 1,
        "rows_read": 10,
        "rows_rejected": 1,
        "adds_up": True,
    }
    assert (ships["golden"], ships["duplicates"]) == (4, 2)


def test_golden_records_are_counted_by_region_and_state(ships: dict[str, Any]) -> None:
    assert ships["by_region"] == {"": 1, "宁波": 2, "舟山": 1}
    assert ships["by_state"] == {"active": 4}
    assert ships["by_region_and_state"] == [
        {"region": "宁波", "state": "active", "golden": 2},
        {"region": "舟山", "state": "active", "golden": 1},
    ]


def test_conflicts_and_missing_identifiers_are_counted(ships: dict[str, Any]) -> None:
    assert ships["conflicts"] == {
        "values_disputed": 1,
        "by_field": {"owner": 1},
        "unions_refused": 0,
        "by_reason": {},
        "pairs_waiting": 0,
    }
    assert ships["without_identifier"] == {"any": 1, "by_field": {"mark": 1}}
    assert sum(ships["values_by_state"].values()) == ships["values"] == 11


def test_the_page_has_the_numbers_of_the_census(yard: Yard, ships: dict[str, Any], tmp_path: Path) -> None:
    with yard.ask() as published:
        document = report(published, yard.ws.load_rules())
    write_census(document, tmp_path / "census.html")
    page = (tmp_path / "census.html").read_text("utf-8")
    for n in (ships["golden"], ships["balance"]["records"], ships["values"], ships["duplicates"]):
        assert f'<td class="n">{n}</td>' in page
    assert "http" not in page.replace("http://www.w3.org", "")
    with pytest.raises(RefusedError, match="exists"):
        write_census(document, tmp_path / "census.html")


@pytest.mark.parametrize(
    "fault",
    [
        "delete from member where ordinal = 0",
        "update census set n = n + 1 where item = 'quarantined'",
        "update census set n = n - 1 where item = 'golden' and region = '舟山'",
        "delete from census where item = 'golden'",
    ],
)
def test_a_census_that_does_not_add_up_refuses_the_release(yard: Yard, tmp_path: Path, fault: str) -> None:
    shutil.copytree(yard.ws.root, tmp_path / "copy", symlinks=True)
    copy = Yard(Workspace.open(tmp_path / "copy"))
    copy.link(date(2024, 2, 16))
    copy.plan()
    with copy.open() as con:
        use_entity(con, "ship")
        con.execute(fault)
        with pytest.raises(RefusedError, match=r"ship: census\.sql found 1 rows"):
            publish(con, copy.ws, copy.ws.load_rules(), copy.decisions, read_plan(con))
    assert copy.ask().manifest.release == 1


def test_a_release_without_a_census_says_so(yard: Yard, tmp_path: Path) -> None:
    shutil.copytree(yard.ws.root, tmp_path / "copy", symlinks=True)
    copy = Yard(Workspace.open(tmp_path / "copy"))
    (copy.ws.releases / "1" / "ship" / "census.parquet").unlink()
    with copy.ask() as published, pytest.raises(NotFoundError, match="earlier version"):
        report(published, copy.ws.load_rules())
