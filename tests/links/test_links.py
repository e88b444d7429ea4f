"""Two entity types that refer to each other: what is matched by it, which relations hold when, which states follow."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from golden_records.plan import plan
from golden_records.query import Release
from golden_records.release import publish
from linkage import ingest
from linkage.decisions import DecisionStore
from linkage.link import link
from linkage.workspace import Workspace, use_entity
from rules.errors import RefusedError
from rules.loader import check

RULES = Path(__file__).parent / "rules"
DAY = date(2024, 12, 31)
Row = Mapping[str, str]


class Port:
    """A workspace of sailors and crews."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ws = Workspace.create(folder / "workspace", rules=RULES)
        self.rules = self.ws.load_rules()
        self.decisions = DecisionStore(self.ws.decisions)
        self.con = self.ws.connect()

    def deliver(self, entity: str, source: str, day: str, *rows: Row) -> None:
        """Land a file of a source on a day."""
        path = self.folder / f"{source}_{day}.csv"
        headings = list(dict.fromkeys(["id", "day", "op", *(name for row in rows for name in row)]))
        declared = self.rules.entities[entity].sources.sources[source]
        headings += [h for f, h in declared.columns.items() if f not in declared.optional and h not in headings]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, headings, restval="")
            writer.writeheader()
            writer.writerows({"day": day, **row} for row in rows)
        ingest.load_file(self.con, self.ws, self.rules.entities[entity], source, path, date.fromisoformat(day))

    def release(self) -> int:
        """Link, plan and publish."""
        link(self.con, self.ws, self.rules, self.decisions, DAY)
        return publish(
            self.con, self.ws, self.rules, self.decisions, plan(self.con, self.ws, self.rules, self.decisions)
        )

    def id_of(self, entity: str, source: str, key: str) -> str:
        """The golden id that holds a source record."""
        with Release.of(self.ws.releases) as published:
            return str(published.find(entity, source, key)[0]["golden_id"])

    def show(self, entity: str, source: str, key: str, as_of: date | None = None) -> dict[str, Any]:
        """The golden record that holds a source record."""
        with Release.of(self.ws.releases) as published:
            return published.show(self.id_of(entity, source, key), as_of)

    def relations(self, kind: str) -> list[tuple[str, str, str | None, str | None]]:
        """Relations of a type by a source key of each end, with since and until."""
        with Release.of(self.ws.releases) as published:
            folder = published.folder
        entities = [name for name in ("sailor", "crew") if (folder / name).exists()]
        crosswalks, files = (
            [str(folder / name / f"{table}.parquet") for name in entities] for table in ("crosswalk", "relation")
        )
        con = duckdb.connect()
        con.execute(
            "create table name_of as select golden_id, min(source_key) as name from "
            f"read_parquet({crosswalks}) group by golden_id"
        )
        found = con.execute(
            "select a.name, b.name, since::varchar, until::varchar from "
            f"read_parquet({files}) as r "
            "join name_of as a on a.golden_id = from_id join name_of as b on b.golden_id = to_id "
            "where type = ? order by all",
            [kind],
        ).fetchall()
        con.close()
        return found

    def parties(self, kind: str) -> list[tuple[str, str, str | None, str | None]]:
        """Relations of crews to those who are only named: source key, name, since and until."""
        with Release.of(self.ws.releases) as published:
            folder = published.folder / "crew"
        con = duckdb.connect()
        found = con.execute(
            "select source_key, to_name, since::varchar, until::varchar from read_parquet(?) "
            "where type = ? and to_id is null order by all",
            [str(folder / "relation.parquet"), kind],
        ).fetchall()
        con.close()
        return found

    def events(self, release: int) -> list[tuple[str, str]]:
        """The events of crews in a release: kind and golden id."""
        with Release.of(self.ws.releases) as published:
            return [(e["kind"], e["golden_id"]) for e in published.changes(entity="crew") if e["release"] == release]

    def findings(self, entity: str, rule: str) -> list[tuple[object, object]]:
        """The source records with a finding."""
        use_entity(self.con, entity)
        found = ingest.findings(self.con, self.rules.entities[entity], rule)
        return [(one["source"], one["source_key"]) for one in found]


@pytest.fixture
def port(tmp_path: Path) -> Port:
    return Port(tmp_path)


def sailors(*marks: str) -> list[Row]:
    """One registered sailor per mark; the source key is `r` and the mark."""
    return [{"id": f"r{mark}", "mark": mark, "name": f"name {mark}"} for mark in marks]


def test_the_rules_of_these_tests_are_sound() -> None:
    assert check(RULES) == []


