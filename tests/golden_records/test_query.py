"""Asking a release: show and find, old ids and old values, another release, another day."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from golden_records.ids import golden_id
from golden_records.query import Release
from linkage.values import keys_of
from rules.errors import NotFoundError
from tests.golden_records.things import Row, Yard
from tests.told import Told


def show(told: Told, one: str, release: int | None = None, as_of: date | None = None) -> Row:
    """The `show` document of an id."""
    with told.yard.ask(release) as published:
        return published.show(one, as_of)


def find(told: Told, field: str, value: str, release: int | None = None) -> list[str]:
    """The ids that a typed-in value finds."""
    rules = told.yard.ws.load_rules().entities["ship"]
    with told.yard.ask(release) as published:
        keys = keys_of(rules, told.yard.ws.rules_folder, field, value, published.manifest.as_of)
        return [str(row["golden_id"]) for row in published.find_value("ship", field, value, keys)]


# ── show ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_golden_record_shows_every_value_with_its_source_and_who_agrees_and_differs(told: Told) -> None:
    one = told.now["registry", "r0"]
    registry, harbour = {"source": "registry", "source_key": "r0"}, {"source": "harbour", "source_key": "h0"}
    shown = show(told, one, release=1)
    alone = {"agree": [], "differ": [], "state": "single_source", "losers": []}
    both = {"rule": "unanimous", "agree": ["registry"], "differ": [], "state": "agreed", "losers": []}
    loser = {**registry, "said": "甲", "observed_on": "2024-01-31"}
    disputed = {"agree": [], "differ": ["registry"], "state": "disputed", "losers": [loser]}
    assert shown == {
        "golden_id": one,
        "entity": "ship",
        "status": "active",
        "redirected_from": None,
        "fields": {
            "mark": {"value": "mk-0", **harbour, **both},
            "name": {"value": "海鸥", **harbour, **both},
            "owner": {"value": "乙", **harbour, "rule": "authority", **disputed},
            "radio": {"value": "13912345678", **registry, "rule": "sole", **alone},
            "port": {"value": "舟山", **harbour, "rule": "sole", **alone},
            "berth": {"value": "七号", **harbour, "rule": "sole", **alone},
            "built": {"value": "1999-05-04", **registry, "rule": "sole", **alone},
        },
        "members": [harbour, registry],
        "history": [
            {
                "field": "owner",
                "value": "甲",
                "valid_from": "2024-01-31",
                "last_seen": "2024-01-31",
                "valid_to": "2024-02-01",
            },
            {
                "field": "owner",
                "value": "乙",
                "valid_from": "2024-02-01",
                "last_seen": "2024-02-01",
                "valid_to": None,
            },
            {"event": "created", "seq": 1, "golden_id": one, "into_id": None, "release": 1, "at": "2024-02-15"},
        ],
    }
    assert json.loads(json.dumps(shown)) == shown


@pytest.mark.parametrize(
    ("day", "owner"),
    [("2024-01-30", None), ("2024-01-31", "甲"), ("2024-02-01", "乙"), ("2024-12-31", "乙")],
)
def test_as_of_a_day_the_value_that_held_then_is_shown(told: Told, day: str, owner: str | None) -> None:
    fields = show(told, told.now["registry", "r0"], release=1, as_of=date.fromisoformat(day))["fields"]
    assert fields.get("owner", {"value": None})["value"] == owner


def test_a_release_says_what_was_published_then(told: Told) -> None:
    one = told.now["registry", "r0"]
    built = [show(told, one, release)["fields"]["built"]["value"] for release in (1, 2, None)]
    assert built == ["1999-05-04", "1999-05-05", "1999-05-05"]
    gone = told.first["registry", "r4"]
    assert [show(told, gone, release)["status"] for release in (1, 2)] == ["active", "retired"]


def test_a_merged_id_answers_with_its_heir_and_says_so(told: Told) -> None:
    old, heir = told.first["registry", "r2"], told.now["registry", "r1"]
    assert show(told, old) == show(told, heir) | {"redirected_from": old}
    assert show(told, old, release=1)["redirected_from"] is None
    assert [one["source_key"] for one in show(told, old)["members"]] == ["r1", "r2", "r5"]


def test_an_id_that_was_split_answers_with_itself_and_its_successors(told: Told) -> None:
    was, half = told.first["registry", "r3"], told.now["registry", "r3"]
    shown = show(told, was)
    assert (shown["golden_id"], shown["successors"], shown["status"]) == (was, [half], "active")
    assert "successors" not in show(told, half)


def test_a_retired_id_answers_without_members(told: Told) -> None:
    shown = show(told, told.first["registry", "r4"])
    assert (shown["status"], shown["members"], shown["fields"], shown["successors"]) == ("retired", [], {}, [])
    assert [item["event"] for item in shown["history"]] == ["created", "retired"]


def test_the_history_of_an_id_tells_what_merged_into_it(told: Told) -> None:
    heir = told.now["registry", "r1"]
    events = [(item["event"], item["into_id"]) for item in show(told, heir)["history"] if "event" in item]
    assert events.count(("merged", heir)) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("S0700000000016", "no golden id"),
        ("anything", "no golden id"),
        ("", "no golden id"),
        (golden_id("S", "07", 999), "was not issued up to release 3"),
        (golden_id("S", "08", 1), "was not issued up to release 3"),
        (golden_id("X", "07", 1), "no entity type of this release has the prefix 'X'"),
    ],
)
def test_an_id_that_nobody_issued_is_not_found(told: Told, wrong: str, said: str) -> None:
    with pytest.raises(NotFoundError, match=said):
        show(told, wrong)


def test_an_id_is_unknown_to_the_releases_before_it(told: Told) -> None:
    with pytest.raises(NotFoundError, match="was not issued up to release 1"):
        show(told, told.now["registry", "r3"], release=1)


# ── find ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_source_key_finds_the_ship_that_holds_it(told: Told) -> None:
    with told.yard.ask() as published:
        for (source, key), one in told.now.items():
            assert published.find("ship", source, key) == [{"golden_id": one, "entity": "ship"}]
        assert published.find("ship", "registry", "r9") == []
        assert published.find("boat", "registry", "r0") == []


def test_a_withdrawn_source_key_finds_the_ship_it_was_in(told: Told) -> None:
    with told.yard.ask() as published:
        assert [one["golden_id"] for one in published.find("ship", "registry", "r4")] == [told.first["registry", "r4"]]


def test_an_identifier_finds_every_member_however_it_is_written(told: Told) -> None:
    heir = told.now["registry", "r1"]
    for mark in ("MK-2", "mk-2", "ＭＫ-2", " Mk-2 "):
        assert find(told, "mark", mark) == [heir], "the mark of a member that is not the golden value"
    assert find(told, "mark", "MK-2", release=1) == [told.first["registry", "r2"]]
    assert find(told, "mark", "MK-9") == []


def test_another_field_finds_published_values_past_ones_with_history_too(told: Told) -> None:
    one = told.now["registry", "r0"]
    assert [find(told, "owner", owner, release=1) for owner in ("甲", "乙", "丙")] == [[one], [one], []]
    found = [find(told, "owner", owner) for owner in ("甲", "乙", "丙")]
    assert found == [[one], [one], []], "the harbour leads with 乙"
    assert find(told, "radio", "139-1234-5678") == [one]


def test_several_ships_with_one_value_are_all_found_in_order(told: Told) -> None:
    assert find(told, "name", "长江") == sorted({told.now["registry", "r3"], told.now["harbour", "h3"]})


def test_an_entity_type_that_the_release_lacks_is_named(told: Told) -> None:
    with told.yard.ask() as published, pytest.raises(NotFoundError, match="no entity type 'boat'"):
        published.find_value("boat", "name", "x")


def test_the_richest_ship_is_the_one_that_most_sources_hold(told: Told) -> None:
    with told.yard.ask() as published:
        assert published.richest("ship") == {
            "golden_id": told.now["registry", "r0"],
            "source": "harbour",
            "source_key": "h0",
            "sources": 2,
        }


# ── changes ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_follower_that_asks_again_gets_only_what_is_new(told: Told) -> None:
    with told.yard.ask() as published:
        everything = list(published.changes())
        for seen in (0, 1, 5, len(everything) - 1, len(everything)):
            assert list(published.changes(since=seen)) == everything[seen:]
        assert list(published.changes(entity="ship")) == everything
        assert list(published.changes(entity="boat")) == []
    with told.yard.ask(2) as published:
        assert list(published.changes()) == [event for event in everything if event["release"] <= 2]


def test_a_follower_of_events_alone_knows_which_ids_live(told: Told) -> None:
    living: set[str] = set()
    with told.yard.ask() as published:
        for event in published.changes():
            one, kind = event["golden_id"], event["kind"]
            if kind in ("created", "revived"):
                living.add(one)
            elif kind in ("merged", "retired") or (kind == "split" and one not in set(told.now.values())):
                living.discard(one)
    assert living == set(told.now.values())


# ── releases ────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_published_is_not_found(told: Told, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no release 9"):
        told.yard.ask(9)
    with pytest.raises(NotFoundError, match="nothing is published yet"):
        Yard.create(tmp_path / "ws").ask()
    with pytest.raises(NotFoundError, match="no release"):
        Release(tmp_path)
