"""A small delivery that can be read by hand, and the command line that takes it in.

Area code 88 was never given to a place and 154 to no carrier, so nobody's number stands here. Two years:

    C01 S01 M01   one woman in three sources; in the second year her registry row has another phone
    C02 S02       one man; S02 is withdrawn in the second year
    C03 M03       namesakes born on one day, M03 without a number: linked until a steward says that they are two
    C04 S04       one man whom S04 writes with another birth date and without a number: two until a steward joins them
    C05 S05       everything agrees but the two valid numbers: waits for a steward
    M07           in one source only
    S06           in one source only, withdrawn in the second year
    C08           comes in the second year

In the second year C02 has died. The registered household of 柳湾 had him as its head and C01; now C01 is the head
and C08 has moved in. That of 白塔 has C03, C04 and C05 and stays as it is.

In the second year the committees' list writes 东屏庄 in another way, 柳湾 has become a residents' committee, and
the township of 白塔 has another code.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from cli import app
from golden_records.segments import table_sql
from tests.once import copy_of, once

ROOT = Path(__file__).resolve().parent.parent
FIRST_DAY, SECOND_DAY = "2024-01-31", "2025-01-31"
CIVIL = "人员编号,姓名,曾用名,性别,出生日期,公民身份号码,联系电话,户籍地区划,户籍地址,变更日期,操作\n"
DIED = CIVIL.replace("变更日期", "人员状态,状态日期,变更日期")
SOCIAL = "救助编号,申请人姓名,曾用名,性别,出生年月日,身份证号,手机号,区划代码,家庭住址,更新日期,操作\n"
MARRIAGE = "登记证号,当事人,曾用名,性别,出生日期,身份证件号,电话,登记地区划,常住地址,登记日期,操作\n"
HOUSEHOLDS = "户号,户类型,户主人员编号,成员人员编号,户籍地区划,户籍地址,居住地委员会代码,户状态,状态日期,变更日期\n"
COMMITTEES = "年份,统计用区划代码,名称,乡镇,县,市,省\n"
FIRST = {
    "civil_registry_20231201.csv": CIVIL
    + """\
C01,沈青禾,,2,19850312,880101198503120023,15400000001,880101101,青泉县新庄镇柳湾村1号,20230105,
C02,罗铁生,,1,19581102,880101195811020012,15400000002,880101101,青泉县新庄镇柳湾村2号,20230105,
C03,贺小满,,2,19900520,880101199005200025,15400000003,880101102,青泉县大店镇白塔村3号,20230105,
C04,唐守仁,,1,19491001,880101194910010018,15400000004,880101102,青泉县大店镇白塔村4号,20230105,
C05,温如玉,,2,19720707,880101197207070020,15400000005,880101102,青泉县大店镇白塔村5号,20230105,
""",
    "social_assistance_20231201.csv": SOCIAL
    + """\
S01,沈青禾,,女,1985-03-12,880101198503120023,15400000021,880101101,青泉县新庄镇柳湾村1号,2023-03-01,
S02,罗铁生,,男,1958-11-02,880101195811020012,15400000002,880101101,青泉县新庄镇柳湾村2号,2023-03-01,
S04,唐守仁,,男,1951-02-11,,15400000024,880101101,青泉县新庄镇柳湾村4号,2023-03-01,
S05,温如玉,,女,1972-07-07,880101197207070047,15400000005,880101102,青泉县大店镇白塔村5号,2023-03-01,
S06,邱望山,,男,1966-06-06,880101196606060036,15400000006,880101101,青泉县新庄镇柳湾村6号,2023-03-01,
""",
    "marriage_20231201.csv": MARRIAGE
    + """\
M01,沈青禾,,女性,1985年03月12日,880101198503120023,15400000001,880101,,2023年05月20日,
M03,贺小满,,女性,1990年05月20日,,15400000003,880101102,,2023年05月20日,
M07,莫晚晴,,女性,1993年08月18日,880101199308180041,15400000007,880101,,2023年05月20日,
""",
    "stat_divisions_2023.csv": COMMITTEES
    + """\
2023,880101101201,东屏庄村民委员会,新庄镇,青泉县,北屏市,沧原省
2023,880101101202,西屏庄村委会,新庄镇,青泉县,北屏市,沧原省
2023,880101101203,柳湾村委会,新庄镇,青泉县,北屏市,沧原省
2023,880101102201,白塔村委会,大店镇,青泉县,北屏市,沧原省
""",
}
SECOND = {
    "civil_registry_20241201.csv": DIED
    + """\
C01,沈青禾,,2,19850312,880101198503120023,15400000011,880101101,青泉县新庄镇柳湾村1号,正常,,20240606,
C02,罗铁生,,1,19581102,880101195811020012,15400000002,880101101,青泉县新庄镇柳湾村2号,死亡,20240520,20240606,
C08,简一鸣,,1,20010909,880101200109090014,15400000008,880101101,青泉县新庄镇柳湾村8号,正常,,20240606,
""",
    "social_assistance_20241201.csv": SOCIAL
    + """\
