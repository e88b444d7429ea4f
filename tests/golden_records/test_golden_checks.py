"""Checks over golden records, by the shipped rules: one number on two, two numbers on one; and what is quarantined.

Area codes 88… and telephones 154… are nobody's.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.credit_codes import complete, own_check
from golden_records.golden_checks import check_golden
from golden_records.ids import create_macros
from golden_records.plan import Plan, plan
from golden_records.release import audit
from linkage import ingest
from linkage.decisions import DecisionStore
from linkage.workspace import Workspace, use_entity
from rules.errors import RefusedError, RulesError
from rules.kinds.gb11643 import check_character
from rules.loader import check
from tests.effort import effort
from tests.golden_records.things import SHIP, only, record, ship, survived
from tests.released import golden, opened, take


def number(born: str, sequence: int) -> str:
    body = f"880101{born.replace('-', '')}{sequence:03}"
    return body + check_character(body)


def code(body: str) -> str:
    return complete(f"51880101{body}{own_check(body)}")


SHARED, TANG, LUO = number("1985-03-12", 2), number("1949-10-01", 1), number("1958-11-02", 1)
WEN, WEN_TOO, QIU, QIU_OLD = (number("1972-07-07", n) for n in (2, 4, 6, 8))
MO = number("1993-08-18", 4)
CODE, CODE_A, CODE_B, SHARED_CODE, KEPT_CODE = (code(f"5003000{n}") for n in range(1, 6))
ORGANIZATION = (
    "登记档案号,组织名称,原名称,统一社会信用代码,原登记证号,社会组织类型,登记管理机关,业务主管单位,法定代表人证件号,"
    "法定代表人,联系电话,登记地区划,住所,成立日期,登记状态,状态日期,变更日期\n"
)
CHARITY = "慈善组织编号,慈善组织名称,组织代码,组织形式,负责人,电话,所在区划,办公地址,登记日期,更新日期\n"
COMMITTEE = (
    "登记编号,组织名称,区划代码,乡镇街道,县区,地市,省份,统一社会信用代码,主任证件号,主任姓名,承继组织登记编号,组织状态,"
    "状态日期,变更日期\n"
)
FILES = {
    "civil_registry_20260101.csv": f"""\
人员编号,姓名,曾用名,性别,出生日期,公民身份号码,联系电话,户籍地区划,户籍地址,变更日期,操作
C1,沈青禾,,女,1985-03-12,{SHARED},15400000001,880101101,,2023-01-05,
C2,简文秀,,女,1985-03-12,{SHARED},15400000002,880201101,,2023-01-05,
C3,唐守仁,,男,1949-10-01,{TANG},15400000003,880101102,,2023-01-05,
C4,罗铁生,,男,1958-11-02,{LUO},15400000004,880101102,,2023-01-05,
C5,温如玉,,女,1972-07-07,{WEN},15400000005,880101102,,2023-01-05,
C6,邱望舒,,女,1972-07-07,{QIU},15400000006,880101102,,2023-01-05,
C7,莫晚晴,,女,1993-08-18,{MO},15400000007,880101102,,2023-01-05,
""",
    "social_assistance_20260101.csv": f"""\
