"""The rules that benchmarks bring along load, and the benchmarks run where their data are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import pseudopeople, truthset
from benchmarks.pseudopeople_noise import DATE, FIRST_NAME, TABLES, Noise
from rules.errors import InputError
from rules.loader import check

DATA = Path(os.environ.get("SHUYUAN_DATA", Path(__file__).parents[3] / "shared/data"))
PEOPLE, PARTIES = DATA / "pseudopeople", DATA / "senzing_truthset"
needs_people = pytest.mark.skipif(not PEOPLE.is_dir(), reason="needs pseudopeople; set SHUYUAN_DATA to its folder")
needs_parties = pytest.mark.skipif(
    not PARTIES.is_dir(), reason="needs senzing_truthset; set SHUYUAN_DATA to the folder that holds it"
)


@pytest.mark.parametrize("folder", [pseudopeople.RULES, truthset.RULES], ids=["pseudopeople", "truthset"])
def test_the_rules_are_sound(folder: Path) -> None:
    assert check(folder) == []


def test_data_that_are_nowhere_are_an_error_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHUYUAN_DATA", raising=False)
    with pytest.raises(InputError, match="--data or in the environment variable SHUYUAN_DATA"):
        pseudopeople.data_folder(None)
    with pytest.raises(InputError, match="no such file; it belongs to the truth set"):
        truthset.measure(tmp_path, tmp_path / "work")


def test_errors_are_a_function_of_seed_and_place(tmp_path: Path) -> None:
    for name in TABLES:
        (tmp_path / name).write_text("", "utf-8")
    (tmp_path / "nicknames.csv").write_text("name,nickname_1\nrobert,bob\n", "utf-8")
    noise = Noise(tmp_path, 1.0, 7)
    assert noise.cell("x", "Robert", ("nickname",)) == "Bob"
    assert noise.cell("x", "2001-02-13", ("swapped",)) == "2001-13-02"
    assert noise.cell("x", "Robert", FIRST_NAME) == ""
    half = Noise(tmp_path, 0.5, 7)
    made = [half.cell(f"{i}", "2001-02-13", DATE) for i in range(50)]
    assert made == [half.cell(f"{i}", "2001-02-13", DATE) for i in range(50)]
    assert 1 < len(set(made)) < 50
    assert Noise(tmp_path, 0.0, 7).cell("x", "Robert", FIRST_NAME) == "Robert"


@needs_parties
def test_the_truth_set_end_to_end(tmp_path: Path) -> None:
    found = truthset.measure(DATA, tmp_path)
    assert found["records"] == 159
    assert found["key"]["unplaced"] == 0
    assert found["key"]["pairwise"]["f1"] > 0.8


@needs_people
def test_residents_and_dwellings_of_a_sample_of_forms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = "census 2020, tax 2020"
    monkeypatch.setattr(pseudopeople, "TASKS", {task: pseudopeople.TASKS[task]})
    monkeypatch.setattr(pseudopeople, "WAYS", {"with": ()})
    (run,) = pseudopeople.measure(DATA, tmp_path, [0.01], 2020, sample=600)
    assert run["resident"]["unplaced"] == 0
    assert run["resident"]["pairwise"]["f1"] > 0.8
    assert run["dwelling"]["pairwise"]["precision"] > 0.9
