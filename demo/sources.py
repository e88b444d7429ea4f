"""How the seven departments that hold records of people deliver: headings, codes, formats, and three deliveries.

Every department has its own headings, codes, date format and file format. Six deliver changes, four of them with a
mark for deleted rows; the list of disabled people comes as a whole each time, without what was withdrawn.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import xlsxwriter
from numpy.typing import NDArray

from demo.enrollment import ASSISTANCE, CIVIL, DISABILITY, ELDERLY, NAMES
from demo.errors import Records
from demo.kin import Days
from demo.life import DEAD, DELIVERIES, RESTORED, Life
from demo.names import Flags, Ints, Strings, days_as_text, where_known
from demo.people import People
from rules.loader import SHIPPED

SHEET_ROWS = 500_000
FOLLOWS = 3
STATUS = np.array([None, "正常", "死亡", "注销", "恢复"], dtype=object)
CREMATED = ("已火化", "火化")


@dataclass(frozen=True)
class Form:
    """How a source writes: field=heading for every column, texts for the sexes, the format of dates."""

    line: str
    sexes: tuple[str, str]
    date: str

    @property
    def headings(self) -> dict[str, str]:
        """The heading of every field, in order."""
        return dict(part.split("=") for part in self.line.split())


FORMS = (
    Form(
        "key=人员编号 name=姓名 former_name=曾用名 sex=性别 birth=出生日期 citizen_id=公民身份号码 phone=联系电话 "
        "division=户籍地区划 address=户籍地址 household_no=户号 relation=与户主关系 spouse_name=配偶姓名 "
        "father_name=父亲姓名 mother_name=母亲姓名 status=人员状态 status_date=状态日期 day=变更日期 op=操作",
        ("1", "2"),
        "%Y%m%d",
    ),
    Form(
        "key=救助编号 name=申请人姓名 former_name=曾用名 sex=性别 birth=出生年月日 citizen_id=身份证号 phone=手机号 "
        "division=区划代码 address=家庭住址 household_no=救助户号 relation=与申请人关系 day=更新日期 op=操作",
        ("男", "女"),
        "%Y-%m-%d",
    ),
    Form(
        "key=登记证号 name=当事人 former_name=曾用名 sex=性别 birth=出生日期 citizen_id=身份证件号 phone=电话 "
        "division=登记地区划 address=常住地址 spouse_name=配偶姓名 day=登记日期 op=操作",
        ("男性", "女性"),
        "%Y年%m月%d日",
    ),
    Form(
        "key=档案号 name=老人姓名 former_name=曾用名 sex=性别 birth=生日 citizen_id=身份证号码 phone=联系方式 "
        "division=所在区划 address=居住地址 day=建档日期 op=操作",
        ("男", "女"),
        "%Y/%m/%d",
    ),
    Form(
        "key=残疾人编号 name=姓名 former_name=曾用名 sex=性别代码 birth=出生日期 citizen_id=证件号码 phone=联系电话 "
        "division=行政区划 address=住址 household_no=户号 relation=与户主关系 guardian=监护人证件号 day=核定日期",
        ("M", "F"),
        "%Y.%m.%d",
    ),
    Form(
        "key=火化编号 name=逝者姓名 sex=性别 birth=出生日期 citizen_id=身份证件号 division=户籍地区划 status=办理结果 "
        "status_date=死亡日期 day=经办日期",
        ("男", "女"),
        "%Y-%m-%d",
    ),
    Form(
        "key=儿童档案号 name=儿童姓名 sex=性别 birth=出生日期 citizen_id=身份证号 phone=监护人电话 division=区划代码 "
        "address=居住地址 guardian=监护人身份证号 day=更新日期",
        ("男", "女"),
        "%Y-%m-%d",
    ),
)
ENDINGS = ("csv", "csv", "tsv", "xlsx", "parquet", "xlsx", "csv")


def keys(rng: np.random.Generator, records: Records, area: int = 0) -> Strings:
    """The source's own key of every record: a letter and a number that says nothing, no two areas the same."""
    drawn = rng.permutation(len(records)) + 1 + area * 10**7
    letters = np.array(list("CSMEDFW"), dtype=object)[records.source]
    found: Strings = letters + np.array([f"{n:09}" for n in drawn.tolist()], dtype=object)
    return found


@dataclass
class Mistaken:
    """Per record: the delivery since which the registry takes somebody for dead (-1 never), and since when not."""

    since: Ints
    until: Ints
    day: Days
    revived_day: Days


@dataclass
class Told:
    """What records say beside the person's own values; one element per record.

    numbers       per moment the number of the household, as this source writes it
    relations     per moment the relation to the head (of assistance: to the applicant), as GB/T 4761 numbers it
    guardian_id   the guardian's number, as written
    """

    numbers: tuple[Strings, ...]
    relations: tuple[Ints, ...]
    guardian_id: Strings
    mistaken: Mistaken


