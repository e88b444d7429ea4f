"""People in areas: one area is the usual population, and no two areas share a number, a key or a person."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

from demo.areas import generate_people
from demo.population import generate
from rules.errors import InputError
from rules.kinds.gb11643 import is_valid

SIZE, SEED = 3_000, 5
Truth = list[dict[str, str]]


def truth(path: Path) -> Truth:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, list[tuple[str, Path]]]:
    found = generate_people(tmp_path_factory.mktemp("areas"), SIZE, SEED, per_area=1_000)
    return truth(found.truth), list(found.files)


def test_one_area_has_the_people_of_the_population(tmp_path: Path) -> None:
    whole, alone = generate(tmp_path / "whole", SIZE, SEED), generate_people(tmp_path / "alone", SIZE, SEED)
    assert truth(whole.truth["person"]) == truth(alone.truth)
    files = [(source, path) for entity, source, path in whole.files if entity == "person"]
    assert [source for source, _ in files] == [source for source, _ in alone.files]
    for (_, one), (_, other) in zip(files, alone.files, strict=True):
        if one.suffix in (".csv", ".tsv"):
            assert one.read_bytes() == other.read_bytes()


def test_areas_share_no_person_key_number_or_county(made: tuple[Truth, list[tuple[str, Path]]]) -> None:
    rows, _ = made
    assert len({(row["source"], row["source_key"]) for row in rows}) == len(rows) >= SIZE
    areas = {area: [row for row in rows if row["truth"].startswith(area)] for area in ("p", "a1p", "a2p")}
    assert sum(map(len, areas.values())) == len(rows)
    for field in ("true_citizen_id", "true_phone", "true_division"):
        values = [{row[field] for row in part} for part in areas.values()]
        assert not values[0] & values[1] and not values[1] & values[2] and not values[0] & values[2], field
    assert all(is_valid(row["true_citizen_id"]) for row in rows)


def test_a_full_list_is_one_file_per_delivery(made: tuple[Truth, list[tuple[str, Path]]]) -> None:
    rows, files = made
    lists = [path for source, path in files if source == "disability"]
    assert len(lists) == 3
    told = {row["source_key"] for row in rows if row["source"] == "disability"}
    assert set(pl.read_parquet(lists[0])["残疾人编号"]) <= told
    assert len(pl.read_parquet(lists[-1])) > 0.9 * len(told)


def test_more_areas_than_counties_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are counties for"):
        generate_people(tmp_path, 1_000, SEED, per_area=10)
