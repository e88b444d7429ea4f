"""Sample files of the six lines of business: one of every source, and every one loads as it is."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from demo.samples import Sample, profiles, write_samples
from golden_records.plan import plan
from linkage.decisions import DecisionStore
from linkage.ingest import load_file, match_source
from linkage.link import link
from linkage.workspace import Workspace
from rules.loader import SHIPPED, load_rules
from rules.model import Rules

LINES = {"社会救助", "社会福利与慈善", "婚姻登记", "殡葬", "区划与基层政权", "社会组织与养老机构登记"}


@pytest.fixture(scope="module")
def known() -> Rules:
    return load_rules(SHIPPED)


@pytest.fixture(scope="module")
def samples(known: Rules, tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    return write_samples(known, tmp_path_factory.mktemp("samples"))


def test_every_source_that_delivers_files_has_one_sample(known: Rules, samples: list[Sample]) -> None:
    registered = {(one["entity"], one["source"]) for one in profiles(known, {}, date(2025, 12, 1))}
    assert Counter((one.entity, one.source) for one in samples) == Counter(registered)


def test_all_six_lines_of_business_have_samples_and_say_who_owns_them_and_how_often_they_come(
    known: Rules, samples: list[Sample]
) -> None:
    assert {one.line.zh for one in samples} == LINES | {"部门共享"}
    for one in profiles(known, {}, date(2025, 12, 1)):
        assert one["owner"] and one["cycle_days"] and one["columns"] and one["key"], one["source"]
        assert one["line"]["zh"] == "部门共享" or one["owner"].startswith(("民政部", "国家统计局")), one["source"]


def test_a_sample_is_recognized_by_its_name_and_loads_without_a_rejected_row(
    known: Rules, samples: list[Sample], tmp_path: Path
) -> None:
    ws = Workspace.create(tmp_path / "workspace")
    con = ws.connect()
    for one in samples:
        assert match_source(known, one.file) == (one.entity, one.source)
        done = load_file(con, ws, known.entities[one.entity], one.source, one.file)
        assert done.new > 0 and done.rejected == 0, one.file.name
    con.close()


def test_a_source_leads_on_the_days_on_which_the_matrix_says_so(known: Rules) -> None:
    person = known.entities["person"]
    rows = tuple(row.model_copy(update={"until": date(2026, 1, 1)}) for row in person.sources.authority)
    ended = person.model_copy(update={"sources": person.sources.model_copy(update={"authority": rows})})
    rules = known.model_copy(update={"entities": {"person": ended}})
    for day, leads in ((date(2025, 12, 31), True), (date(2026, 1, 1), False)):
        assert any(one["leads"] for one in profiles(rules, {}, day)) is leads


def test_a_source_that_the_rules_no_longer_register_gets_no_sample(known: Rules, tmp_path: Path) -> None:
    people = known.model_copy(update={"entities": {"person": known.entities["person"]}})
    assert {one.entity for one in write_samples(people, tmp_path)} == {"person"}


def test_names_that_only_leave_out_the_township_agree_in_states_and_in_quality(
    known: Rules, samples: list[Sample], tmp_path: Path
) -> None:
    ws = Workspace.create(tmp_path / "workspace")
    con, decisions = ws.connect(), DecisionStore(ws.decisions)
    for one in samples:
        if one.entity in ("committee", "organization"):
            load_file(con, ws, known.entities[one.entity], one.source, one.file)
    link(con, ws, ws.load_rules(), decisions, date(2025, 12, 31))
    plan(con, ws, ws.load_rules(), decisions)
    said = con.execute("select count(*), count(distinct name) from committee.standard").fetchall()[0]
    assert said[1] > 60 and said[0] < 120  # two lists of one set of committees, only one of them with the townships
    states = con.execute("select state, count(*) from committee.provenance where field = 'name' group by 1").fetchall()
    assert dict(states).get("disputed", 0) <= 1
    hits, n = con.execute(
        "select sum(hits), sum(n) from committee.quality where measure = 'authority_agreement' and field = 'name'"
    ).fetchall()[0]
    assert n > 40 and hits >= n - 1
    con.close()