@dataclass
class Delivery:
    """Everything that the files of persons are made of; `gone` is withdrawn, `damaged` by a spreadsheet."""

    people: People
    life: Life
    records: Records
    key: Strings
    told: Told
    gone: Flags
    damaged: Flags


def deliver(folder: Path, delivery: Delivery) -> list[tuple[int, str, Path]]:
    """Write every file; gives (number of the delivery, source, file)."""
    made: list[tuple[int, str, Path]] = []
    values = [_values(delivery, i) for i in range(len(DELIVERIES))]
    for source, name in enumerate(NAMES):
        mine = np.flatnonzero(delivery.records.source == source)
        mine = mine[np.argsort(delivery.key[mine])]
        first, gone = delivery.records.first[mine], delivery.gone[mine]
        for i, day in enumerate(DELIVERIES):
            frame = _frame(delivery, source, values[i], mine)
            here = (first <= i) & ~(gone & (i > 0))
            if i and source != DISABILITY:
                here &= (first == i) | _changed(values[i], values[i - 1], source, mine)
            if "op" in FORMS[source].headings and i == 1 and gone.any():
                mark = pl.when(pl.Series(gone)).then(pl.lit("删除")).alias(FORMS[source].headings["op"])
                frame, here = frame.with_columns(mark), here | gone
            if not here.any():
                continue
            path = folder / f"{name}_{day}.{ENDINGS[source]}"
            chosen = frame.filter(pl.Series(here))
            made += [(i, name, one) for one in _write(path, source, chosen, delivery.damaged[mine][here])]
    return made


def _write(path: Path, source: int, frame: pl.DataFrame, damaged: Flags) -> list[Path]:
    """Write one delivery in the format of the source; a large workbook, and the first one, comes in parts."""
    if source == ASSISTANCE:
        path.write_bytes(frame.write_csv(separator=";").encode("gb18030"))
    elif path.suffix == ".csv":
        frame.write_csv(path)
    elif path.suffix == ".tsv":
        frame.write_csv(path, separator="\t", include_bom=DELIVERIES[0] in path.name)
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    elif source == ELDERLY and DELIVERIES[0] in path.name:
        parts = []
        for part, start in enumerate(range(0, len(frame), SHEET_ROWS)):
            parts.append(path.with_name(f"{path.stem}_{part + 1}.xlsx"))
            rows = slice(start, start + SHEET_ROWS)
            spreadsheet(parts[-1], frame[rows], FORMS[source].headings["citizen_id"], damaged[rows])
        return parts
    else:
        spreadsheet(path, frame, FORMS[source].headings["citizen_id"], damaged)
    return [path]


def _values(delivery: Delivery, number: int) -> dict[str, Strings]:
    """What the records say in one delivery, as texts; a source that does not follow says what it said at first."""
    records, people, told = delivery.records, delivery.people, delivery.told
    sometimes = np.isin(records.source, (ASSISTANCE, ELDERLY)) & (records.person % FOLLOWS == 0)
    follows = np.isin(records.source, (CIVIL, DISABILITY)) | sometimes
    at = np.where(follows, np.maximum(records.first, number), records.first)
    found: dict[str, Strings] = {"day": records.day.astype(str).astype(object)}
    for name in ("household_no", "relation", "spouse_name", "status", "status_date", "division", "address"):
        found[name] = np.full(len(records), None, dtype=object)
    for i, moment in enumerate(delivery.life.moments):
        here = np.flatnonzero(at == i)
        person = records.person[here]
        home = moment.household[person]
        found["household_no"][here] = told.numbers[i][here]
        found["relation"][here] = _relations(records.source[here], told.relations[i][here], people.sex[person])
        spouse = moment.spouse[person]
        found["spouse_name"][here] = where_known(spouse >= 0, people.name[spouse])
        found["division"][here] = moment.divisions()[home]
        found["address"][here] = moment.addresses()[home]
        status, day = _status(delivery, i, here)
        found["status"][here] = STATUS[status]
        found["status_date"][here] = days_as_text(day)
        since = moment.days_of_people()[person]
        for days in (told.mistaken.day, told.mistaken.revived_day):
            since = np.fmax(since, np.where(days[here] <= _last(i), days[here], np.datetime64("NaT")))
        later = (records.first[here] < i) & ~np.isnat(since)
        later &= since > _last(0)
        found["day"][here[later]] = since[later].astype(str).astype(object)
    stale = records.has["address_outdated"]
    found["division"][stale], found["address"][stale] = records.division[stale], records.address[stale]
    return found


