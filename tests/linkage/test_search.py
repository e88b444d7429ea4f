"""One record against the packed store: the candidates and weights that linking would give, and no other."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pytest

from linkage import frequencies
from linkage.decisions import DecisionStore
from linkage.kernel import store
from linkage.kernel.match import Kernel
from linkage.link import link
from linkage.search import Search
from linkage.standardize import standardize
from linkage.workspace import Workspace, use_entity
from rules.errors import InputError, NotFoundError
from rules.loader import SHIPPED
from rules.model import EntityRules
from tests.linkage.searching import check_search
from tests.linkage.test_kernel import weighed
from tests.linkage.things import database, vessel

DAY = date(2024, 6, 1)


@pytest.mark.parametrize("entity", ["person", "organization", "institution"])
def test_a_record_finds_the_pairs_that_linking_made(province: Workspace, entity: str) -> None:
    assert check_search(province, entity, DAY, every={"person": 20, "organization": 3, "institution": 1}[entity]) > 1


def packed(folder: Path, con: duckdb.DuckDBPyConnection, rules: EntityRules) -> Search:
    """A store of the records of a database, opened."""
    frequencies.freeze(con, rules)
    store.write(con, rules, Kernel(con, rules), folder / "packed", "made by a test", DAY)
    return Search.open(folder / "packed", rules, SHIPPED, DAY)


def standing(
    tmp_path: Path, records: list[dict[str, str]], **changes: object
) -> tuple[EntityRules, duckdb.DuckDBPyConnection]:
    every = {"guards": [], "matching": {"accept": 4.0, "review": -100.0, "pairs_per_record": 0.5, "budget": 60}}
    rules = weighed(vessel(tmp_path, **every, **changes), [0.9, 0.02, 0.3])
    con = database(rules, records)
    standardize(con, rules, SHIPPED, DAY)
    return rules, con


ASTRA = {"name": "astra", "owner": "meyer", "radio": "13900000001", "mark": "k1", "port": "port 1"}


def test_values_that_no_record_has_equal_only_themselves(tmp_path: Path) -> None:
    rules, con = standing(tmp_path, [ASTRA])
    with closing(packed(tmp_path, con, rules)) as search:
        (found,) = search.candidates(ASTRA)
        assert (found.source, found.source_key, found.levels["name"][0]) == ("a", "00000", "exact")
        (other,) = search.candidates(ASTRA | {"name": "zephyr", "owner": "zephyr"})
        assert {other.levels[name][0] for name in ("name", "owner")} == {"else"}
        assert search.candidates({"name": "zephyr"}) == []
        assert search.candidates({}) == []
    con.close()


def test_a_hub_finds_nobody(tmp_path: Path) -> None:
    records = [ASTRA | {"name": f"n{i}", "owner": f"o{i}", "mark": f"m{i}", "port": None} for i in range(9)]
    rules, con = standing(tmp_path, records)
    with closing(packed(tmp_path, con, rules)) as search:
        assert search.candidates({"radio": ASTRA["radio"], "name": "n1"}) == []
        assert [one.source_key for one in search.candidates({"mark": "m3", "name": "n3"})] == ["00003"]
    con.close()


def test_the_best_come_first_and_no_more_than_asked_for(tmp_path: Path) -> None:
    rules, con = standing(tmp_path, [ASTRA | {"name": "borea"}, ASTRA, ASTRA | {"port": "port 2"}])
    with closing(packed(tmp_path, con, rules)) as search:
        every = search.candidates(ASTRA)
        weights = [one.weight for one in every]
        assert weights == sorted(weights, reverse=True) and len(weights) == 3
        assert search.candidates(ASTRA, limit=2) == every[:2]
    con.close()


def test_an_unknown_field_is_refused_with_those_there_are(tmp_path: Path) -> None:
    rules, con = standing(tmp_path, [ASTRA])
    with (
        closing(packed(tmp_path, con, rules)) as search,
        pytest.raises(InputError, match="'nam'; there are name, owner"),
    ):
        search.candidates({"nam": "astra"})
    con.close()


def test_a_missing_store_or_one_of_another_version_says_what_to_do(tmp_path: Path) -> None:
    rules, con = standing(tmp_path, [ASTRA])
    packed(tmp_path, con, rules).close()
    con.close()
    index = tmp_path / "packed" / store.INDEX
    index.write_text(index.read_text().replace(duckdb.__version__, "0.1"))
    for folder in (tmp_path / "packed", tmp_path / "nowhere"):
        with pytest.raises(NotFoundError, match="run 'shuyuan link'"):
            Search.open(folder, rules, SHIPPED, DAY)


def test_arrays_come_back_as_they_were_and_are_not_copied(tmp_path: Path) -> None:
    arrays = {"a b": np.array([3, -1], dtype=np.int32), "none": np.zeros(0, dtype=np.uint64)}
    store.write_arrays(tmp_path / "x.arrow", arrays, {"said": 1})
    read, said = store.read_arrays(tmp_path / "x.arrow")
    assert said == {"said": 1}
    for name, array in arrays.items():
        back = read[name].to_numpy(zero_copy_only=True)
        assert back.dtype == array.dtype and back.tolist() == array.tolist()


@pytest.mark.parametrize("entity", ["person", "organization", "committee"])
def test_a_store_is_the_same_whether_a_kernel_read_the_records_or_one_domain_at_a_time(
    tmp_path: Path, province: Workspace, entity: str
) -> None:
    rules = province.load_rules().entities[entity]
    written = []
    with closing(province.connect()) as con:
        use_entity(con, entity)
        for name, kernel in (("all", Kernel(con, rules)), ("few", None)):
            store.write(con, rules, kernel, tmp_path / name, "made by a test", DAY)
            files = [path for path in sorted((tmp_path / name).rglob("*")) if path.is_file()]
            written.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert written[0] == written[1]


def test_a_store_that_was_lost_is_made_anew_by_the_next_link(tmp_path: Path, province: Workspace) -> None:
    shutil.copytree(province.root, tmp_path / "ws")
    ws = Workspace.open(tmp_path / "ws")
    shutil.rmtree(ws.packed / "organization")
    con = ws.connect()
    reports = link(con, ws, ws.load_rules(), DecisionStore(ws.decisions), DAY, only=["organization"])
    con.close()
    assert [one.changed for one in reports] == [0]
    assert check_search(ws, "organization", DAY, every=9) > 1
