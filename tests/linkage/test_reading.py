"""Files as they come: every cell as the text it holds, every row with its line, whichever reader takes it in."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import duckdb
import polars as pl
import pytest
import xlsxwriter

from linkage.reading import read
from rules.errors import InputError


def rows(con: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return con.execute("select * from incoming order by line").fetchall()


def spreadsheet(path: Path, table: list[list[object]]) -> Path:
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for i, row in enumerate(table):
            for j, cell in enumerate(row):
                sheet.write(i, j, cell)
    return path


def test_cells_of_a_spreadsheet_are_read_as_they_stand(tmp_path: Path) -> None:
    con = duckdb.connect()
    table: list[list[object]] = [
        ["编号", "证件号码", "年份"],
        ["001", "880101199001011237", 2016],
        [2, 880101199001011237.0, 2017],
    ]
    read(con, spreadsheet(tmp_path / "list.xlsx", table))
    first, second = rows(con)
    assert first[1:] == ("001", "880101199001011237", "2016")
    assert second[1] == "2"
    # A number of 18 digits lost its last ones in the spreadsheet: what is left is shown, nothing is made up.
    assert str(second[2]) != "880101199001011237"
    assert second[3] == "2017"


def test_parquet_keeps_what_its_columns_say(tmp_path: Path) -> None:
    con = duckdb.connect()
    path = tmp_path / "list.parquet"
    pl.DataFrame({"编号": ["001", "002"], "人数": [3, None]}).write_parquet(path)
    read(con, path)
    assert [row[1:] for row in rows(con)] == [("001", "3"), ("002", None)]


def test_rare_characters_survive_gb18030(tmp_path: Path) -> None:
    con = duckdb.connect()
    path = tmp_path / "list.csv"
    path.write_bytes("编号,姓名\n1,王㛃\n2,𠮷田\n".encode("gb18030"))
    read(con, path)
    assert [row[2] for row in rows(con)] == ["王㛃", "𠮷田"]


@pytest.mark.parametrize("name", ["list.xlsx", "list.parquet"])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    whole = tmp_path / f"whole_{name}"
    if name.endswith("xlsx"):
        spreadsheet(whole, [["编号"], ["1"]])
    else:
        pl.DataFrame({"编号": ["1"] * 1000}).write_parquet(whole)
    cut = tmp_path / name
    cut.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(InputError, match=name):
        read(duckdb.connect(), cut)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_plain_file_reads_as_the_same_file_in_quotes(tmp_path: Path, encoding: str, newline: str) -> None:
    rng = random.Random(7)
    cells = ["", " ", "张伟", "010203", "110105194912310021", "3.0E+17", "a b", "㛃", "NULL", "true", "1990-01-01"]
    rows = [[str(n), *(rng.choice(cells) for _ in range(4))] for n in range(5000)]
    seen = []
    for name, quoting in (("plain", csv.QUOTE_NONE), ("quoted", csv.QUOTE_ALL)):
        path = tmp_path / f"{name}.csv"
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, quoting=quoting, lineterminator=newline)
            writer.writerow(["k", "a", "b", "c", "d"])
            writer.writerows(rows)
        con = duckdb.connect()
        assert read(con, path).rows == len(rows)
        seen.append(con.execute("select * from incoming order by line").fetchall())
    assert seen[0] == seen[1]
    assert seen[0][0][0] == 2
    assert [list(row[1:]) for row in seen[0]] == rows


@pytest.mark.parametrize(
    ("spoilt", "kept", "rejected"),
    [("1,2", 49, 1), ("1,2,3,4", 49, 1), ("", 49, 0), ('1,"2",3', 50, 0), ('1,"2\n2",3', 50, 0)],
)
def test_an_odd_row_moves_no_other(tmp_path: Path, spoilt: str, kept: int, rejected: int) -> None:
    lines = ["a,b,c", *(f"{n},x,y" for n in range(50))]
    lines[20] = spoilt
    path = tmp_path / "odd.csv"
    path.write_text("\n".join(lines), "utf-8")
    con = duckdb.connect()
    found = read(con, path)
    assert (found.rows, len(found.rejected)) == (kept, rejected)
    read_in = {str(row[1]): row[0] for row in rows(con)}
    assert read_in["18"] == 20
    assert read_in["20"] == 22 + spoilt.count("\n")