def test_an_entity_type_is_matched_after_those_that_it_refers_to(port: Port) -> None:
    assert list(port.rules.entities) == ["sailor", "crew"]


def test_crews_that_share_sailors_are_one_crew_whatever_their_sailors_are_called_there(port: Port) -> None:
    port.deliver("sailor", "registry", "2024-01-01", *sailors("1", "2", "3", "4"))
    port.deliver("crew", "harbour", "2024-01-01", {"id": "h1", "hands": "r1;r2;r3"}, {"id": "h2", "hands": "r4"})
    port.deliver("crew", "payroll", "2024-01-01", {"id": "p1", "marks": "2、1，3"}, {"id": "p2", "marks": "3;4"})
    port.release()
    assert port.id_of("crew", "harbour", "h1") == port.id_of("crew", "payroll", "p1")
    assert len({port.id_of("crew", s, k) for s, k in (("harbour", "h1"), ("harbour", "h2"), ("payroll", "p2"))}) == 3


def test_a_crew_is_inferred_where_only_sailors_tell_of_it(port: Port) -> None:
    port.deliver("sailor", "registry", "2024-01-01", *sailors("1", "2"))
    guild = [
        {"id": f"g{n}", "mark": n, "name": n, "boat": "b7", "rank": r} for n, r in (("1", "mate"), ("2", "master"))
    ]
    port.deliver("sailor", "guild", "2024-01-01", *guild, {"id": "g3", "mark": "3", "name": "3", "boat": "none"})
    port.deliver("crew", "harbour", "2024-01-01", {"id": "h1", "hands": "r1 r2"})
    port.release()
    assert port.id_of("crew", "guild_crews", "b7") == port.id_of("crew", "harbour", "h1")
    assert port.relations("master") == [("b7", "g2", "2024-01-01", None)]


def test_who_is_no_golden_record_is_related_by_name_for_the_days_on_which_a_record_says_so(port: Port) -> None:
    port.deliver("sailor", "registry", "2024-01-01", *sailors("1", "2"))
    port.deliver(
        "crew", "harbour", "2024-02-01", {"id": "h1", "hands": "r1", "port": "海州（西）"}, {"id": "h2", "hands": "r2"}
    )
    port.deliver(
        "crew", "harbour", "2024-03-01", {"id": "h1", "hands": "r1", "port": "海州(西)"}, {"id": "h2", "hands": "r2"}
    )
    port.release()
    assert port.parties("berthed_at") == [("h1", "海州(西)", "2024-02-01", None)]
    port.deliver(
        "crew", "harbour", "2024-04-01", {"id": "h1", "hands": "r1", "port": "清川"}, {"id": "h2", "hands": "r2"}
    )
    port.release()
    assert port.parties("berthed_at") == [
        ("h1", "海州(西)", "2024-02-01", "2024-04-01"),
        ("h1", "清川", "2024-04-01", None),
    ]
    named = [one for one in port.show("crew", "harbour", "h1")["relations"] if one["type"] == "berthed_at"]
    assert [(one["to_id"], one["to_name"]) for one in named] == [(None, "海州(西)"), (None, "清川")]
    port.deliver(
        "crew", "harbour", "2024-05-01", {"id": "h1", "hands": "r1", "port": "none"}, {"id": "h2", "hands": "r2"}
    )
    port.release()
    assert port.parties("berthed_at")[1] == ("h1", "清川", "2024-04-01", "2024-05-01")
    with Release.of(port.ws.releases) as published:
        walked = published.related(port.id_of("crew", "harbour", "h1"), depth=3)
    assert {one["to_name"] for one in walked} == {None, "海州(西)", "清川"}


def test_a_golden_record_with_another_relation_has_changed_and_only_that_one(port: Port) -> None:
    port.deliver("sailor", "registry", "2024-01-01", *sailors("1", "2", "3", "4"))
    port.deliver("crew", "harbour", "2024-02-01", {"id": "h1", "hands": "r1;r2"}, {"id": "h2", "hands": "r4"})
    port.release()
    port.deliver("crew", "harbour", "2024-03-01", {"id": "h1", "hands": "r1;r3"}, {"id": "h2", "hands": "r4"})
    assert port.events(port.release()) == [("changed", port.id_of("crew", "harbour", "h1"))]
    assert port.events(port.release()) == []


