"""A rules folder is read once: every problem is told at once, with its file, its key and what was meant."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rules.errors import RulesError
from rules.loader import SHIPPED, check, copy_shipped, load_rules, rule_files

FOREIGN = Path(__file__).parents[1] / "foreign/rules"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "rules"
    shutil.copytree(FOREIGN, target)
    return target


def change(folder: Path, old: str, new: str, file: str = "entity.toml") -> list[str]:
    """Replace `old` in one file of the entity folder; gives the problems that follow."""
    path = folder / "figure" / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return [str(problem) for problem in check(folder)]


def test_the_shipped_rules_have_no_problem() -> None:
    assert check(SHIPPED) == []


@pytest.mark.parametrize("under", ["", "build", "forms/build"])
def test_where_a_folder_stands_changes_nothing(folder: Path, under: str) -> None:
    place = folder.parent / "elsewhere" / under / "rules"
    shutil.copytree(folder, place)
    here, there = load_rules(folder), load_rules(place)
    assert here.sha256 == there.sha256
    assert rule_files(place) == [place / path.relative_to(folder) for path in rule_files(folder)] != []
    entity = place / "figure/entity.toml"
    entity.write_text(entity.read_text("utf-8").replace("accept = 5.0", "accept = 5.5"), "utf-8")
    assert load_rules(place).sha256 != here.sha256


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("accept = 5.0", "accpet = 5.0", 'matching.accpet: unknown key; did you mean "accept"?'),
        ("accept = 5.0", "", "matching.accept: is missing"),
        ('kind = "date"', 'kind = "dat"', "date"),
        ('field = "surname"', 'field = "surnam"', "surname"),
        ('keys = ["full_name__key"]', 'keys = ["full_name__kye"]', "full_name__key"),
        ('keys = ["full_name__key"]', 'keys = ["full_name__key ||"]', "blocking"),
        ('prefix = "F"', 'prefix = "figure"', "prefix"),
        ('entity = "figure"', 'entity = "figures"', "the folder is named 'figure'"),
        ('script = "latin"', 'scirpt = "latin"', "script"),
    ],
)
def test_a_problem_is_told_with_its_place(folder: Path, old: str, new: str, problem: str) -> None:
    told = change(folder, old, new)
    assert told
    assert all(line.startswith("figure/entity.toml") for line in told)
    assert any(problem in line for line in told), told


def test_a_relation_to_a_name_needs_a_public_field_and_one_form_only(folder: Path) -> None:
    rule = '[[relations]]\ntype = "of"\ntitle = { zh = "属", en = "of" }\n'
    told = change(folder, "[matching]", f'{rule}party = "full_name"\n\n[matching]')
    assert any("relations.0.party: 'full_name' is not public" in line for line in told), told
    told = change(folder, 'party = "full_name"', 'party = "full_nam"')
    assert any("relations.0.party: unknown field 'full_nam'" in line for line in told), told
    told = change(folder, 'party = "full_nam"', 'party = "full_name"\nkeys = ["source"]')
    assert any("needs one of `field`, `party`, `keys`" in line for line in told), told


def test_a_field_may_not_have_the_name_of_a_column_that_every_record_has(folder: Path) -> None:
    told = change(folder, "[matching]", '[fields.lifecycle]\nkind = "text"\ntitle = { zh = "", en = "" }\n\n[matching]')
    assert any("fields.lifecycle: is the name of a column that every record has" in line for line in told), told


def test_every_problem_is_told_at_once(folder: Path) -> None:
    change(folder, "accept = 5.0", "accpet = 5.0")
    change(folder, "budget = 60", "budget = -60")
    told = change(folder, 'delivery = "snapshot"', 'delivery = "snapshoot"', "sources.toml")
    assert len(told) >= 4
    assert {line.split(":")[0] for line in told} == {"figure/entity.toml", "figure/sources.toml"}
    with pytest.raises(RulesError) as caught:
        load_rules(folder)
    assert [str(problem) for problem in caught.value.problems] == told


def test_a_byte_wise_distance_on_han_text_is_refused(folder: Path) -> None:
    old = 'when = "outward_l = outward_r"'
    told = change(folder, old, 'when = "jaro_winkler_similarity(postcode__key_l, postcode__key_r) > 0.9"')
    assert any("jaro_winkler" in line and "postcode__key" in line for line in told), told


def test_a_source_that_maps_an_unknown_field_is_told(folder: Path) -> None:
    told = change(folder, 'surname = "surname"', 'surnmae = "surname"', "sources.toml")
    assert any("surname" in line for line in told)


def test_a_folder_without_entity_types_is_told(tmp_path: Path) -> None:
    assert "no <entity>/entity.toml" in str(check(tmp_path)[0])


def test_the_hash_is_of_every_file_and_of_nothing_else(tmp_path: Path) -> None:
    copy_shipped(tmp_path / "a")
    copy_shipped(tmp_path / "b")
    assert load_rules(tmp_path / "a").sha256 == load_rules(tmp_path / "b").sha256
    (tmp_path / "b" / "notes.md").write_text("no rule")
    assert load_rules(tmp_path / "a").sha256 == load_rules(tmp_path / "b").sha256
    name = next(iter(load_rules(tmp_path / "b").entities))
    with (tmp_path / "b" / name / "entity.toml").open("a") as file:
        file.write("\n# changed\n")
    assert load_rules(tmp_path / "a").sha256 != load_rules(tmp_path / "b").sha256


def test_a_file_that_cannot_be_read_is_the_only_problem_that_is_told(tmp_path: Path) -> None:
    copy_shipped(tmp_path)
    (tmp_path / "person/entity.toml").write_text("[fields.name\nkind = 1", "utf-8")
    (problem,) = check(tmp_path)
    assert str(problem).startswith("person/entity.toml: not TOML: ") and "line 1, column 13" in str(problem)
    (tmp_path / "person/entity.toml").unlink()
    (problem,) = check(tmp_path)
    assert str(problem) == "person/entity.toml: missing, though the folder has a sources.toml"


def test_a_reference_table_of_the_workspace_has_the_columns_of_the_shipped_one(tmp_path: Path) -> None:
    copy_shipped(tmp_path)
    (tmp_path / "reference").mkdir()
    shutil.copyfile(SHIPPED / "reference/surnames.csv", tmp_path / "reference/surnames.csv")
    assert check(tmp_path) == []
    (tmp_path / "reference/surnames.csv").write_text("surname;pinyin\n王;wang\n", "utf-8")
    (problem,) = map(str, check(tmp_path))
    assert problem.startswith("reference/surnames.csv: line 1: needs the columns surname")
    assert problem.endswith("; the file has surname;pinyin")
