"""Every shipped watch rule, asked of a small delivery with hits and near misses that a person can read.

tests/watch/<rule>/*.csv are delivered files, `expected.toml` says which golden records must be clues, on which
evidence, and which must not, and why. People, numbers (area 88…) and telephones (154…) are nobody's.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golden_records.watch import problems, watch
from linkage.workspace import Workspace
from rules.errors import NotFoundError
from rules.loader import SHIPPED, check, load_rules
from tests.released import golden, opened, take

HERE = Path(__file__).parent
WATCHES = load_rules(SHIPPED).watches


def expectation(rule: str) -> dict[str, Any]:
    """What `expected.toml` of a rule says."""
    return tomllib.loads((HERE / rule / "expected.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Workspace]:
    """Gives the workspace with the delivery of a rule, published once."""
    made: dict[str, Workspace] = {}

    def place(rule: str) -> Workspace:
        if rule not in made:
            made[rule] = Workspace.create(tmp_path_factory.mktemp(rule) / "ws")
            same = [(WATCHES[rule].header.needs[0], pair) for pair in expectation(rule).get("same", [])]
            take(made[rule], (HERE / rule).glob("*.csv"), same=same)
        return made[rule]

    return place


@pytest.mark.parametrize("rule", sorted(WATCHES))
def test_a_rule_finds_its_clues_and_no_near_miss(rule: str, places: Callable[[str], Workspace]) -> None:
    expected, entity = expectation(rule), WATCHES[rule].header.needs[0]
    release, rules = opened(places(rule))
    with release:
        (found,) = watch(release, rules, [rule])
        told = {
            hit["golden_id"]: (hit["since"], ["/".join(one.values()) for one in hit["evidence"]])
            for hit in found["hits"]
        }
        assert {hit["entity"] for hit in found["hits"]} == {entity}
        assert found["count"] == len(found["hits"]) == len(told)
        assert told == {
            golden(release, entity, one["who"]): (one["since"].isoformat(), one["evidence"]) for one in expected["hit"]
        }
        for one in expected["near_miss"]:
            assert golden(release, entity, one["who"]) not in told, one["why"]


@pytest.fixture(scope="module")
def deaths(places: Callable[[str], Workspace]) -> Workspace:
    return places("deceased_on_benefit")


def test_a_clue_is_masked_and_says_how_strong_its_matches_are(deaths: Workspace) -> None:
    release, rules = opened(deaths)
    with release:
        (masked,) = watch(release, rules, ["deceased_on_benefit"])
        (clear,) = watch(release, rules, ["deceased_on_benefit"], clear=True)
        person, household = (
            golden(release, "person", "funeral/F1"),
            golden(release, "household", "assistance_household/JZ1"),
        )
    assert masked["hits"][0]["subject"] == {"name": "吴**", "citizen_id": "8****************8"}
    assert clear["hits"][0]["subject"]["name"] == "吴守成"
    match = {one["golden_id"]: (one["records"], one["weakest_match"]) for one in masked["hits"][0]["match"]}
    # Three records make the person; one alone is the household, so no match stands behind it.
    assert list(match) == [person, household]
    assert match[person][0] == 3 and match[person][1] > 8
    assert match[household] == (1, None)
    assert masked["hits"][0]["weakest_match"] == match[person][1]


def test_hits_are_counted_also_where_they_are_not_listed(deaths: Workspace) -> None:
    release, rules = opened(deaths)
    with release:
        (found,) = watch(release, rules, ["deceased_on_benefit"], limit=1)
        everything = watch(release, rules)
        with pytest.raises(NotFoundError, match="no watch rule 'dead'; the rules have beneficiary_legal"):
            watch(release, rules, ["dead"])
    assert (found["count"], len(found["hits"])) == (2, 1)
    # What a rule needs and nobody published is told: no clue is no acquittal.
    assert {one["rule"]: one["not_published"] for one in everything} == {
        "beneficiary_legal_representative": ["organization"],
        "closed_institution_reports": ["institution"],
        "deceased_on_benefit": [],
        "guardian_died": [],
        "two_assistance_households": [],
        "two_registered_households": [],
    }


def test_every_shipped_rule_has_a_delivery_with_a_near_miss() -> None:
    for rule in WATCHES:
        expected = expectation(rule)
        assert expected["hit"] and expected["near_miss"], rule


HEAD = """\
-- name: odd
-- zh: 奇
-- en: odd
-- why: Nobody knows.
-- needs: person
"""
ROW = "select golden_id, 'person' as entity, null::date as since, ['a/b'] as evidence"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (ROW, "watch/odd.sql: name: is missing"),
        ("-- odd\n" + ROW, "watch/odd.sql: the first lines are comments `-- name: …`, zh, en, why, needs"),
        (HEAD.replace("-- why: Nobody knows.\n", "") + ROW, "watch/odd.sql: why: is missing"),
        (HEAD.replace("why", "wyh") + ROW, "watch/odd.sql: wyh: unknown key 'wyh'; did you mean \"why\"?"),
        (
            HEAD.replace("person", "persn") + ROW,
            "watch/odd.sql: needs: unknown entity type 'persn'; did you mean \"person\"?",
        ),
        (HEAD.replace("name: odd", "name: even") + ROW, "watch/odd.sql: name: is 'even' but the file is named 'odd'"),
        (HEAD + "delete from person_golden", "watch/odd.sql: holds something else than one SELECT"),
        (HEAD + ROW + " from person_golden; select 1", "watch/odd.sql: holds something else than one SELECT"),
        (HEAD + ROW + " from person_goldn", "unknown table 'person_goldn'; did you mean \"person_golden\"?"),
        (HEAD + ROW + " from household_golden", "unknown table 'household_golden'; did you mean \"person_golden\"?"),
        (HEAD + ROW.replace("['a/b']", "'a/b'") + " from person_golden", "evidence: is missing: a rule gives evidence"),
        (
            HEAD + ROW + ", name as who from person_golden",
            "watch/odd.sql: who: is text of no field, so it cannot be masked; name it [<entity>_]<field>",
        ),
        (HEAD + ROW + ", nam as name from person_golden", 'Referenced column "nam" not found'),
    ],
)
def test_what_is_wrong_in_a_rule_is_told(tmp_path: Path, text: str, problem: str) -> None:
    told = [str(one) for one in found(tmp_path, text)]
    assert any(problem in one for one in told), told


def found(folder: Path, text: str) -> list[Any]:
    """The problems of the shipped rules with one more watch rule."""
    shutil.copytree(SHIPPED, folder / "rules", ignore=shutil.ignore_patterns("*.py", "kinds", "build"))
    (folder / "rules/watch/odd.sql").write_text(text, "utf-8")
    return check(folder / "rules") or problems(load_rules(folder / "rules"))