def test_a_relation_holds_from_the_day_it_is_said_until_the_day_it_is_not(port: Port) -> None:
    port.deliver("sailor", "registry", "2024-01-01", *sailors("1", "2", "3"))
    port.deliver("crew", "harbour", "2024-02-01", {"id": "h1", "master": "r1", "hands": "r1;r2"})
    port.deliver("crew", "harbour", "2024-03-01", {"id": "h1", "master": "r1", "hands": "r1;r2"})
    port.deliver("crew", "harbour", "2024-04-01", {"id": "h1", "master": "r3", "hands": "r2;r3"})
    port.release()
    assert port.relations("hand") == [
        ("h1", "r1", "2024-02-01", "2024-04-01"),
        ("h1", "r2", "2024-02-01", None),
        ("h1", "r3", "2024-04-01", None),
    ]
    assert port.relations("master") == [("h1", "r1", "2024-02-01", "2024-04-01"), ("h1", "r3", "2024-04-01", None)]


def test_a_row_of_a_list_speaks_from_its_own_day_not_from_that_of_the_list(port: Port) -> None:
    port.deliver("sailor", "registry", "2024-01-01", *sailors("1", "2"))
    port.deliver("crew", "harbour", "2024-02-01", {"id": "h1", "day": "2024-01-10", "master": "r1", "hands": "r1;r2"})
    port.deliver("crew", "harbour", "2024-05-01", {"id": "h1", "day": "2024-01-10", "master": "r1", "hands": "r1;r2"})
    port.deliver("crew", "harbour", "2024-08-01", {"id": "h1", "day": "2024-06-05", "master": "r2", "hands": "r1;r2"})
    port.release()
    assert port.relations("master") == [("h1", "r1", "2024-01-10", "2024-06-05"), ("h1", "r2", "2024-06-05", None)]


def test_the_batches_of_delivery_make_no_difference_to_relations(tmp_path: Path) -> None:
    told = []
    for name, often in (("once", False), ("often", True)):
        port = Port(tmp_path / name)
        port.deliver("sailor", "registry", "2024-01-01", *sailors("1", "2", "3"))
        for day, hands in (("2024-02-01", "r1;r2"), ("2024-04-01", "r2;r3")):
            port.deliver("crew", "harbour", day, {"id": "h1", "hands": hands})
            if often:
                port.release()
        port.release()
        told.append(port.relations("hand"))
        port.con.close()
    assert told[0] == told[1]


def test_relations_survive_the_merge_of_an_end(port: Port) -> None:
    port.deliver("sailor", "registry", "2024-01-01", *sailors("1", "2"), {"id": "r9", "mark": "9", "name": "name 9"})
    port.deliver("crew", "harbour", "2024-01-01", {"id": "h1", "hands": "r1;r2"}, {"id": "h2", "hands": "r9"})
    port.release()
    before = port.id_of("sailor", "registry", "r9")
    port.deliver("sailor", "registry", "2024-05-01", {"id": "r9", "mark": "1", "name": "name 1"})
    port.release()
    heir = port.id_of("sailor", "registry", "r9")
    assert heir == port.id_of("sailor", "registry", "r1")
    with Release.of(port.ws.releases) as published:
        assert published.show(before)["golden_id"] == heir
        related = published.related(heir)
    assert {(one["type"], one["from_id"]) for one in related} == {
        ("hand", port.id_of("crew", "harbour", "h1")),
        ("hand", port.id_of("crew", "harbour", "h2")),
    }


def test_one_may_walk_from_relation_to_relation(port: Port) -> None:
    port.deliver("sailor", "registry", "2024-01-01", *sailors("1", "2", "3"))
    port.deliver("crew", "harbour", "2024-01-01", {"id": "h1", "hands": "r1;r2"}, {"id": "h2", "hands": "r2;r3"})
    port.release()
    start = port.id_of("sailor", "registry", "r1")
    with Release.of(port.ws.releases) as published:
        steps = [[one["step"] for one in published.related(start, depth)] for depth in (1, 2, 3, 4)]
    assert steps == [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]


def test_records_of_one_source_are_related_by_what_they_say(port: Port) -> None:
    rows = [
        {"id": f"r{n}", "mark": n, "name": n, "boat": b, "rank": k}
        for n, b, k in (("1", "x", "master"), ("2", "x", "mate"), ("3", "y", "master"), ("4", "y", "cook"))
    ]
    port.deliver("sailor", "registry", "2024-01-01", *rows)
    port.deliver(
        "sailor", "registry", "2024-06-01", {"id": "r2", "mark": "2", "name": "2", "boat": "y", "rank": "mate"}
    )
    port.release()
    assert port.relations("serves") == [("r2", "r1", "2024-01-01", "2024-06-01"), ("r2", "r3", "2024-06-01", None)]