S02,罗铁生,,男,1958-11-02,880101195811020012,15400000002,880101101,青泉县新庄镇柳湾村2号,2024-06-01,删除
S06,邱望山,,男,1966-06-06,880101196606060036,15400000006,880101101,青泉县新庄镇柳湾村6号,2024-06-01,删除
""",
    "stat_divisions_2024.csv": COMMITTEES
    + """\
2024,880101101201,东屏庄村委会,新庄镇,青泉县,北屏市,沧原省
2024,880101101202,西屏庄村委会,新庄镇,青泉县,北屏市,沧原省
2024,880101101001,柳湾社区居委会,新庄镇,青泉县,北屏市,沧原省
2024,880101205201,白塔村委会,大店镇,青泉县,北屏市,沧原省
""",
}
FIRST_HOUSEHOLDS = {
    "civil_household_20231201.csv": HOUSEHOLDS
    + """\
880101101001,家庭户,C02,C01;C02,880101101,青泉县新庄镇柳湾村2号,880101101203,正常,,20230105
880101102001,家庭户,C04,C03;C04;C05,880101102,青泉县大店镇白塔村4号,880101102201,正常,,20230105
""",
}
SECOND_HOUSEHOLDS = {
    "civil_household_20241201.csv": HOUSEHOLDS
    + """\
880101101001,家庭户,C01,C01;C08,880101101,青泉县新庄镇柳湾村2号,880101101001,正常,,20240606
880101102001,家庭户,C04,C03;C04;C05,880101102,青泉县大店镇白塔村4号,880101102201,正常,,20230105
""",
}
SOURCES = (
    "assistance_household, charity_registry, child_welfare, civil_household, civil_registry, committee_registry, "
    "credit_platform, disability, elderly_care, elderly_institution, funeral, "
    "housing_household, institution_statistics, marriage, social_assistance, social_org_registry, stat_divisions, "
    "welfare_institution"
)
TRUTH = """\
source,source_key,truth,error
civil_registry,C01,p1,
social_assistance,S01,p1,old_phone
marriage,M01,p1,
civil_registry,C02,p2,
social_assistance,S02,p2,
civil_registry,C03,p3,
marriage,M03,p3b,namesake
civil_registry,C04,p4,
social_assistance,S04,p4,wrong_birth;no_number
civil_registry,C05,p5,
social_assistance,S05,p5b,
social_assistance,S06,p6,
marriage,M07,p7,
"""


def deliver(folder: Path, files: dict[str, str]) -> Path:
    """Write the files of a delivery into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def invoke(*arguments: object, stdin: str | None = None) -> Result:
    """Run one command in this process; whatever its exit code is."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def said(*arguments: object, stdin: str | None = None) -> Any:
    """The JSON document of a command that is done."""
    done = invoke(*arguments, "--json", stdin=stdin)
    assert done.exit_code == 0, done.stderr or repr(done.exception)
    return json.loads(done.stdout)


def run(*arguments: object) -> str:
    """What a command that is done says on stdout."""
    done = invoke(*arguments)
    assert done.exit_code == 0, done.stderr or repr(done.exception)
    return done.stdout


def start(*arguments: object, launcher: tuple[str, ...] = ("-m", "cli"), **options: Any) -> subprocess.Popen[str]:
    """Begin one command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, *launcher, *(str(argument) for argument in arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
        **options,
    )


def first_release(factory: pytest.TempPathFactory, ws: Path) -> Path:
    """A workspace in which the first year's delivery was taken all the way to release 1."""
    return copy_of(once(factory, "first_release", _first_release) / "ws", ws)


def _first_release(folder: Path) -> None:
    run("init", folder / "ws")
    run("load", deliver(folder / "first", FIRST), "--workspace", folder / "ws")
    publish(folder / "ws", FIRST_DAY)


def publish(ws: Path, day: str) -> dict[str, Any]:
    """Link, plan and publish; gives what the plan said."""
    run("link", "--as-of", day, "--workspace", ws)
    planned: dict[str, Any] = said("plan", "--workspace", ws)
    run("publish", "--yes", "--workspace", ws)
    return planned


def content(ws: Path, release: int) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a release: of its tables and of its look-up index."""
    folder = ws / "releases" / str(release)
    found = {}
    with duckdb.connect() as con:
        for path in sorted(folder.rglob("*.parquet")):
            if "." in path.stem:
                continue  # a segment of another one
            rows = con.execute(f"from {table_sql(path.parent, path.stem)}").fetchall()
            found[path.relative_to(folder).as_posix()] = rows
    with closing(sqlite3.connect(f"file:{folder / 'lookup.sqlite'}?mode=ro&immutable=1", uri=True)) as lookup:
        for (table,) in lookup.execute("select name from sqlite_master where type = 'table' order by name").fetchall():
            found[table] = lookup.execute(f"select * from {table}").fetchall()
    return found
