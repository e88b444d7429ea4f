"""Verification: literal records in, the state of every value and the records that differ out."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli import app
from golden_records.authority import matrix
from golden_records.deliveries import hear
from golden_records.identity import Issuer, identify
from golden_records.ids import create_macros
from golden_records.plan import open_previous
from golden_records.preferences import authority, in_force, lead
from golden_records.release import rollback
from golden_records.survivorship import survive
from golden_records.trust import propose, trust
from golden_records.verification import STATES
from linkage import ingest
from linkage.standardize import standardize
from linkage.workspace import Workspace, use_entity
from rules.checks import warnings, within
from rules.model import EntityRules, Rules
from tests.effort import effort
from tests.golden_records.things import DAY, FIELDS, RULES, SHIP, Row, Yard, only, record, ship, survived
from tests.told import Told

SHIPS = ship(SHIP)
LED = {"authority": [{"fields": ["name", "radio"], "order": ["registry", "harbour"]}]}


def known(**changed: dict[str, Any]) -> dict[str, Any]:
    """The source systems of ships, some with other keys, and a registry that leads in names and radios."""
    said = {name: one.model_dump(exclude_defaults=True) for name, one in SHIPS.sources.sources.items()}
    return {"sources": {name: one | changed.get(name, {}) for name, one in said.items()}, **LED}


def states(records: list[Row], rules: EntityRules | None = None, **options: Any) -> dict[str, str]:
    """Field -> state of the one ship that the records are of."""
    return dict(
        verified(records, rules, **options)
        .execute("select field, state from provenance where valid_to is null")
        .fetchall()
    )


def verified(records: list[Row], rules: EntityRules | None = None, **options: Any) -> duckdb.DuckDBPyConnection:
    """The database in which literal records were chosen from and verified; fields that none names are left out."""
    fields = sorted({name for one in records for name in one["values"]})
    return survived(only(rules or ship(SHIP, sources=known()), *fields), records, **options)


# ── the six states ──────────────────────────────────────────────────────────────────────────────────


def test_the_lead_and_another_source_confirm() -> None:
    assert states([record("registry", "1", name="甲"), record("insurer", "2", name="甲")]) == {"name": "confirmed"}


def test_two_sources_without_the_lead_agree() -> None:
    assert states([record("harbour", "1", name="甲"), record("insurer", "2", name="甲")]) == {"name": "agreed"}
    assert states([record("harbour", "1", flag="甲"), record("registry", "2", flag="甲")]) == {"flag": "agreed"}


def test_one_source_is_single_even_where_it_leads() -> None:
    assert states([record("registry", "1", name="甲"), record("insurer", "2")]) == {"name": "single_source"}


def test_a_copy_confirms_nothing() -> None:
    assert states([record("registry", "1", name="甲"), record("mirror", "2", name="甲")]) == {"name": "single_source"}
    rows = [record("mirror", "1", name="甲"), record("insurer", "2", name="甲")]
    assert states(rows) == {"name": "agreed"}, "the lead itself is silent"


def test_two_records_of_one_source_are_one_voice() -> None:
    rows = [record("insurer", "1", name="甲"), record("insurer", "2", name="甲")]
    assert states(rows) == {"name": "single_source"}


def test_a_source_that_differs_disputes_whoever_agrees() -> None:
    rows = [record("registry", "1", name="甲"), record("harbour", "2", name="甲"), record("broker", "3", name="乙")]
    assert states(rows) == {"name": "disputed"}


def test_two_values_to_which_the_database_gives_one_hash_differ() -> None:
    one, other = "sun li ying|1977|880304", "sun li ping|1970|880304"
    assert duckdb.execute("select hash($1) = hash($2)", [one, other]).fetchall() == [(True,)]
    rows = [record("registry", "1", name=one), record("harbour", "2", name=other)]
    assert states(rows) == {"name": "disputed"}


def test_values_that_are_equal_by_their_kind_do_not_differ() -> None:
    rows = [record("registry", "1", name="ＡＢ １号"), record("harbour", "2", name="ab 1号")]
    assert states(rows) == {"name": "confirmed"}


def test_a_value_that_cannot_be_compared_neither_agrees_nor_differs() -> None:
    rows = [record("registry", "1", radio="13912345678"), record("harbour", "2", radio="12")]
    con = verified(rows)
    assert con.execute("select value, state from provenance").fetchall() == [("13912345678", "single_source")]
    assert con.execute("select count(*) from dispute").fetchall() == [(0,)]


def test_a_value_with_a_finding_on_its_record_is_invalid() -> None:
    rows = [record("registry", "1", radio="12"), record("harbour", "2", radio="13912345678")]
    assert states(rows) == {"radio": "invalid"}, "authority goes first here"
    first = {"survivorship": {"default": ["validity", "authority"]}}
    assert states(rows, ship(SHIP, first, known())) == {"radio": "single_source"}, "the valid one wins by validity"


def test_a_finding_in_another_field_leaves_a_value_alone() -> None:
    rows = [record("registry", "1", radio="12", name="甲"), record("harbour", "2", name="甲")]
    assert states(rows) == {"radio": "invalid", "name": "confirmed"}


def test_a_value_whose_sources_are_overdue_is_stale_and_they_do_not_dispute() -> None:
    rules = ship(SHIP, sources=known(harbour={"cycle_days": 30}))
    late, now = "2024-05-01", "2024-05-02"
    assert states([record("harbour", "1", late, name="甲")], rules) == {"name": "stale"}
    assert states([record("harbour", "1", now, name="甲")], rules) == {"name": "single_source"}
    rows = [record("harbour", "1", late, name="甲"), record("insurer", "2", late, name="甲")]
    assert states(rows, rules) == {"name": "agreed"}, "the insurer has no cycle"
    rows = [record("harbour", "1", late, name="甲"), record("registry", "2", late, name="乙")]
    assert states(rows, rules) == {"name": "single_source"}
    rows = [record("harbour", "1", now, name="甲"), record("registry", "2", late, name="乙")]
    assert states(rows, rules) == {"name": "disputed"}


def test_a_row_is_as_fresh_as_the_last_delivery_of_its_source() -> None:
    rules = ship(SHIP, sources=known(harbour={"cycle_days": 30}))
    rows = [record("harbour", "1", "2000-01-01", name="甲"), record("harbour", "2", "2024-05-30", "other", name="乙")]
    assert set(states(rows, rules).values()) == {"single_source"}
    assert states(rows, rules, as_of=date(2024, 7, 1)) == {"name": "stale"}


def test_what_a_later_list_replaced_does_not_speak() -> None:
    rules = ship(SHIP, sources=known(registry={"period": "year"}))
    rows = [record("registry", "1", "2022-01-01", name="甲"), record("registry", "2", "2023-01-01", name="乙")]
    con = verified(rows, rules)
    assert con.execute("select value, state from provenance").fetchall() == [("乙", "single_source")]
    rows = [record("registry", "1", "2022-01-01", name="甲"), record("registry", "2", "2023-01-01", "other", name="乙")]
    con = verified(rows, rules)
    assert con.execute("select value, state from provenance order by 1").fetchall() == [
        ("乙", "single_source"),
        ("甲", "stale"),
    ]


def test_what_a_steward_chose_is_confirmed_and_stays_disputed_while_a_source_differs() -> None:
    rows = [record("harbour", "1", name="甲"), record("registry", "2", flag="中国")]
    chosen = [(("harbour", "1"), "name")]
    assert states(rows, decided=chosen) == {"name": "confirmed", "flag": "single_source"}
    assert states([*rows, record("broker", "3", name="乙")], decided=chosen)["name"] == "disputed"


def test_a_past_value_has_no_state() -> None:
    rows = [record("registry", "1", "2020-01-01", owner="甲"), record("registry", "2", "2021-01-01", owner="乙")]
    con = verified(rows)
    found = con.execute("select value, state is null from provenance order by valid_from").fetchall()
    assert found == [("甲", True), ("乙", False)]


def test_a_field_may_ask_for_more_voices_or_be_left_out() -> None:
    three = {"verification": {"quorum": {"name": 3, "radio": 1}, "ignore": ["flag"]}}
    rules = ship(SHIP, three, known())
    rows = [record("registry", "1", name="甲", radio="13912345678", flag="甲"), record("harbour", "2", name="甲")]
    assert states(rows, rules) == {"name": "single_source", "radio": "confirmed", "flag": None}
    assert states([*rows, record("insurer", "3", name="甲")], rules)["name"] == "confirmed"


def test_a_dispute_names_both_records_and_what_they_say() -> None:
    rows = [
        record("registry", "1", "2024-02-01", name="甲"),
        record("harbour", "2", "2024-03-01", name="乙"),
        record("harbour", "3", "2024-04-01", name="甲"),
        record("mirror", "4", "2024-05-01", name="丙"),
    ]
    found = verified(rows).execute("select * exclude golden_id from dispute order by source").fetchall()
    one = ("name", "甲", "registry", "1")
    assert found == [
        (*one, "harbour", "2", "乙", date(2024, 3, 1), "disputed"),
        (*one, "mirror", "4", "丙", date(2024, 5, 1), "disputed"),
    ]


# ── against a slower reading of the same words ──────────────────────────────────────────────────────

quick = settings(max_examples=effort(4, 8), derandomize=True)
any_record = st.builds(
    record,
    source=st.sampled_from(["registry", "harbour", "insurer", "mirror", "broker"]),
    key=st.sampled_from("1234"),
    day=st.sampled_from(["2019-01-01", "2024-05-20", "2024-05-31"]),
    ship=st.sampled_from("12"),
    name=st.sampled_from([None, "甲", "乙"]),
    owner=st.sampled_from([None, "甲", "乙"]),
    radio=st.sampled_from([None, "12", "13912345678", "13912345679"]),
)
any_records = st.lists(any_record, min_size=1, max_size=9, unique_by=lambda one: (one["source"], one["key"]))
CYCLES = {"harbour": 5, "insurer": 40, "broker": 400}
SLOW = ship(SHIP, sources=known(**{name: {"cycle_days": days} for name, days in CYCLES.items()}))


@quick
@given(any_records)
def test_every_state_follows_from_the_words_that_define_it(records: list[Row]) -> None:
    con = verified(records, SLOW)
    ships = dict(con.execute("select source || source_key, golden_id from crosswalk").fetchall())
    for golden_id, field, value, source, key, state in con.execute(
        "select golden_id, field, value, source, source_key, state from provenance where valid_to is null"
    ).fetchall():
        members = [one for one in records if ships[one["source"] + one["key"]] == golden_id and one["values"][field]]
        assert state == expected(members, field, value, (source, key), records), (field, value, members)
        differing = con.execute(
            "select source, source_key from dispute where golden_id = ? and field = ?", [golden_id, field]
        ).fetchall()
        wanted = [(one["source"], one["key"]) for one in members if differs(one, field, value, records)]
        assert sorted(differing) == sorted(wanted)


def comparable(value: str) -> bool:
    return value != "12"


def in_time(source: str, records: list[Row]) -> bool:
    heard = max(date.fromisoformat(one["day"]) for one in records if one["source"] == source)
    return source not in CYCLES or (DAY - heard).days <= CYCLES[source]


def differs(one: Row, field: str, value: str, records: list[Row]) -> bool:
    said = one["values"][field]
    return comparable(value) and comparable(said) and said != value and in_time(one["source"], records)


def expected(members: list[Row], field: str, value: str, chosen: tuple[str, str], records: list[Row]) -> str:
    same = {
        one["source"]
        for one in members
        if (one["values"][field] == value and comparable(value)) or (one["source"], one["key"]) == chosen
    }
    if not comparable(value):
        return "invalid"
    if any(differs(one, field, value, records) for one in members):
        return "disputed"
    if not any(in_time(source, records) for source in same):
        return "stale"
    if len({"registry" if source == "mirror" else source for source in same}) < 2:
        return "single_source"
    leads = {"name": "registry", "radio": "registry"}.get(field)
    return "confirmed" if leads in same else "agreed"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("batches")


@settings(max_examples=effort(4, 10), derandomize=True)
@given(any_records, st.randoms(use_true_random=False))
def test_neither_the_order_of_loading_nor_the_cut_into_batches_moves_a_state(
    place: Path, records: list[Row], rng: Any
) -> None:
    rows = [
        one | {"values": one["values"] | {"mark": f"M{one['ship']}"}} for one in records if one["source"] != "registry"
    ]
    whole = landed(place, [[one] for one in rows])
    shuffled = rng.sample(rows, len(rows))
    cut = rng.randint(0, len(rows))
    assert landed(place, [part for part in (shuffled[:cut], shuffled[cut:]) if part]) == whole


def landed(place: Path, batches: list[list[Row]]) -> list[list[tuple[Any, ...]]]:
    """States and disputes of records that were landed in these batches, each a file per source."""
    number = len(list(place.iterdir()))
    ws = Workspace.create(place / str(number), "07", RULES)
    con = ws.connect()
    try:
        for i, batch in enumerate(batches):
            for source in sorted({one["source"] for one in batch}):
                path = ws.root / f"{source}_{i}.csv"
                lines = [",".join(["id", *FIELDS, "day", "op"])]
                for one in batch:
                    if one["source"] == source:
                        said = [one["key"], *(one["values"].get(name) or "" for name in FIELDS), one["day"], ""]
                        lines.append(",".join(said))
                path.write_text("\n".join(lines) + "\n", "utf-8")
                ingest.load_file(con, ws, SLOW, source, path, date(2024, 5, 31))
        if not batches:
            return [[], []]
        use_entity(con, SLOW.name)
        rules = only(SLOW, "mark", "name", "owner", "radio")
        standardize(con, rules, RULES, DAY)
        con.execute(
            "create table cluster as select record_id, min(record_id) over (partition by mark__key) as "
            "cluster_id from standard"
        )
        con.execute("create table value_decision (source varchar, source_key varchar, field varchar, number integer)")
        create_macros(con)
        open_previous(con, None)
        identify(con, Issuer("S", "07", 0, 1, DAY))
        hear(con, rules, DAY)
        survive(con, rules, DAY, 1)
        kept = ("select * exclude (g, record_id) from provenance", "select * from dispute")
        return [con.execute(f"{select} order by all").fetchall() for select in kept]
    finally:
        con.close()


# ── retraction ──────────────────────────────────────────────────────────────────────────────────────


def published(yard: Yard, release: int | None = None) -> list[list[Row]]:
    """What a release says of values, by state, and of disputes."""
    return [yard.table(name, release) for name in ("provenance", "dispute")]


def test_taking_a_row_back_restores_the_value_and_the_state_of_before(tmp_path: Path) -> None:
    yard = Yard.create(tmp_path / "ws")
    yard.deliver("registry", "2024-01-31", {"id": "r0", "mark": "MK-0", "name": "海鸥", "owner": "甲", "flag": "甲"})
    yard.deliver("insurer", "2024-02-01", {"id": "i0", "mark": "MK-0", "name": "海鸥", "owner": "甲"})
    yard.release()
    before = published(yard)
    yard.deliver("harbour", "2024-03-01", {"id": "h0", "mark": "MK-0", "name": "海鸥", "owner": "乙", "flag": "乙"})
    yard.release()
    told = {row["field"]: (row["value"], row["state"]) for row in yard.table("provenance") if not row["valid_to"]}
    assert told["owner"] == ("乙", "disputed") and told["flag"] == ("乙", "disputed")
    assert {row["source"] for row in yard.table("dispute")} == {"registry", "insurer"}
    yard.deliver("harbour", "2024-04-01", {"id": "h0", "mark": "MK-0", "op": "gone"})
    yard.release()
    assert published(yard) == before
    assert published(yard, 1) == before


def test_a_source_that_takes_every_row_back_leaves_no_trace_but_in_history(tmp_path: Path) -> None:
    yard = Yard.create(tmp_path / "ws")
    yard.deliver("registry", "2024-01-31", {"id": "r0", "mark": "MK-0", "name": "海鸥", "owner": "甲"})
    rows = [
        {"id": "h0", "mark": "MK-0", "name": "海鸥二", "owner": "乙", "port": "舟山"},
        {"id": "h1", "mark": "MK-1", "name": "长江"},
    ]
    yard.deliver("harbour", "2024-02-01", *rows)
    yard.release()
    alone = yard.id_of("harbour", "h1")
    yard.deliver("harbour", "2024-03-01", *(row | {"op": "gone"} for row in rows))
    yard.release(forced="all of it was wrong")
    for name in ("golden", "provenance", "dispute"):
        assert not {"乙", "舟山", "长江", "海鸥二", "harbour"} & {
            str(part) for row in yard.table(name) for part in row.values()
        }
    assert {row["value"] for row in yard.table("provenance", 1)} >= {"乙", "舟山", "长江"}
    with yard.ask() as release:
        assert release.show(alone)["status"] == "retired"
        events = [(one["kind"], one["release"]) for one in release.changes() if one["golden_id"] == alone]
    assert events == [("created", 1), ("retired", 2)]


def test_a_rollback_brings_states_and_disputes_back(told: Told, copied: Any) -> None:
    yard: Yard = copied()
    before = published(yard, 1)
    assert before[1], "the owners differ"
    rollback(yard.ws, 1, date(2024, 9, 1))
    assert published(yard) == before


# ── a release shows it ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Yard:
    """A release in which registry and harbour differ about names of four ships, and a broker about one more."""
    yard = Yard.create(tmp_path_factory.mktemp("trust") / "ws")
    ships = [{"id": f"r{i}", "mark": f"MK-{i}", "name": f"甲{i}", "owner": "甲"} for i in range(5)]
    yard.deliver("registry", "2024-01-31", *ships)
    yard.deliver("harbour", "2024-02-01", *({"id": f"h{i}", "mark": f"MK-{i}", "name": f"乙{i}"} for i in range(4)))
    yard.deliver("insurer", "2024-02-02", *({"id": f"i{i}", "mark": f"MK-{i}", "name": f"甲{i}"} for i in range(3)))
    yard.deliver("broker", "2024-02-03", {"id": "b4", "mark": "MK-4", "owner": "乙"})
    yard.release()
    return yard


def test_a_shown_value_has_its_state_and_its_losers(harbour: Yard) -> None:
    with harbour.ask() as release:
        shown = release.show(harbour.id_of("registry", "r0"))["fields"]
    assert {name: one["state"] for name, one in shown.items()} == {
        "mark": "agreed",
        "name": "disputed",
        "owner": "single_source",
    }
    loser = {"source": "harbour", "source_key": "h0", "said": "乙0", "observed_on": "2024-02-01"}
    assert [one["losers"] for one in shown.values()] == [[], [loser], []]
    printed = CliRunner().invoke(app, ["show", harbour.id_of("registry", "r0"), "--workspace", str(harbour.ws.root)])
    assert "disputed" in printed.stdout and "≠" in printed.stdout and "乙0" not in printed.stdout


def test_an_audit_refuses_a_value_without_a_state(harbour: Yard) -> None:
    text = (Path(__file__).parents[2] / "golden_records/audits/verification.sql").read_text("utf-8")
    with harbour.open() as con:
        use_entity(con, "ship")
        assert con.execute(text.rstrip().rstrip(";")).fetchall() == []
        for fault in ("state = null", "state = 'well'", "state = 'disputed'"):
            con.begin()
            con.execute(f"update provenance set {fault} where field = 'mark' and source_key = 'r4'")
            assert len(con.execute(text.rstrip().rstrip(";")).fetchall()) == 1, fault
            con.rollback()


def test_trust_counts_who_lost_between_independent_sources(harbour: Yard) -> None:
    with harbour.ask() as release:
        found = trust(release, SHIPS)
    told = {
        one["field"]: [(said["source"], said["rank"], said["won"], said["lost"]) for said in one["sources"]]
        for one in found
    }
    assert told == {
        "name": [("harbour", None, 1, 3), ("insurer", None, 3, 0), ("registry", None, 3, 1)],
        "owner": [("registry", 2, 1, 0), ("broker", None, 0, 1)],
    }
    assert all(one["low"] <= one["share"] <= one["high"] for told in found for one in told["sources"])
    printed = CliRunner().invoke(app, ["trust", "ship", "--workspace", str(harbour.ws.root)])
    assert printed.exit_code == 0 and "insurer" in printed.stdout
    asked = CliRunner().invoke(app, ["trust", "ship", "--json", "--workspace", str(harbour.ws.root)])
    assert '"proposed"' in asked.stdout


def test_a_proposed_order_moves_only_what_intervals_separate() -> None:
    assert propose({"a": (0.1, 0.3), "b": (0.2, 0.4), "c": (0.0, 0.1)}) == ["a", "c", "b"]
    assert propose({"a": (0.5, 0.6), "b": (0.1, 0.2), "c": (0.15, 0.55)}) == ["b", "a", "c"]
    assert propose({"a": (0.0, 1.0), "b": (0.0, 0.01)}) == ["a", "b"], "nothing is known of a"
    assert propose({}) == []


# ── regions ─────────────────────────────────────────────────────────────────────────────────────────

REGIONAL = [
    {"fields": ["name"], "order": ["registry", "harbour"], "since": date(2000, 1, 1), "basis": "law"},
    {"fields": ["name"], "order": ["harbour"], "regions": ["33"], "since": date(2001, 1, 1), "until": date(2025, 1, 1)},
    {"fields": ["name"], "order": ["insurer", "harbour"], "regions": ["3301", "35"], "since": date(2002, 1, 1)},
    {
        "fields": ["name"],
        "order": ["broker"],
        "regions": ["3301"],
        "since": date(2024, 1, 1),
        "until": date(2024, 2, 1),
    },
]


def regional(**entity: Any) -> EntityRules:
    """The rules of ships whose port is a code, with an authority matrix by region."""
    return ship(SHIP, {"region": "port__key", **entity}, known() | {"authority": REGIONAL})


@pytest.mark.parametrize(
    ("region", "day", "leads"),
    [
        (None, DAY, "registry"),
        ("1101", DAY, "registry"),
        ("3302", DAY, "harbour"),
        ("330199", DAY, "insurer"),
        ("3501", DAY, "insurer"),
        ("330199", date(2024, 1, 15), "broker"),
        ("3302", date(2025, 1, 1), "registry"),
        ("3302", date(2000, 6, 1), "registry"),
        ("3302", date(1999, 1, 1), None),
    ],
)
def test_the_smallest_region_counts_then_the_youngest_row(region: str | None, day: date, leads: str | None) -> None:
    sources = regional().sources
    assert lead(sources, ["name"], day, region) == leads
    ranks = authority(sources, ["name"], day, region)
    assert leads is None or ranks[leads] == 0
    assert (in_force(sources, ["name"], day, region) is None) == (leads is None)


@pytest.mark.parametrize(
    ("port", "day", "value", "state"),
    [
        ("1101", DAY, "甲", "disputed"),
        ("3302", DAY, "乙", "disputed"),
        ("3302", date(2024, 12, 31), "乙", "disputed"),
        ("3302", date(2025, 1, 1), "甲", "disputed"),
        ("330101", DAY, "丙", "disputed"),
    ],
)
def test_who_leads_in_a_region_wins_there_from_the_day_on(port: str, day: date, value: str, state: str) -> None:
    rows = [
        record("registry", "1", name="甲", port=port),
        record("harbour", "2", name="乙", port="1101"),
        record("insurer", "3", name="丙", port=port),
    ]
    con = verified(rows, regional(), as_of=day)
    assert con.execute("select value, state from provenance where field = 'name'").fetchall() == [(value, state)]


def test_the_lead_of_the_region_confirms() -> None:
    for port, state in (("3302", "confirmed"), ("1101", "agreed"), ("330101", "agreed"), (None, "agreed")):
        rows = [record("harbour", "1", name="甲", port=port), record("broker", "2", name="甲")]
        assert states(rows, regional())["name"] == state


def test_the_region_is_the_one_that_most_records_name_then_the_last_named() -> None:
    rows = [
        record("registry", "1", "2024-01-01", name="甲", port="1101"),
        record("harbour", "2", "2024-02-01", name="乙", port="3302"),
    ]
    con = verified(rows, regional())
    assert con.execute("select region from place").fetchall() == [("3302",)]
    con = verified([*rows, record("insurer", "3", "2023-01-01", name="丙", port="1101")], regional())
    assert con.execute("select region from place").fetchall() == [("1101",)]


def test_the_matrix_tells_who_leads_where_and_on_what_ground() -> None:
    found = [one for one in matrix(regional(), DAY) if one["field"] == "name"]
    assert [(one["regions"], one["lead"]["source"], [o["source"] for o in one["order"]]) for one in found] == [
        ([], "registry", ["harbour"]),
        (["33"], "harbour", []),
        (["3301", "35"], "insurer", ["harbour"]),
    ]
    assert (found[0]["since"], found[0]["basis"], found[1]["until"]) == ("2000-01-01", "law", "2025-01-01")
    assert found[0]["lead"]["owner"] == "海事局" and found[0]["lead"]["provenance_class"] == "collected"
    assert [one["lead"] for one in matrix(regional(), DAY) if one["field"] == "flag"] == [None]


def test_the_command_prints_the_matrix_of_a_day(harbour: Yard) -> None:
    here = ["--workspace", str(harbour.ws.root)]
    printed = CliRunner().invoke(app, ["authority", "ship", "--at", "2023-01-01", *here])
    assert printed.exit_code == 0 and "海事局" in printed.stdout and "nobody" in printed.stdout
    asked = CliRunner().invoke(app, ["authority", "ship", "--at", "2023-01-01", "--json", *here])
    assert '"until": "2024-01-01"' in asked.stdout


# ── what a check of the rules says ──────────────────────────────────────────────────────────────────


def doubts(*rows: dict[str, Any]) -> list[str]:
    """The notes about the fields `name` and `flag` of ships with these rows in the authority matrix."""
    one = ship(SHIP, {"region": "port__key"}, known() | {"authority": list(rows)})
    rules = Rules(folder=SHIP.parent, entities={"ship": one}, sha256="")
    return [str(problem) for problem in warnings(rules) if "name" in str(problem)]


def row(*order: str, **said: Any) -> dict[str, Any]:
    return {"fields": ["name"], "order": order or ("registry",), **said}


def test_gaps_in_the_matrix_are_told() -> None:
    assert doubts(row()) == []
    assert doubts() == ["ship/sources.toml: name: no lead source in the authority matrix"]
    assert doubts(row(regions=["33"])) == ["ship/sources.toml: name: no lead source outside the regions 33"]
    assert doubts(row(until=date(2024, 1, 1))) == ["ship/sources.toml: name: no lead source from 2024-01-01 on"]
    parted = [row(until=date(2024, 1, 1)), row(since=date(2024, 2, 1))]
    assert doubts(*parted) == ["ship/sources.toml: name: no lead source from 2024-01-01 until 2024-02-01"]
    assert doubts(row(until=date(2024, 1, 1)), row(since=date(2024, 1, 1))) == []


def test_overlaps_in_the_matrix_are_told_region_by_region() -> None:
    said = "ship/sources.toml: authority.1: overlaps an earlier row for name"
    assert doubts(row(), row()) == [said]
    assert doubts(row(), row(regions=["33"])) == []
    assert doubts(row(), row(regions=["33"]), row(regions=["3301"])) == []
    assert doubts(row(), row(regions=["33", "35"]), row(regions=["35"])) == [said.replace(".1", ".2") + " in 35"]
    assert doubts(row(), row(regions=["33"], until=date(2024, 1, 1)), row(regions=["33"], since=date(2024, 1, 1))) == []


def test_the_command_notes_gaps_and_overlaps(tmp_path: Path) -> None:
    ws = Workspace.create(tmp_path / "ws", "07", RULES)
    path = ws.rules_folder / "ship" / "sources.toml"
    rows = """
