"""Files as they come, and what became of every row."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from random import Random

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from linkage import sql
from linkage.ingest import disk_needed, load_file, prepare, rejects, reload_landed
from linkage.workspace import Workspace
from rules.errors import InputError
from rules.loader import load_rules
from rules.model import Rules
from tests.effort import effort

ENTITY = """
entity = "shop"
prefix = "S"
title = { zh = "店", en = "shop" }
[fields.name]
kind = "text"
title = { zh = "名称", en = "name" }
[fields.phone]
kind = "phone"
title = { zh = "电话", en = "phone" }
[matching]
accept = 5.0
review = 1.0
pairs_per_record = 0.5
budget = 10
[training]
em = [["name__key"]]
[[blocking]]
keys = ["name__key"]
[[comparisons]]
name = "name"
field = "name"
"""
SOURCES = """
[sources.full]
title = { zh = "全量", en = "full list" }
owner = "A"
files = ["full*"]
key = ["编号"]
delivery = "snapshot"
columns = { name = "名称", phone = "电话" }
[sources.news]
title = { zh = "增量", en = "changes" }
owner = "B"
files = ["news*"]
key = ["编号"]
delivery = "delta"
observed_on = "日期"
deleted = { column = "操作", values = ["删"] }
columns = { name = "名称" }
"""


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    folder = tmp_path / "myrules" / "shop"
    folder.mkdir(parents=True)
    (folder / "entity.toml").write_text(ENTITY, "utf-8")
    (folder / "sources.toml").write_text(SOURCES, "utf-8")
    return load_rules(folder.parent)


def _workspace(tmp_path: Path, rules: Rules, name: str = "ws") -> tuple[Workspace, duckdb.DuckDBPyConnection]:
    ws = Workspace.create(tmp_path / name, rules=rules.folder)
    return ws, ws.connect()


def _write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def _current(con: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return con.execute("select source, source_key, name, phone from current_record order by all").fetchall()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_text_in_every_usual_shape(tmp_path: Path, rules: Rules, encoding: str, delimiter: str) -> None:
    ws, con = _workspace(tmp_path, rules)
    text = "编号,名称,电话\n001,张家店,0531\n002,李家店,\n".replace(",", delimiter)
    report = load_file(con, ws, rules.entities["shop"], "full", _write(tmp_path / "full.csv", text, encoding))
    assert (report.read, report.new, report.rejected) == (2, 2, 0)
    assert _current(con) == [("full", "001", "张家店", "0531"), ("full", "002", "李家店", None)]


def test_each_row_is_accounted_for_and_the_bad_ones_are_kept(tmp_path: Path, rules: Rules) -> None:
    ws, con = _workspace(tmp_path, rules)
    lines = ["编号,名称,电话", "1,甲,1", "2,乙", ",丙,3", "4,丁,4", "4,戊,5"]
    data = "\n".join(lines).encode() + b"\n6,\xff\xfe,6\n7,\xe5\xb7\xb1,7\n"
    path = tmp_path / "full.csv"
    path.write_bytes(data)
    report = load_file(con, ws, rules.entities["shop"], "full", path)
    assert (report.read, report.new, report.rejected) == (7, 2, 5)
    assert [(line, reason[:12]) for _, line, reason, _ in rejects(con)] == [
        (3, "2 cells wher"),
        (4, "no key"),
        (5, "key 4 stands"),
        (6, "key 4 stands"),
        (7, "bytes that a"),
    ]
    assert sql.rows(con, sql.statements("audit_accounting")[0]) == []


def test_the_same_file_twice_adds_nothing(tmp_path: Path, rules: Rules) -> None:
    ws, con = _workspace(tmp_path, rules)
    path = _write(tmp_path / "full.csv", "编号,名称,电话\n1,甲,1\n")
    load_file(con, ws, rules.entities["shop"], "full", path)
    assert load_file(con, ws, rules.entities["shop"], "full", path).already
    assert sql.number(con, "select count(*) from record") == 1


def test_a_snapshot_withdraws_by_absence_and_a_delta_by_mark(tmp_path: Path, rules: Rules) -> None:
    ws, con = _workspace(tmp_path, rules)
    shop = rules.entities["shop"]
    load_file(con, ws, shop, "full", _write(tmp_path / "full-20240101.csv", "编号,名称,电话\n1,甲,1\n2,乙,2\n"))
    report = load_file(con, ws, shop, "full", _write(tmp_path / "full-20240201.csv", "编号,名称,电话\n1,甲甲,1\n"))
    assert (report.new, report.withdrawn) == (1, 1)
    load_file(
        con,
        ws,
        shop,
        "news",
        _write(tmp_path / "news1.csv", "编号,名称,日期,操作\n8,丙,2024-01-05,\n9,丁,2024-01-05,\n"),
    )
    report = load_file(
        con, ws, shop, "news", _write(tmp_path / "news2.csv", "编号,名称,日期,操作\n9,丁,2024-02-05,删\n")
    )
    assert report.deleted == 1
    assert _current(con) == [("full", "1", "甲甲", "1"), ("news", "8", "丙", None)]


def test_a_rejected_row_of_a_snapshot_withdraws_nothing(tmp_path: Path, rules: Rules) -> None:
    ws, con = _workspace(tmp_path, rules)
    shop = rules.entities["shop"]
    load_file(con, ws, shop, "full", _write(tmp_path / "full-20240101.csv", "编号,名称,电话\n1,甲,1\n2,乙,2\n3,丙,3\n"))
    twice = "编号,名称,电话\n1,甲,1\n2,乙,2\n2,丁,2\n4,戊,4\n"
    report = load_file(con, ws, shop, "full", _write(tmp_path / "full-20240201.csv", twice))
    assert (report.new, report.unchanged, report.rejected, report.withdrawn) == (1, 1, 2, 1)
    assert _current(con) == [("full", "1", "甲", "1"), ("full", "2", "乙", "2"), ("full", "4", "戊", "4")]


def test_a_heading_in_an_unknown_encoding_is_refused_with_a_sentence(tmp_path: Path, rules: Rules) -> None:
    ws, con = _workspace(tmp_path, rules)
    path = tmp_path / "full.csv"
    path.write_bytes("编号,名称,".encode() + b"\xff\xff\xff,x\n1,2,3,4\n")
    with pytest.raises(InputError, match="line 1: bytes that are neither UTF-8 nor GB18030"):
        load_file(con, ws, rules.entities["shop"], "full", path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("full.csv", "编号,名 称,电话\n1,甲,1\n", "column '名称' is missing; the nearest heading is '名 称'"),
        ("full.csv", "编号,名称,电话\n", "no rows"),
        ("full.csv", "", "no heading"),
        ("full.csv", "编号,编号,名称,电话\n1,1,甲,1\n", "twice"),
        ("full.parquet", "PAR1 and no more", "not a readable Parquet file"),
        ("full.doc", "x", "unknown ending"),
    ],
)
def test_a_refused_file_leaves_nothing_behind(tmp_path: Path, rules: Rules, name: str, text: str, message: str) -> None:
    ws, con = _workspace(tmp_path, rules)
    with pytest.raises(InputError, match=message):
        load_file(con, ws, rules.entities["shop"], "full", _write(tmp_path / name, text))
    assert list(ws.landed.iterdir()) == []
    assert sql.number(con, "select count(*) from batch") == 0


def test_the_work_database_is_rebuilt_from_what_landed(tmp_path: Path, rules: Rules) -> None:
    ws, con = _workspace(tmp_path, rules)
    load_file(con, ws, rules.entities["shop"], "full", _write(tmp_path / "full.csv", "编号,名称,电话\n1,甲,1\n"))
    before = _current(con)
    con.close()
    ws.database.unlink()
    con = ws.connect()
    assert reload_landed(con, ws, rules) == 1
    assert _current(con) == before
    assert reload_landed(con, ws, rules) == 0


_row = st.tuples(st.sampled_from("123"), st.sampled_from("甲乙"), st.integers(1, 3), st.sampled_from(["", "删"]))
_file = st.lists(_row, min_size=1, max_size=3, unique_by=lambda row: row[0])


def test_a_snapshot_may_say_again_what_one_before_the_last_said(tmp_path: Path, rules: Rules) -> None:
    ws, con = _workspace(tmp_path, rules)
    shop = rules.entities["shop"]
    for day, name in ((1, "甲"), (2, "乙"), (3, "甲")):
        path = _write(tmp_path / f"full-2024010{day}.csv", f"编号,名称,电话\n1,{name},1\n")
        assert not load_file(con, ws, shop, "full", path).already
    assert [row[0] for row in con.execute("select name from current_record").fetchall()] == ["甲"]
    assert load_file(con, ws, shop, "full", path).already
    before = _current(con)
    con.close()
    ws.database.unlink()
    con = ws.connect()
    assert reload_landed(con, ws, rules) == 3
    assert _current(con) == before


def test_content_without_a_day_is_loaded_once(tmp_path: Path, rules: Rules) -> None:
    ws, con = _workspace(tmp_path, rules)
    shop, text = rules.entities["shop"], "编号,名称,电话\n1,甲,1\n"
    load_file(con, ws, shop, "full", _write(tmp_path / "full.csv", text), date(2024, 1, 1))
    assert load_file(con, ws, shop, "full", _write(tmp_path / "full.csv", text)).already
    assert load_file(con, ws, shop, "full", _write(tmp_path / "full again.csv", text)).already
    assert not load_file(con, ws, shop, "full", tmp_path / "full.csv", date(2024, 2, 1)).already


_REVERTED = [[("1", "甲", 1, "")], [("1", "乙", 1, "")], [("1", "甲", 1, "删")]]


@settings(max_examples=effort(5, 12), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_file, min_size=2, max_size=4, unique_by=str), st.randoms(use_true_random=False))
@example(_REVERTED, Random(3))
@example(_REVERTED, Random(5))
def test_the_order_of_loading_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory,
    rules: Rules,
    files: list[list[tuple[str, str, int, str]]],
    random: object,
) -> None:
    folder = tmp_path_factory.mktemp("order")
    paths = []
    for n, rows in enumerate(files):
        text = "编号,名称,日期,操作\n" + "".join(f"{k},{v},2024-01-0{d},{op}\n" for k, v, d, op in rows)
        paths.append(("news", _write(folder / f"news{n}.csv", text)))
        text = "编号,名称,电话\n" + "".join(f"{k},{v},1\n" for k, v, _, _ in rows)
        paths.append(("full", _write(folder / f"full-2024010{n + 1}.csv", text)))
    shuffled = list(paths)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    seen = []
    for name, order in (("a", paths), ("b", shuffled)):
        ws, con = _workspace(folder, rules, name)
        for source, path in order:
            load_file(con, ws, rules.entities["shop"], source, path, date(2024, 1, 9) if source == "news" else None)
        seen.append(con.execute("select source, source_key, row_hash from current_record order by all").fetchall())
        con.close()
    assert seen[0] == seen[1]


@pytest.mark.parametrize("ending", ["csv", "parquet", "xlsx"])
def test_a_file_takes_no_more_room_than_it_is_said_to_need(tmp_path: Path, rules: Rules, ending: str) -> None:
    ws, con = _workspace(tmp_path, rules)
    path = tmp_path / f"full.{ending}"
    told = {"编号": range(50_000), "名称": [f"店{i % 977}" for i in range(50_000)], "电话": ["0531"] * 50_000}
    frame = pl.DataFrame(told).cast(pl.String)
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "xlsx": frame.write_excel}[ending](path)
    prepare(con, rules.entities["shop"])
    con.execute("checkpoint")
    before = sum(one.stat().st_size for one in ws.root.rglob("*") if one.is_file())
    load_file(con, ws, rules.entities["shop"], "full", path, date(2024, 1, 1))
    con.close()
    taken = sum(one.stat().st_size for one in ws.root.rglob("*") if one.is_file()) - before
    assert taken <= disk_needed(path) <= 8 * taken


def test_of_a_file_that_cannot_be_read_no_room_is_known(tmp_path: Path) -> None:
    path = tmp_path / "full.parquet"
    path.write_bytes(b"PAR1")
    assert disk_needed(path) == 4
    path.with_suffix(".csv").write_bytes(b"")
    assert disk_needed(path.with_suffix(".csv")) == 0