def _last(number: int) -> np.datetime64:
    """The day of a delivery."""
    text = DELIVERIES[number]
    return np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:]}")


def _status(delivery: Delivery, number: int, here: Ints) -> tuple[Ints, Days]:
    """The registered status of records in a delivery and since when; of the funeral service, the death."""
    records, told, life = delivery.records, delivery.told, delivery.life
    moment, person = life.moments[number], records.person[here]
    status, day = moment.status[person].copy(), moment.status_day[person].copy()
    since, until = told.mistaken.since[here], told.mistaken.until[here]
    wrong = (since >= 0) & (since <= number)
    status[wrong], day[wrong] = DEAD, told.mistaken.day[here][wrong]
    right = wrong & (until <= number)
    status[right], day[right] = RESTORED, told.mistaken.revived_day[here][right]
    buried = records.source[here] == NAMES.index("funeral")
    day[buried] = life.died[person[buried]]
    return status, day


def _relations(source: Ints, codes: Ints, sex: Ints) -> Strings:
    """The registry writes the codes, assistance texts from the applicant's side, the disabled texts of the list."""
    texts = relation_texts()
    found = np.array([None if code < 0 else texts[f"{code:02}"] for code in codes.tolist()], dtype=object)
    civil = (source == CIVIL) & (codes >= 0)
    found[civil] = np.array([f"{code:02}" for code in codes[civil].tolist()], dtype=object)
    assistance = source == ASSISTANCE
    found[assistance & (codes == 2)] = "本人"
    couple = assistance & (codes == 10)
    found[couple] = np.where(sex[couple] == 1, "夫", "妻")
    return found


@cache
def relation_texts() -> dict[str, str]:
    """The texts of GB/T 4761 by code."""
    with (SHIPPED / "reference/codes.csv").open(encoding="utf-8") as file:
        return {row["code"]: row["zh"] for row in csv.DictReader(file) if row["list"] == "gb4761"}


def _changed(now: dict[str, Strings], before: dict[str, Strings], source: int, mine: Ints) -> Flags:
    found = np.zeros(len(mine), dtype=bool)
    for name in now.keys() & FORMS[source].headings.keys() - {"day"}:
        found |= now[name][mine] != before[name][mine]
    return found


def _frame(delivery: Delivery, source: int, values: dict[str, Strings], mine: Ints) -> pl.DataFrame:
    records, people, form = delivery.records, delivery.people, FORMS[source]
    person = records.person[mine]
    columns: dict[str, Strings] = {
        "key": delivery.key[mine],
        "name": records.name[mine],
        "former_name": records.former_name[mine],
        "sex": np.array(form.sexes, dtype=object)[records.sex[mine] - 1],
        "birth": records.birth[mine],
        "citizen_id": records.citizen_id[mine],
        "phone": records.phone[mine],
        "father_name": people.father_name[person],
        "mother_name": people.mother_name[person],
        "guardian": delivery.told.guardian_id[mine],
        "op": np.full(len(mine), None, dtype=object),
        **{name: found[mine] for name, found in values.items()},
    }
    if source == NAMES.index("funeral"):
        columns["status"] = np.array(CREMATED, dtype=object)[person % len(CREMATED)]
    frame = pl.DataFrame({name: pl.Series(columns[name].tolist(), dtype=pl.String) for name in form.headings})
    dates = [name for name in ("birth", "status_date") if name in form.headings]
    return frame.with_columns(**{name: _date(name, form.date) for name in dates}).rename(form.headings)


def _date(column: str, form: str) -> pl.Expr:
    """A date rearranged as text, because a date of the Chinese calendar need not be one of the solar calendar."""
    year, month, day = (pl.col(column).str.slice(at, n) for at, n in ((0, 4), (5, 2), (8, 2)))
    marks = form.replace("%Y", "\0").replace("%m", "\0").replace("%d", "\0").split("\0")
    return pl.concat_str([pl.lit(marks[0]), year, pl.lit(marks[1]), month, pl.lit(marks[2]), day, pl.lit(marks[3])])


def spreadsheet(path: Path, frame: pl.DataFrame, number: str = "", damaged: NDArray[np.bool_] | None = None) -> None:
    """Write cells as text, but those of column `number` in `damaged` rows as the quantities the program made."""
    column = frame.columns.index(number) if number else -1
    with xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_numbers": False}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, frame.columns)
        for i, row in enumerate(frame.iter_rows()):
            for j, cell in enumerate(row):
                if cell is None:
                    continue
                if j == column and damaged is not None and damaged[i]:
                    sheet.write_number(i + 1, j, float(cell))
                else:
                    sheet.write_string(i + 1, j, cell)