[[authority]]
fields = ["flag"]
order = ["registry"]
until = 2024-01-01

[[authority]]
fields = ["flag"]
order = ["harbour"]
since = 2023-06-01
until = 2024-02-01
"""
    path.write_text(path.read_text("utf-8") + rows, "utf-8")
    done = CliRunner().invoke(app, ["rules", "check", "--workspace", str(ws.root), "--json"])
    assert done.exit_code == 0, done.stderr
    notes = [note for note in json.loads(done.stdout)["notes"] if "flag" in note]
    assert notes == [
        "ship/sources.toml: flag: no lead source from 2024-02-01 on",
        "ship/sources.toml: authority.3: overlaps an earlier row for flag",
    ]
    assert all(f"note: {note}" in done.stderr for note in notes)


def test_regions_need_to_know_where_a_record_is() -> None:
    one = ship(SHIP, {}, known() | {"authority": [row(regions=["33"])]})
    assert any("authority.0.regions: needs `region`" in str(problem) for problem in within(one))
    one = ship(SHIP, {"region": "prot__key", "verification": {"quorum": {"nmae": 2}, "ignore": ["flga"]}}, known())
    told = [str(problem) for problem in within(one)]
    assert [line.split(": ")[1] for line in told] == ["region", "verification.quorum", "verification.ignore"]


def test_the_states_are_those_of_the_audit() -> None:
    text = (Path(__file__).parents[2] / "golden_records/audits/verification.sql").read_text("utf-8")
    assert all(f"'{state}'" in text for state in STATES)
