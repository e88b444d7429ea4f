"""Unknown files get rules that run at once: what each column is, why, and which rows are one entity."""

from __future__ import annotations

import csv
import random
from datetime import date
from pathlib import Path

import duckdb
import pytest

from linkage.decisions import DecisionStore
from linkage.evaluate import compare, read_truth
from linkage.ingest import load_file
from linkage.link import link
from linkage.profiling import profile
from linkage.starting import propose, threshold
from linkage.workspace import Workspace, use_entity
from rules.errors import InputError, RefusedError

DAY = date(2026, 1, 1)
WORDS = (
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "heath",
    "islet",
    "jetty",
    "knoll",
    "ledge",
    "pine",
)


def boats(folder: Path, count: int) -> Path:
    """A file of boats, one to three rows each, with typing errors; `boats.truth.csv` beside it says which is which."""
    rng = random.Random(4)
    rows, truth = [], []
    for i in range(count):
        name, owner = f"{rng.choice(WORDS)} {rng.choice(WORDS)}", f"{rng.choice(WORDS)}{rng.choice(WORDS)}"
        mark, built = (
            f"{rng.randrange(10**7):07}",
            date(1950 + rng.randrange(70), 1 + rng.randrange(12), 2 + rng.randrange(26)),
        )
        mail = f"{owner}{rng.randrange(100)}@{rng.choice(WORDS)}.example"
        for _ in range(rng.choice((1, 1, 2, 3))):
            said = [
                name,
                owner,
                mark,
                built.isoformat(),
                mail if rng.random() < 0.7 else "",
                rng.choice("NSEW"),
                "1",
                "",
            ]
            for at in (0, 1, 2):
                if rng.random() < 0.12:
                    place = rng.randrange(len(said[at]) - 1)
                    said[at] = said[at][:place] + said[at][place + 1] + said[at][place] + said[at][place + 2 :]
            if rng.random() < 0.05:
                said[0], said[1] = said[1], said[0]
            rows.append([f"r{len(rows)}", *said])
            truth.append(["boats", f"r{len(rows) - 1}", i])
    with (folder / "boats.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["No", "Boat name", "Owner", "mark", "built", "船主邮箱", "side", "fleet", "note"], *rows]
        )
    with (folder / "boats.truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["source", "source_key", "truth"], *truth])
    return folder / "boats.csv"


def test_columns_are_told_apart_with_a_reason(tmp_path: Path) -> None:
    with duckdb.connect() as con:
        found = profile(con, [boats(tmp_path, 150)])
    told = {column.heading: (column.field, column.role, column.kind) for column in found.columns}
    assert told == {
        "No": ("no", "key", ""),
        "Boat name": ("boat_name", "words", "text"),
        "Owner": ("owner", "words", "text"),
        "mark": ("mark", "number", "text"),
        "built": ("built", "kind", "date"),
        "船主邮箱": ("column_6", "mail", "text"),
        "side": ("side", "code", "text"),
        "fleet": ("fleet", "skipped", ""),
        "note": ("note", "skipped", ""),
    }
    assert all(column.reason for column in found.columns)
    (file,) = found.files
    assert (file.source, file.key) == ("boats", ("No",))


def test_a_first_rule_set_runs_at_once_and_finds_the_entities(tmp_path: Path) -> None:
    path = boats(tmp_path, 90)
    propose([path], "boat", tmp_path / "rules", DAY)
    text = (tmp_path / "rules/boat/entity.toml").read_text("utf-8")
    for said in ("# Left out:", "#   fleet: says the same in every row", "exchanged with owner", "[[blocking]]"):
        assert said in text
    ws = Workspace.create(tmp_path / "ws", rules=tmp_path / "rules")
    rules, con = ws.load_rules(), ws.connect()
    try:
        load_file(con, ws, rules.entities["boat"], "boats", path, DAY)
        link(con, ws, rules, DecisionStore(ws.decisions), DAY)
        use_entity(con, "boat")
        con.execute(
            "create temp table placed as select source, source_key, cluster_id as grp "
            "from standard join cluster using (record_id)"
        )
        found = compare(con, read_truth(con, tmp_path / "boats.truth.csv"))
        assert found["pairwise"]["precision"] > 0.97
        assert found["pairwise"]["recall"] > 0.95
    finally:
        con.close()


def test_a_column_that_says_what_others_say_is_left_out(tmp_path: Path) -> None:
    rng = random.Random(2)
    with (tmp_path / "people.csv").open("w") as file:
        print("id,full,given,family", file=file)
        for i in range(200):
            given, family = rng.choice(WORDS), rng.choice(WORDS)
            print(f"{i},{given} of {family},{given},{family}", file=file)
    with duckdb.connect() as con:
        found = {column.heading: column for column in profile(con, [tmp_path / "people.csv"]).columns}
    assert found["full"].reason == "holds what given and family say; agreement in it would count twice"
    assert found["given"].taken and found["family"].taken


def test_files_without_a_key_or_without_matches_are_refused(tmp_path: Path) -> None:
    (tmp_path / "no_key.csv").write_text("a,b\nx,1\nx,1\n", "utf-8")
    (tmp_path / "only_key.csv").write_text("a,b\nx,1\ny,1\n", "utf-8")
    with duckdb.connect() as con:
        with pytest.raises(InputError, match="no column has another value in every row"):
            profile(con, [tmp_path / "no_key.csv"])
        with pytest.raises(InputError, match="no column to match by"):
            profile(con, [tmp_path / "only_key.csv"])
        con.execute("create table candidate_pair (record_l bigint, record_r bigint, match_weight double)")
        con.execute("create table standard (record_id bigint, ordinal bigint)")
        with pytest.raises(RefusedError, match="no two records look like one entity"):
            threshold(con)


def test_the_threshold_keeps_doubtful_pairs_from_making_chains() -> None:
    with duckdb.connect() as con:
        con.execute("create table standard as select range as record_id, range as ordinal from range(40)")
        con.execute("create table candidate_pair (record_l bigint, record_r bigint, match_weight double)")
        # Ten pairs that are sure.
        con.executemany("insert into candidate_pair values (?, ?, 9.0)", [[4 * i, 4 * i + 1] for i in range(10)])
        assert threshold(con)[0] <= 9
        con.executemany("insert into candidate_pair values (?, ?, 3.0)", [[4 * i + 2, 4 * i + 3] for i in range(10)])
        accept, matches = threshold(con)
        assert accept <= 3
        assert matches == pytest.approx(10 / (1 + 2**-9) + 10 / (1 + 2**-3))
        # The same doubt, but each of them ties two of the clusters together: all would be one.
        con.execute("delete from candidate_pair where match_weight = 3.0")
        con.executemany("insert into candidate_pair values (?, ?, 3.0)", [[4 * i, 4 * i + 5] for i in range(9)])
        assert threshold(con)[0] > 3
