"""The five departments that hold records of the people: who is in which, and how each delivers its file.

Every department has its own headings, codes, date format and file format. Four deliver changes, with a mark for
deleted rows; the list of disabled people comes as a whole twice, and the second list lacks what was withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import xlsxwriter
from numpy.typing import NDArray

from demo.errors import Records
from demo.names import Ints, Strings
from demo.people import People, addresses, division_codes

NAMES = ("civil_registry", "social_assistance", "marriage", "elderly_care", "disability")
SHARES = (0.42, 0.20, 0.13, 0.15, 0.10)
RECORDS_PER_PERSON = (0.55, 0.30, 0.135, 0.011, 0.004)
OLD_ENOUGH = {2: np.datetime64("2001-01-01"), 3: np.datetime64("1966-01-01")}
LEADING = 0
FIRST_DAY, LAST_DAY = np.datetime64("2018-01-01"), np.datetime64("2025-11-30")
DELIVERED, AGAIN = "20251201", "20251231"
SHEET_ROWS = 500_000


@dataclass(frozen=True)
class Form:
    """How a source writes: headings in the order of COLUMNS, texts for the sexes, the format of dates."""

    line: str
    sexes: tuple[str, str]
    date: str

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings one by one."""
        return tuple(self.line.split())


COLUMNS = ("key", "name", "former_name", "sex", "birth", "citizen_id", "phone", "division", "address", "day", "op")
FORMS = (
    Form(
        "人员编号 姓名 曾用名 性别 出生日期 公民身份号码 联系电话 户籍地区划 户籍地址 变更日期 操作",
        ("1", "2"),
        "%Y%m%d",
    ),
    Form(
        "救助编号 申请人姓名 曾用名 性别 出生年月日 身份证号 手机号 区划代码 家庭住址 更新日期 操作",
        ("男", "女"),
        "%Y-%m-%d",
    ),
    Form(
        "登记证号 当事人 曾用名 性别 出生日期 身份证件号 电话 登记地区划 常住地址 登记日期 操作",
        ("男性", "女性"),
        "%Y年%m月%d日",
    ),
    Form(
        "档案号 老人姓名 曾用名 性别 生日 身份证号码 联系方式 所在区划 居住地址 建档日期 操作", ("男", "女"), "%Y/%m/%d"
    ),
    Form(
        "残疾人编号 姓名 曾用名 性别代码 出生日期 证件号码 联系电话 行政区划 住址 核定日期 操作", ("M", "F"), "%Y.%m.%d"
    ),
)


def enroll(rng: np.random.Generator, people: People, size: int) -> Records:
    """Exactly `size` records: every person in one to five sources, never twice in the same one."""
    count = len(people)
    wanted = rng.choice(len(RECORDS_PER_PERSON), count, p=np.array(RECORDS_PER_PERSON)) + 1
    chance = np.log(np.array(SHARES)) + rng.gumbel(size=(count, len(NAMES)))
    for column, latest in OLD_ENOUGH.items():
        chance[people.birth > latest, column] = -np.inf
    order = np.argsort(-chance, axis=1)
    possible = np.isfinite(chance).sum(axis=1)
    taken = np.arange(len(NAMES)) < np.minimum(wanted, possible)[:, None]
    person, rank = np.nonzero(taken)
    source = order[person, rank][:size].astype(np.int64)
    person = person[:size].astype(np.int64)
    span = int((LAST_DAY - FIRST_DAY).astype(np.int64))
    return Records(
        person=person,
        source=source,
        name=people.name[person],
        former_name=np.full(len(person), None, dtype=object),
        sex=people.sex[person],
        birth=people.birth[person].astype("datetime64[D]").astype(str).astype(object),
        citizen_id=people.citizen_id[person],
        phone=people.phone[person],
        division=division_codes(people.county[person], people.township[person]),
        address=addresses(people.county[person], people.township[person], people.household[person] % 89 + 1),
        day=FIRST_DAY + rng.integers(0, span, len(person)).astype("timedelta64[D]"),
    )


def keys(rng: np.random.Generator, records: Records) -> Strings:
    """The source's own key of every record: a letter and a number that says nothing."""
    drawn = rng.permutation(len(records)) + 1
    letters = np.array(list("CSMED"), dtype=object)[records.source]
    found: Strings = letters + np.array([f"{n:09}" for n in drawn.tolist()], dtype=object)
    return found


