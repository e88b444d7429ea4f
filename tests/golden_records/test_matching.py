"""Search before create over published releases: the answers, and how the match index gets into a release."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from golden_records.match_index import MATCH, RULES
from golden_records.matching import Matcher, read_ahead
from golden_records.query import Release
from rules.errors import NotFoundError
from tests.deliveries import SECOND, SECOND_DAY, deliver, first_release, publish, run, said

WOMAN = {"name": "沈青禾", "birth_date": "1985-03-12", "citizen_id": "880101198503120023"}
IN_DOUBT = {"name": "温如玉", "birth_date": "1972-07-07", "citizen_id": "880101197207070063", "phone": "15400000005"}
NOBODY = {"name": "宇文拓", "birth_date": "1911-01-01"}


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with three releases: the first year, the second year, and the first one rolled back to."""
    folder = tmp_path_factory.mktemp("matching")
    first_release(tmp_path_factory, folder / "ws")
    run("load", deliver(folder / "second", SECOND), "--workspace", folder / "ws")
    publish(folder / "ws", SECOND_DAY)
    run("rollback", 1, "--yes", "--as-of", "2025-02-28", "--workspace", folder / "ws")
    return folder / "ws"


@contextmanager
def matcher(ws: Path, release: int) -> Iterator[Matcher]:
    with Release.of(ws / "releases", release) as published:
        asked = Matcher(published)
        try:
            yield asked
        finally:
            asked.close()


def test_who_is_published_is_found_with_every_record_and_why(ws: Path) -> None:
    with matcher(ws, 1) as asked:
        found = asked.match("person", WOMAN)
        assert (found.answer, found.release) == ("existing", 1)
        (one,) = found.found
        assert set(one.records) == {("civil_registry", "C01"), ("social_assistance", "S01"), ("marriage", "M01")}
        assert one.levels["name"][0] == one.levels["citizen_id"][0] == "exact"
        assert asked.release.find("person", "civil_registry", "C01")[0]["golden_id"] == one.golden_id


def test_what_a_guard_holds_back_is_a_question_for_a_steward(ws: Path) -> None:
    with matcher(ws, 1) as asked:
        found = asked.match("person", IN_DOUBT)
        assert found.answer == "steward"
        assert {one.verdict for one in found.found} == {"guard"}


def test_who_comes_near_nobody_is_new(ws: Path) -> None:
    with matcher(ws, 1) as asked:
        assert asked.match("person", NOBODY).document() == {"answer": "new", "release": 1, "candidates": []}


def test_a_release_answers_of_what_it_holds(ws: Path) -> None:
    """C08 comes in the second year, S06 goes; the third release is the first one again."""
    newcomer = {"name": "简一鸣", "birth_date": "2001-09-09", "citizen_id": "880101200109090014"}
    leaver = {"name": "邱望山", "birth_date": "1966-06-06", "citizen_id": "880101196606060036"}
    for release, answers in ((1, ("new", "existing")), (2, ("existing", "new")), (3, ("new", "existing"))):
        with matcher(ws, release) as asked:
            assert (asked.match("person", newcomer).answer, asked.match("person", leaver).answer) == answers, release


def test_what_did_not_change_is_linked_into_the_next_release(ws: Path) -> None:
    base = Path("person") / MATCH / "0" / "columns.arrow"
    first, third = (ws / "releases" / n / base for n in "13")
    assert os.path.samefile(first, third)
    rules = Path(RULES) / "person/entity.toml"
    assert os.path.samefile(ws / "releases/1" / rules, ws / "releases/2" / rules)


def test_rules_that_were_edited_since_do_not_matter_to_a_release(ws: Path) -> None:
    path = ws / "rules/person/entity.toml"
    before = path.read_text("utf-8")
    path.write_text("broken", "utf-8")
    try:
        assert said("match", "person", "name=沈青禾", "citizen_id=880101198503120023", "-w", ws)["answer"] == "existing"
    finally:
        path.write_text(before, "utf-8")


def test_a_record_may_come_on_stdin(ws: Path) -> None:
    found = said("match", "person", "-w", ws, stdin='{"name": "宇文拓", "birth_date": null}')
    assert found["answer"] == "new"


def test_an_unknown_entity_type_and_a_release_without_an_index_are_told(ws: Path) -> None:
    with matcher(ws, 1) as asked:
        with pytest.raises(NotFoundError, match="no entity type 'dog'; it has committee"):
            asked.match("dog", {})
        (ws / "releases/1" / RULES).rename(ws / "aside")
        try:
            with pytest.raises(NotFoundError, match="publish again"):
                asked.match("committee", {})
        finally:
            (ws / "aside").rename(ws / "releases/1" / RULES)


def test_what_is_searched_is_read_ahead_as_far_as_there_is_room(ws: Path) -> None:
    release = ws / "releases/1"
    index = [path.stat().st_size for path in release.glob(f"*/{MATCH}/**/*.arrow")]
    whole = sum(index) + (release / "lookup.sqlite").stat().st_size
    assert read_ahead(release) == whole
    assert read_ahead(release, whole - 1) == sum(index)
    assert read_ahead(release, 0) == 0
