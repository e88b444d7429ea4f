"""Survivorship: literal records in, literal golden values out, and what holds for any records at all."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden_records.preferences import authority, choices, voices
from rules.errors import RulesError
from tests.golden_records.things import DAY, SHIP, Row, only, record, ship, survived, told

RULES = ship(SHIP)
BY_ORDER = {"title": {"zh": "源", "en": "source"}, "owner": "x", "key": ["id"], "columns": {}, "delivery": "delta"}


def preferring(*order: str, **fields: list[str]) -> dict[str, Any]:
    """The survivorship section with another default order, and with orders of some fields."""
    return {"survivorship": {"default": list(order), "fields": fields}}


def values(records: list[Row], field: str, **options: Any) -> list[tuple[Any, ...]]:
    """The published values of a field under the rules of ships: value, source, source_key, rule."""
    return told(chosen(records, **options), field)


def chosen(records: list[Row], **options: Any) -> duckdb.DuckDBPyConnection:
    """The database in which literal records of ships were chosen from; fields that no record names are left out."""
    return survived(only(RULES, *sorted({name for one in records for name in one["values"]})), records, **options)


def opinions(records: list[Row], field: str) -> list[tuple[Any, ...]]:
    """Who agrees with the current value of a field and who differs."""
    con = chosen(records)
    return con.execute(
        "select value, agree, differ from provenance where field = ? and valid_to is null order by golden_id", [field]
    ).fetchall()


# ── one value, one record ───────────────────────────────────────────────────────────────────────────


def test_a_value_that_one_record_gives_is_sole() -> None:
    assert values([record("registry", "1", name="甲"), record("harbour", "2", flag="中国")], "name") == [
        ("甲", "registry", "1", "sole")
    ]


def test_a_value_that_all_records_give_is_unanimous_and_comes_from_the_first_of_them() -> None:
    rows = [record("registry", "1", name="甲"), record("harbour", "2", name="甲"), record("insurer", "3")]
    assert values(rows, "name") == [("甲", "harbour", "2", "unanimous")]
    assert opinions(rows, "name") == [("甲", ["registry"], [])]


def test_values_that_differ_only_in_width_are_one_value() -> None:
    rows = [record("registry", "1", name="ＡＢ １号"), record("harbour", "2", name="ab 1号")]
    assert values(rows, "name") == [("ab 1号", "harbour", "2", "unanimous")]


def test_each_field_may_come_from_another_record() -> None:
    con = chosen([record("registry", "1", name="甲", owner=None), record("harbour", "2", flag="中国")])
    assert con.execute("select name, flag, owner from golden").fetchall() == [("甲", "中国", None)]


def test_ships_do_not_mix() -> None:
    rows = [record("registry", "1", ship="1", name="甲"), record("registry", "2", ship="2", name="乙")]
    assert [value for value, *_ in values(rows, "name")] == ["甲", "乙"]


def test_a_field_that_is_for_matching_only_is_never_published() -> None:
    con = chosen([record("registry", "1", note="内部", name="甲")])
    assert con.execute("select count(*) from provenance where field = 'note'").fetchall() == [(0,)]
    assert "note" not in [row[0] for row in con.execute("describe golden").fetchall()]


# ── authority ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("as_of", "winner"),
    [
        (date(2009, 12, 31), ("丙", "broker", "1", "recency")),
        (date(2010, 1, 1), ("甲", "registry", "2", "authority")),
        (date(2023, 12, 31), ("甲", "registry", "2", "authority")),
        (date(2024, 1, 1), ("乙", "harbour", "3", "authority")),
        (date(2030, 1, 1), ("乙", "harbour", "3", "authority")),
    ],
)
def test_the_lead_source_is_the_one_in_force_on_the_day(as_of: date, winner: tuple[str, ...]) -> None:
    shared = {"broker": {**broker(), "provenance_class": "shared"}}
    rules = ship(SHIP, preferring("authority", "recency") | plain("owner"), sources(shared))
    rows = [
        record("broker", "1", "2003-01-01", owner="丙"),
        record("registry", "2", "2002-01-01", owner="甲"),
        record("harbour", "3", "2001-01-01", owner="乙"),
    ]
    assert told(survived(rules, rows, as_of), "owner") == [winner]


def test_of_two_rows_in_force_the_younger_counts_and_none_after_its_end() -> None:
    matrix = [
        {"fields": ["name"], "order": ["registry"], "since": date(2000, 1, 1)},
        {"fields": ["name"], "order": ["insurer"], "since": date(2020, 1, 1)},
        {"fields": ["name"], "order": ["harbour"]},
        {"fields": ["port"], "order": ["mirror"], "until": date(2020, 1, 1)},
    ]
    known = ship(SHIP, sources={"authority": matrix}).sources
    assert authority(known, ["name"], date(2019, 1, 1))["registry"] == 0
    assert authority(known, ["name"], date(2021, 1, 1))["insurer"] == 0
    assert authority(known, ["name"], date(1999, 1, 1))["harbour"] == 0
    assert [authority(known, ["port"], day)["harbour"] for day in (date(2019, 12, 31), date(2020, 1, 1))] == [1, 0]


def test_unlisted_sources_follow_the_listed_ones_and_purchased_data_come_last() -> None:
    ranks = authority(RULES.sources, ["owner"], DAY)
    assert ranks == {"harbour": 0, "registry": 1, "insurer": 2, "mirror": 2, "broker": 3}
    assert set(authority(RULES.sources, ["name"], DAY).values()) == {0, 1}, "no lead: only purchased data stand back"


# ── validity, agreement, recency, completeness ──────────────────────────────────────────────────────


def test_a_valid_number_beats_a_later_malformed_one() -> None:
    rows = [record("harbour", "1", "2020-01-01", radio="13912345678"), record("insurer", "2", radio="12")]
    assert values(rows, "radio") == [("13912345678", "harbour", "1", "validity")]


def test_agreement_counts_sources() -> None:
    rows = [
        record("harbour", "1", name="甲"),
        record("insurer", "2", name="乙"),
        record("registry", "3", name="乙"),
    ]
    assert values(rows, "name") == [("乙", "insurer", "2", "agreement")]
    assert opinions(rows, "name") == [("乙", ["registry"], ["harbour"])]


def test_a_copy_of_a_source_is_no_second_voice() -> None:
    rows = [
        record("harbour", "1", name="甲"),
        record("mirror", "2", name="乙"),
        record("registry", "3", name="乙"),
    ]
    assert values(rows, "name") == [("甲", "harbour", "1", "order")]


def test_many_records_of_one_source_are_one_voice() -> None:
    rows = [record("harbour", "1", name="甲"), *(record("insurer", str(i), name="乙") for i in range(2, 6))]
    assert values(rows, "name") == [("甲", "harbour", "1", "order")]


def test_majority_counts_records_of_whichever_source() -> None:
    rows = [record("harbour", "1", name="甲"), *(record("insurer", str(i), name="乙") for i in range(2, 4))]
    by_majority = ship(SHIP, preferring("majority"))
    assert told(survived(only(by_majority, "name"), rows), "name") == [("乙", "insurer", "2", "majority")]
    level = ship(SHIP, preferring("agreement", "majority"))
    rows.append(record("registry", "4", name="甲"))
    assert told(survived(only(level, "name"), rows), "name") == [("甲", "harbour", "1", "agreement")]


def test_a_copy_of_a_copy_speaks_with_the_voice_of_the_original() -> None:
    known = sources({"broker": {**broker(), "derived_from": "mirror"}})
    assert voices(ship(SHIP, sources=known).sources) == {
        "registry": "registry",
        "harbour": "harbour",
        "insurer": "insurer",
        "mirror": "registry",
        "broker": "registry",
    }


def test_the_latest_observation_wins_where_nothing_else_decides() -> None:
    rows = [record("harbour", "1", "2020-01-01", name="甲"), record("insurer", "2", "2021-01-01", name="乙")]
    assert values(rows, "name") == [("乙", "insurer", "2", "recency")]


def test_a_field_may_prefer_recency_to_authority() -> None:
    rows = [record("harbour", "1", "2020-01-01", flag="甲"), record("broker", "2", "2021-01-01", flag="乙")]
    assert values(rows, "flag") == [("乙", "broker", "2", "recency")]
    assert values([{**one, "values": {"name": one["values"]["flag"]}} for one in rows], "name") == [
        ("甲", "harbour", "1", "authority")
    ]


def test_of_a_group_the_more_complete_record_wins_and_gives_every_part() -> None:
    rows = [
        record("harbour", "1", port="舟山"),
        record("insurer", "2", port="宁波", berth="七号"),
    ]
    assert values(rows, "port") == [("宁波", "insurer", "2", "completeness")]
    assert values(rows, "berth") == [("七号", "insurer", "2", "completeness")]


def test_a_group_never_mixes_records_even_where_its_winner_lacks_a_part() -> None:
    rows = [
        record("harbour", "1", "2021-01-01", port="舟山"),
        record("insurer", "2", "2020-01-01", port="宁波", berth="七号"),
    ]
    con = chosen(rows)
    assert con.execute("select port, berth from golden").fetchall() == [("舟山", None)]


# ── ties ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_last_ties_are_source_then_key_then_content() -> None:
    by_source = [record("insurer", "1", name="甲"), record("harbour", "9", name="乙")]
    assert values(by_source, "name") == [("乙", "harbour", "9", "order")]
    by_key = [record("harbour", "9", name="甲"), record("harbour", "10", name="乙")]
    assert values(by_key, "name") == [("乙", "harbour", "10", "order")]
    by_content = [record("harbour", "1", name="乙"), record("harbour", "1", name="甲")]
    assert values(by_content, "name")[0][1:] == ("harbour", "1", "order")
    assert values(by_content, "name") == values(by_content[::-1], "name")


# ── stewards ────────────────────────────────────────────────────────────────────────────────────────


def test_a_stewards_choice_of_record_goes_before_every_preference() -> None:
    rows = [record("harbour", "1", owner="甲"), record("broker", "2", "2001-01-01", owner="乙")]
    assert values(rows, "owner", decided=[(("broker", "2"), "owner")])[-1] == (
        "乙",
        "broker",
        "2",
        "steward_decision",
    )


def test_a_stewards_last_word_counts() -> None:
    rows = [record("harbour", "1", name="甲"), record("insurer", "2", name="乙"), record("registry", "3", name="丙")]
    first, last = ((("registry", "3"), "name"), (("insurer", "2"), "name"))
    assert values(rows, "name", decided=[first, last]) == [("乙", "insurer", "2", "steward_decision")]
    assert values(rows, "name", decided=[last, first]) == [("丙", "registry", "3", "steward_decision")]


def test_a_stewards_choice_rests_while_the_record_says_nothing() -> None:
    rows = [record("harbour", "1", name="甲"), record("insurer", "2")]
    for subject in (("insurer", "2"), ("insurer", "gone")):
        assert values(rows, "name", decided=[(subject, "name")]) == [("甲", "harbour", "1", "sole")]


def test_a_stewards_choice_says_who_agrees_with_it() -> None:
    rows = [record("harbour", "1", name="甲"), record("insurer", "2", name="乙"), record("registry", "3", name="乙")]
    con = chosen(rows, decided=[(("harbour", "1"), "name")])
    assert con.execute("select value, agree, differ from provenance where field = 'name'").fetchall() == [
        ("甲", [], ["insurer", "registry"])
    ]


# ── history ─────────────────────────────────────────────────────────────────────────────────────────


def periods(records: list[Row], field: str = "owner") -> list[tuple[Any, ...]]:
    """The periods of a field with history: value, first day, last day seen, day of the next value."""
    found = chosen(records).execute(
        "select value, valid_from::varchar, last_seen::varchar, valid_to::varchar from provenance where field = ? "
        "order by golden_id, valid_from",
        [field],
    )
    return found.fetchall()


def test_a_field_with_history_keeps_each_value_with_its_days() -> None:
    rows = [
        record("registry", "1", "2020-01-01", owner="甲"),
        record("registry", "2", "2021-01-01", owner="甲"),
        record("registry", "3", "2022-01-01", owner="乙"),
        record("registry", "4", "2022-06-30", owner="乙"),
        record("registry", "5", "2023-01-01", owner="甲"),
    ]
    assert periods(rows) == [
        ("甲", "2020-01-01", "2021-01-01", "2022-01-01"),
        ("乙", "2022-01-01", "2022-06-30", "2023-01-01"),
        ("甲", "2023-01-01", "2023-01-01", None),
    ]
    con = chosen(rows)
    assert con.execute("select owner from golden").fetchall() == [("甲",)]


def test_on_one_day_the_better_source_speaks_for_the_period() -> None:
    rows = [
        record("registry", "1", "2020-01-01", owner="甲"),
        record("registry", "2", "2021-01-01", owner="乙"),
        record("harbour", "3", "2021-01-01", owner="丙"),
    ]
    assert [row[0] for row in periods(rows)] == ["甲", "丙"]
    assert values(rows, "owner")[-1] == ("丙", "harbour", "3", "authority")


def test_a_stewards_choice_is_the_current_value_and_leaves_the_past_alone() -> None:
    rows = [
        record("registry", "1", "2020-01-01", owner="甲"),
        record("registry", "2", "2021-01-01", owner="乙"),
        record("insurer", "3", "2019-01-01", owner="丙"),
    ]
    assert values(rows, "owner", decided=[(("insurer", "3"), "owner")]) == [
        ("丙", "insurer", "3", "recency"),
        ("甲", "registry", "1", "authority"),
        ("丙", "insurer", "3", "steward_decision"),
    ]


def test_a_value_that_never_changed_has_one_open_period() -> None:
    rows = [record("registry", "1", "2020-01-01", owner="甲"), record("harbour", "2", "2021-01-01", owner="甲")]
    assert periods(rows) == [("甲", "2020-01-01", "2021-01-01", None)]


def test_a_field_without_history_keeps_the_current_value_alone() -> None:
    rows = [record("harbour", "1", "2020-01-01", name="甲"), record("harbour", "2", "2021-01-01", name="乙")]
    assert [row[0] for row in periods(rows, "name")] == ["乙"]


def test_agreement_within_a_period_is_about_its_own_days() -> None:
    rows = [
        record("broker", "1", "2020-01-01", owner="甲"),
        record("insurer", "2", "2020-01-01", owner="甲"),
        record("registry", "3", "2021-01-01", owner="乙"),
    ]
    found = chosen(rows).execute(
        "select value, agree, differ from provenance where field = 'owner' order by valid_from"
    )
    assert found.fetchall() == [("甲", ["broker"], []), ("乙", [], ["broker", "insurer"])]


# ── lifespan ────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_complete_yearly_list_drops_has_ended() -> None:
    yearly = {"registry": {**known()["registry"], "period": "year"}}
    rules = ship(SHIP, sources=sources(yearly))
    rows = [
        record("registry", "1", "2020-01-01", ship="1", name="甲"),
        record("registry", "2", "2021-01-01", ship="1", name="甲"),
        record("registry", "3", "2020-01-01", ship="2", name="乙"),
        record("registry", "4", "2020-01-01", ship="3", name="丙"),
        record("harbour", "5", "2020-01-01", ship="3", name="丙"),
    ]
    found = survived(rules, rows).execute(
        "select name, lifecycle, valid_from::varchar, last_seen::varchar, valid_to::varchar, records from golden "
        "order by name"
    )
    assert sorted(found.fetchall()) == sorted(
        [
            ("甲", "active", "2020-01-01", "2021-01-01", None, 2),
            ("乙", "ended", "2020-01-01", "2020-01-01", "2021-01-01", 1),
            ("丙", "active", "2020-01-01", "2020-01-01", None, 2),
        ]
    )


def test_more_sources_than_can_be_told_apart_are_refused() -> None:
    many = ship(SHIP, sources={"sources": {f"s{i}": BY_ORDER for i in range(127)}, "authority": []})
    with pytest.raises(RulesError, match="at most 126"):
        survived(many, [record("s1", "1", name="甲")])


def test_every_golden_field_is_chosen_once_and_a_group_together() -> None:
    assert [one.fields for one in choices(RULES.entity)] == [
        ("mark",),
        ("name",),
        ("owner",),
        ("radio",),
        ("port", "berth"),
        ("flag",),
        ("built",),
    ]


# ── whatever the records are ────────────────────────────────────────────────────────────────────────

quick = settings(max_examples=5, derandomize=True)
SOURCES = ("registry", "harbour", "insurer", "mirror", "broker")
any_record = st.builds(
    record,
    source=st.sampled_from(SOURCES),
    key=st.sampled_from("1234"),
    day=st.sampled_from(["2019-01-01", "2022-06-30", "2024-01-01"]),
    ship=st.sampled_from("12"),
    name=st.sampled_from([None, "甲", "乙"]),
    owner=st.sampled_from([None, "甲", "乙", "丙"]),
    radio=st.sampled_from([None, "12", "13912345678", "13912345679"]),
    port=st.sampled_from([None, "舟山", "宁波"]),
    berth=st.sampled_from([None, "七号"]),
)
any_records = st.lists(any_record, min_size=1, max_size=8, unique_by=lambda one: (one["source"], one["key"]))
VALUES = "select * exclude (g, record_id) from provenance order by all"


@quick
@given(any_records, st.randoms(use_true_random=False))
def test_the_order_of_loading_changes_no_value(records: list[Row], rng: Any) -> None:
    shuffled = rng.sample(records, len(records))
    one, other = chosen(records), chosen(shuffled)
    for query in (VALUES, "from golden order by golden_id"):
        assert one.execute(query).fetchall() == other.execute(query).fetchall()


@quick
@given(any_records)
def test_every_golden_value_is_the_value_of_the_record_it_names(records: list[Row]) -> None:
    con = chosen(records)
    said = {
        (one["source"], one["key"], field): value for one in records for field, value in one["values"].items() if value
    }
    ships = {(one["source"], one["key"]): one["ship"] for one in records}
    published = con.execute(
        "select golden_id, field, value, source, source_key, valid_to, agree, differ from provenance"
    ).fetchall()
    for _, field, value, source, key, _, agree, differ in published:
        assert said[source, key, field] == value
        assert source not in agree
        assert set(agree) | set(differ) <= {one["source"] for one in records}
    owners = con.execute("select source, source_key, golden_id from crosswalk").fetchall()
    assert len({ships[source, key] for source, key, _ in owners}) == len({golden_id for *_, golden_id in owners})
    belongs = {(source, key): golden_id for source, key, golden_id in owners}
    assert all(belongs[source, key] == golden_id for golden_id, _, _, source, key, *_ in published)
    current = {(golden_id, field): value for golden_id, field, value, _, _, until, *_ in published if until is None}
    filled = {(belongs[source, key], field) for source, key, field in said if field not in ("port", "berth")}
    assert {pair for pair in current if pair[1] not in ("port", "berth")} == filled


@quick
@given(any_records)
def test_who_agrees_and_who_differs_follows_from_the_keys_of_the_records(records: list[Row]) -> None:
    """Whether all records of a golden record agree or not; a value without a key is compared with nothing."""
    con = chosen(records)
    for field in ("name", "radio", "berth"):
        said = con.execute(
            f"select x.golden_id, s.source, s.source_key, s.{field}__key from standard as s "
            "join crosswalk as x using (source, source_key)"
        ).fetchall()
        keys = {(source, key): own for _, source, key, own in said}
        published = con.execute(
            "select golden_id, source, source_key, agree, differ from provenance where field = ?", [field]
        ).fetchall()
        for golden_id, source, key, agree, differ in published:
            own = keys[source, key]
            others = [(one, what) for at, one, _, what in said if at == golden_id and None not in (own, what)]
            assert set(agree) == {one for one, what in others if what == own and one != source}
            assert set(differ) == {one for one, what in others if what != own}


@quick
@given(any_records)
def test_a_group_comes_from_one_record_and_periods_touch_and_never_overlap(records: list[Row]) -> None:
    con = chosen(records)
    parts = con.execute(
        "select golden_id, count(distinct (source, source_key)) from provenance where field in ('port', 'berth') "
        "group by golden_id"
    )
    assert all(count == 1 for _, count in parts.fetchall())
    rows = con.execute(
        "select golden_id, valid_from, last_seen, valid_to, value from provenance where field = 'owner' "
        "order by golden_id, valid_from"
    ).fetchall()
    for (golden_id, since, seen, until, value), following in zip(rows, [*rows, None][1:], strict=True):
        assert since <= seen and (until is None or seen < until)
        if following is not None and following[0] == golden_id:
            assert until == following[1] and value != following[4]
        else:
            assert until is None


# ── rules with one thing changed ────────────────────────────────────────────────────────────────────


def known() -> dict[str, Any]:
    """The source systems of ships as `sources.toml` declares them."""
    return {name: one.model_dump(exclude_defaults=True) for name, one in RULES.sources.sources.items()}


def broker() -> dict[str, Any]:
    """The source that sells data."""
    return {name: value for name, value in known()["broker"].items() if name != "provenance_class"}


def sources(changed: dict[str, Any]) -> dict[str, Any]:
    """The source systems of ships with some of them declared anew."""
    return {"sources": {**known(), **changed}}


def plain(*names: str) -> dict[str, Any]:
    """The fields of ships, those of `names` without history."""
    fields = {name: one.model_dump(exclude_defaults=True) for name, one in RULES.entity.fields.items()}
    return {"fields": {name: one | ({"history": False} if name in names else {}) for name, one in fields.items()}}