救助编号,申请人姓名,曾用名,性别,出生年月日,身份证号,原号码,手机号,区划代码,家庭住址,更新日期,操作
S0,,,女,1960-01-01,,,15400000009,880101101,,2023-03-01,
S3,唐守仁,,男,1949-10-01,{TANG},,15400000003,880101102,,2023-03-01,
S4,庄月梅,,女,1961-04-09,{LUO},,15400000014,880101102,,2023-03-01,
S5,温如玉,,女,1972-07-07,{WEN_TOO},,15400000005,880101102,,2023-03-01,
S6,邱望舒,,女,1972-07-07,{QIU_OLD},,15400000006,880101102,,2023-03-01,
S8,邱望舒,,女,1972-07-07,{QIU},{QIU_OLD},15400000006,880101102,,2023-03-01,
S7,苗若兰,,女,1990-02-03,{MO},,15400000017,880101102,,2023-03-01,
""",
    "social_org_registry_20260101.csv": ORGANIZATION
    + "".join(
        f"{key},{name},,{said},,社会团体,,,,,,880101,,2016-03-01,正常,,2022-03-01\n"
        for key, name, said in (
            ("O1", "青泉县果树种植协会", CODE),
            ("O2", "石泉县书画研究会", CODE),
            ("O3", "青泉县果树种植协会山楂分会", CODE),
            ("O4", "青泉县老年体育协会", CODE_A),
        )
    ),
    "charity_registry_20260101.csv": CHARITY
    + f"K4,青泉县老年体育协会,{CODE_B},社会团体,,,880101,,2016-03-01,2022-03-01\n",
    "committee_registry_20260101.csv": COMMITTEE
    + "".join(
        f"{key},{name},{division},新庄镇,青泉县,北屏市,沧原省,{said},,,{heir},{state},{day},2024-03-01\n"
        for key, name, division, said, heir, state, day in (
            ("M1", "东屏庄村民委员会", "880101101201", SHARED_CODE, "", "正常", ""),
            ("M2", "西屏庄村民委员会", "880101101202", SHARED_CODE, "", "正常", ""),
            ("M3", "柳湾村民委员会", "880101101203", KEPT_CODE, "M4", "村改居", "2023-05-01"),
            ("M4", "柳湾社区居民委员会", "880101101001", KEPT_CODE, "", "正常", ""),
        )
    ),
}
SAME = [
    ("person", ["civil_registry/C5", "social_assistance/S5"]),
    ("person", ["civil_registry/C6", "social_assistance/S6"]),
    ("person", ["civil_registry/C7", "social_assistance/S7"]),
    ("organization", ["social_org_registry/O4", "charity_registry/K4"]),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Plan]:
    """A release of the files above; assistance also delivers former numbers."""
    folder = tmp_path_factory.mktemp("checks")
    ws = Workspace.create(folder / "ws")
    path = ws.rules_folder / "person/sources.toml"
    text = path.read_text("utf-8").replace(
        'relation = "与申请人关系"', 'relation = "与申请人关系"\nformer_citizen_id = "原号码"'
    )
    path.write_text(text, "utf-8")
    for name, said in FILES.items():
        (folder / name).write_text(said, "utf-8")
    linked, planned = take(ws, folder.glob("*.csv"), same=SAME)
    assert {one.entity: one.quarantined for one in linked} == {"committee": 0, "organization": 0, "person": 1}
    return ws, planned


def findings(ws: Workspace, entity: str, rule: str) -> list[tuple[str, str, int, Any]]:
    """The rows that a rule names: source key, severity, line of the file, detail."""
    con = ws.connect()
    try:
        use_entity(con, entity)
        found = ingest.findings(con, ws.load_rules().entities[entity], rule)
    finally:
        con.close()
    return [(str(one["source_key"]), str(one["severity"]), int(str(one["line"])), one["detail"]) for one in found]


def test_a_number_on_two_persons_is_told_of_both_with_their_lines(made: tuple[Workspace, Plan]) -> None:
    ws, planned = made
    release, _ = opened(ws)
    with release:
        both = " ".join(sorted(golden(release, "person", f"civil_registry/{key}") for key in ("C1", "C2")))
    # C3 and S3 have one number, too, and are one person.
    assert findings(ws, "person", "number_of_two") == [("C1", "error", 2, both), ("C2", "error", 3, both)]
    assert planned.entities["person"].findings == {
        "number_of_two": 2,
        "number_of_another": 1,
        "number_contradicted": 2,
        "two_numbers": 2,
    }


def test_the_number_of_somebody_else_is_told_with_whose_it_is(made: tuple[Workspace, Plan]) -> None:
    release, _ = opened(made[0])
    with release:
        owner = golden(release, "person", "civil_registry/C4")
    assert findings(made[0], "person", "number_of_another") == [("S4", "warn", 4, owner)]


def test_records_of_one_number_that_contradict_each_other_are_told(made: tuple[Workspace, Plan]) -> None:
    told = findings(made[0], "person", "number_contradicted")
    assert [row[0] for row in told] == ["C7", "S7"]


def test_two_numbers_of_one_person_are_told_unless_one_is_known_as_the_former(made: tuple[Workspace, Plan]) -> None:
    ws, _ = made
    release, _ = opened(ws)
    with release:
        wen = golden(release, "person", "civil_registry/C5")
        # S8 names the number of S6 as the former one, so nothing is told of 邱望舒.
        assert golden(release, "person", "civil_registry/C6") == golden(release, "person", "social_assistance/S6")
    assert findings(ws, "person", "two_numbers") == [("C5", "error", 6, wen), ("S5", "error", 5, wen)]


def test_a_code_on_two_organizations_is_told_and_a_branch_may_bear_that_of_its_parent(
    made: tuple[Workspace, Plan],
) -> None:
    assert [row[0] for row in findings(made[0], "organization", "code_of_two")] == ["O1", "O2"]
    assert [row[0] for row in findings(made[0], "organization", "two_codes")] == ["K4", "O4"]


def test_a_code_that_a_committee_left_to_its_successor_is_no_finding(made: tuple[Workspace, Plan]) -> None:
    assert [row[0] for row in findings(made[0], "committee", "code_of_two")] == ["M1", "M2"]


def test_a_new_plan_writes_the_findings_anew(made: tuple[Workspace, Plan]) -> None:
    ws, planned = made
    con = ws.connect()
    try:
        again = plan(con, ws, ws.load_rules(), DecisionStore(ws.decisions))
    finally:
        con.close()
    assert again.entities["person"].findings == planned.entities["person"].findings


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("select ordinal from standard", "golden_checks.0.sql: gives no column record_id"),
        ("select record_id from standrd", "golden_checks.0.sql: unknown table 'standrd'; did you mean \"standard\"?"),
        ("select record_id from", "golden_checks.0.sql: not SQL"),
        ("delete from standard", "golden_checks.0.sql: is no SELECT"),
    ],
)
def test_what_is_wrong_in_a_check_is_told(tmp_path: Path, sql: str, problem: str) -> None:
    shutil.copytree(SHIP.parent, tmp_path / "rules")
    with (tmp_path / "rules/ship/entity.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[[golden_checks]]\nrule = "odd"\ntitle = {{ zh = "奇", en = "odd" }}\nsql = "{sql}"\n')
    assert any(problem in str(one) for one in check(tmp_path / "rules"))


def test_a_check_of_a_column_that_is_not_there_is_refused() -> None:
    sql = "select record_id, mrak as detail from standard"
    wrong = {"golden_checks": [{"rule": "odd", "title": {"zh": "奇", "en": "odd"}, "sql": sql}]}
    rules = only(ship(SHIP, wrong), "name", "mark")
    con = survived(rules, [record("registry", "k1", mark="MK-1")])
    with pytest.raises(RulesError, match=r'ship/entity.toml: golden_checks.0.sql: .*"mrak" not found'):
        check_golden(con, rules)
    con.close()


# ── quarantine ──────────────────────────────────────────────────────────────────────────────────────


def test_a_quarantined_row_is_in_no_golden_record_and_told_with_its_line(made: tuple[Workspace, Plan]) -> None:
    ws, _ = made
    release, _ = opened(ws)
    with release:
        assert release.find("person", "social_assistance", "S0") == []
    assert findings(ws, "person", "no_evidence") == [("S0", "error", 2, None)]


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (
            "insert into quarantine select record_id, 'no_evidence' from standard where source_key = 'C1'",
            "quarantined, and in a golden record",
        ),
        ("delete from quarantine", "lost"),
        ("delete from finding where rule = 'no_evidence'", "quarantined without a finding"),
    ],
)
def test_the_audit_refuses_a_release_that_lost_or_let_in_a_row(
    made: tuple[Workspace, Plan], damage: str, fault: str
) -> None:
    ws, _ = made
    con = ws.connect()
    try:
        create_macros(con)
        use_entity(con, "person")
        con.begin()
        con.execute(damage)
        with pytest.raises(RefusedError, match=f"quarantine.sql found [12] rows, .*{fault}"):
            audit(con, ws.load_rules(), DecisionStore(ws.decisions))
        con.rollback()
    finally:
        con.close()


CHECKED = {
    "checks": [{"rule": "no_name", "when": "name is null", "severity": "error", "title": {"zh": "无", "en": "no"}}]
}


@settings(max_examples=effort(6, 15))
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["东风", "海鸥", ""])), min_size=1, max_size=12))
def test_every_record_is_a_member_or_quarantined_and_never_both(rows: list[tuple[str, str]]) -> None:
    rules = only(ship(SHIP, CHECKED), "name", "mark")
    con = survived(
        rules, [record("registry", f"k{i}", ship=one, name=name or None) for i, (one, name) in enumerate(rows)]
    )
    kept = {row[0] for row in con.execute("select s.record_id from member join standard s using (ordinal)").fetchall()}
    quarantined = {row[0] for row in con.execute("select record_id from quarantine").fetchall()}
    told = {row[0] for row in con.execute("select record_id from finding where rule = 'no_name'").fetchall()}
    assert quarantined == told == {i for i, (_, name) in enumerate(rows) if not name}
    assert kept == set(range(len(rows))) - quarantined
    con.close()