def deliver(folder: Path, records: Records, key: Strings, numbers: Ints, withdrawn: Ints) -> list[tuple[str, Path]]:
    """Write every delivery; gives (source, file) in the order of delivery.

    numbers    positions of records whose identity number the spreadsheet took for a quantity
    withdrawn  positions of records that a second delivery takes back
    """
    made: list[tuple[str, Path]] = []
    gone = np.zeros(len(records), dtype=bool)
    gone[withdrawn] = True
    damaged = np.zeros(len(records), dtype=bool)
    damaged[numbers] = True
    for i, name in enumerate(NAMES):
        mine = np.flatnonzero(records.source == i)
        mine = mine[np.argsort(key[mine])]
        whole = _frame(i, records, key, mine)
        back = gone[mine]
        if i == 0:
            path = folder / f"{name}_{DELIVERED}.csv"
            whole.write_csv(path)
            again = folder / f"{name}_{AGAIN}.csv"
            _marked(whole.filter(back), i).write_csv(again)
        elif i == 1:
            path, again = folder / f"{name}_{DELIVERED}.csv", folder / f"{name}_{AGAIN}.csv"
            path.write_bytes(whole.write_csv(separator=";").encode("gb18030"))
            again.write_bytes(_marked(whole.filter(back), i).write_csv(separator=";").encode("gb18030"))
        elif i == 2:
            path, again = folder / f"{name}_{DELIVERED}.tsv", folder / f"{name}_{AGAIN}.tsv"
            whole.write_csv(path, separator="\t", include_bom=True)
            _marked(whole.filter(back), i).write_csv(again, separator="\t")
        elif i == 3:
            parts = range(0, max(len(whole), 1), SHEET_ROWS)
            for part, start in enumerate(parts):
                path = folder / f"{name}_{DELIVERED}_{part + 1}.xlsx"
                rows = slice(start, start + SHEET_ROWS)
                _spreadsheet(path, whole[rows], damaged[mine][rows])
                made.append((name, path))
            path, again = made.pop()[1], folder / f"{name}_{AGAIN}.xlsx"
            left = whole.filter(back)
            _spreadsheet(again, _marked(left, i), np.zeros(len(left), dtype=bool))
        else:
            path, again = folder / f"{name}_{DELIVERED}.parquet", folder / f"{name}_{AGAIN}.parquet"
            whole.drop("操作").write_parquet(path)
            whole.filter(~back).drop("操作").write_parquet(again)
        made.append((name, path))
        if back.any():
            made.append((name, again))
        else:
            again.unlink(missing_ok=True)
    return made


def _frame(source: int, records: Records, key: Strings, mine: Ints) -> pl.DataFrame:
    form = FORMS[source]
    text = pl.String
    frame = pl.DataFrame(
        {
            "key": pl.Series((key[mine]).tolist(), dtype=text),
            "name": pl.Series((records.name[mine]).tolist(), dtype=text),
            "former_name": pl.Series((records.former_name[mine]).tolist(), dtype=text),
            "sex": pl.Series((np.array(form.sexes, dtype=object)[records.sex[mine] - 1]).tolist(), dtype=text),
            "birth": pl.Series((records.birth[mine]).tolist(), dtype=text),
            "citizen_id": pl.Series((records.citizen_id[mine]).tolist(), dtype=text),
            "phone": pl.Series((records.phone[mine]).tolist(), dtype=text),
            "division": pl.Series((records.division[mine]).tolist(), dtype=text),
            "address": pl.Series((records.address[mine]).tolist(), dtype=text),
            "day": pl.Series((records.day[mine].astype(str).astype(object)).tolist(), dtype=text),
            "op": pl.Series([None] * len(mine), dtype=text),
        }
    )
    # A date is rearranged as text, because a date of the Chinese calendar need not be one of the solar calendar.
    year, month, day = (pl.col("birth").str.slice(at, n) for at, n in ((0, 4), (5, 2), (8, 2)))
    marks = form.date.replace("%Y", "\0").replace("%m", "\0").replace("%d", "\0").split("\0")
    written = pl.concat_str([pl.lit(marks[0]), year, pl.lit(marks[1]), month, pl.lit(marks[2]), day, pl.lit(marks[3])])
    frame = frame.with_columns(birth=written)
    return frame.rename(dict(zip(COLUMNS, form.headings, strict=True)))


def _marked(frame: pl.DataFrame, source: int) -> pl.DataFrame:
    return frame.with_columns(pl.lit("删除").alias(FORMS[source].headings[-1]))


def _spreadsheet(path: Path, frame: pl.DataFrame, damaged: NDArray[np.bool_]) -> None:
    """Write cells as text, but numbers of `damaged` rows as the quantities that the program made of them."""
    column = COLUMNS.index("citizen_id")
    with xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_numbers": False}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, frame.columns)
        for i, row in enumerate(frame.iter_rows()):
            for j, cell in enumerate(row):
                if cell is None:
                    continue
                if j == column and damaged[i]:
                    sheet.write_number(i + 1, j, float(cell))
                else:
                    sheet.write_string(i + 1, j, cell)