def test_a_reference_to_nobody_is_a_finding_and_the_run_goes_on(port: Port) -> None:
    port.deliver(
        "sailor", "registry", "2024-01-01", *sailors("1"), {"id": "r2", "mark": "2", "name": "b", "mentor": "77"}
    )
    port.deliver("crew", "harbour", "2024-01-01", {"id": "h1", "hands": "r1;r5"}, {"id": "h2", "master": "r1;r2"})
    port.release()
    assert port.findings("crew", "reference_unknown") == [("harbour", "h1")]
    assert port.findings("crew", "reference_several") == [("harbour", "h2")]
    assert port.findings("sailor", "relation_to_unknown") == [("registry", "r2")]
    assert port.relations("hand") == [("h1", "r1", "2024-01-01", None)]


def test_relations_that_run_in_a_circle_are_findings(port: Port) -> None:
    chain = {"1": "2", "2": "3", "3": "1", "4": "1", "5": ""}
    rows = [{"id": f"r{n}", "mark": n, "name": n, "mentor": other} for n, other in chain.items()]
    port.deliver("sailor", "registry", "2024-01-01", *rows)
    port.release()
    assert port.findings("sailor", "relation_circle") == [("registry", "r1"), ("registry", "r2"), ("registry", "r3")]
    assert len(port.relations("mentor")) == 4


def state(mark: str, word: str, day: str) -> Row:
    """A version of a sailor that tells of an event."""
    return {"id": f"r{mark}", "mark": mark, "name": mark, "state": word, "state_day": day}


def test_states_follow_the_legal_transitions_in_the_order_of_days(port: Port) -> None:
    port.deliver("sailor", "registry", "2024-01-01", state("1", "embarked", "2023-05-01"), *sailors("2"))
    port.deliver("sailor", "registry", "2024-02-01", state("1", "landed", "2024-01-20"))
    port.deliver("sailor", "registry", "2024-03-01", state("1", "retired", "2024-02-28"))
    port.release()
    shown = port.show("sailor", "registry", "r1")
    assert shown["status"] == "retired"
    walked = [(one["state"], one["since"], one["until"]) for one in shown["history"] if "state" in one]
    assert walked == [
        ("ashore", None, "2023-05-01"),
        ("afloat", "2023-05-01", "2024-01-20"),
        ("ashore", "2024-01-20", "2024-02-28"),
        ("retired", "2024-02-28", None),
    ]
    assert port.show("sailor", "registry", "r1", date(2023, 12, 31))["status"] == "afloat"
    assert port.show("sailor", "registry", "r2")["status"] == "ashore"


def test_an_illegal_transition_moves_nothing_and_is_a_finding(port: Port) -> None:
    port.deliver("sailor", "registry", "2024-01-01", state("1", "embarked", "2023-05-01"))
    port.deliver("sailor", "registry", "2024-02-01", state("1", "retired", "2024-01-20"))
    port.release()
    assert port.show("sailor", "registry", "r1")["status"] == "afloat"
    assert port.findings("sailor", "illegal_transition") == [("registry", "r1")]


def test_two_witnesses_of_one_event_are_no_illegal_transition(port: Port) -> None:
    again = {**state("1", "embarked", "2023-05-03"), "id": "r9"}
    port.deliver("sailor", "registry", "2024-01-01", state("1", "embarked", "2023-05-01"), again)
    port.release()
    shown = port.show("sailor", "registry", "r1")
    assert (shown["status"], len(shown["members"])) == ("afloat", 2)
    assert port.findings("sailor", "illegal_transition") == []


def test_a_value_with_history_is_the_one_that_was_said_on_a_day(port: Port) -> None:
    for day, home in (("2020-01-01", "the old quay"), ("2022-06-01", "the new quay")):
        port.deliver("sailor", "registry", day, {"id": "r1", "mark": "1", "name": "a", "home": home})
    port.release()
    assert port.show("sailor", "registry", "r1")["fields"]["home"]["value"] == "the new quay"
    then = port.show("sailor", "registry", "r1", date(2021, 1, 1))
    assert then["fields"]["home"]["value"] == "the old quay"


def test_what_refers_is_not_linked_before_what_it_refers_to(port: Port) -> None:
    port.deliver("sailor", "registry", "2024-01-01", *sailors("1"))
    port.deliver("crew", "harbour", "2024-01-01", {"id": "h1", "hands": "r1"})
    with pytest.raises(RefusedError, match="crew refers to sailor, which is not linked as of 2024-12-31"):
        link(port.con, port.ws, port.rules, port.decisions, DAY, only=["crew"])
