"""What a form need not ask, by the shipped rules: one woman in three sources, her household, and what forms share.

Area codes 88… and telephones 154… are nobody's.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golden_records.forms import duplicates, known
from linkage.workspace import Workspace
from rules.errors import InputError, NotFoundError
from rules.loader import SHIPPED, check, load_rules
from rules.model import Rules
from tests.released import golden, opened, take

FILES = {
    "civil_registry_20260101.csv": """\
人员编号,姓名,曾用名,性别,出生日期,公民身份号码,联系电话,户籍地区划,户籍地址,变更日期,操作
C1,沈青禾,,女,1985-03-12,880101198503120023,15400000001,880101101,沧原省北屏市青泉县新庄镇柳湾村1号,2020-01-05,
C2,沈小满,,女,2012-05-20,88010120120520002X,15400000001,880101101,沧原省北屏市青泉县新庄镇柳湾村1号,2020-01-05,
""",
    "social_assistance_20260101.csv": """\
救助编号,申请人姓名,曾用名,性别,出生年月日,身份证号,手机号,区划代码,家庭住址,更新日期,操作
S1,沈青禾,,女,1985-03-12,880101198503120023,15400000009,880101101,沧原省北屏市青泉县新庄镇柳湾村1号,2023-03-01,
""",
    "civil_household_20260101.csv": """\
户号,户类型,户主人员编号,成员人员编号,户籍地区划,户籍地址,户状态,状态日期,变更日期
880101000001,家庭户,C1,C1;C2,880101101,沧原省北屏市青泉县新庄镇柳湾村1号,正常,,2020-01-05
""",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("forms")
    for name, text in FILES.items():
        (folder / name).write_text(text, "utf-8")
    ws = Workspace.create(folder / "ws")
    take(ws, folder.glob("*.csv"))
    return ws


Asked = dict[str, tuple[str, Any, str | None]]


@pytest.fixture(scope="module")
def ask(made: Workspace) -> Callable[..., Asked]:
    """Asks a form about the holder of a record: element -> place, value, why."""

    def asked(form: str, who: str, clear: bool = False) -> Asked:
        release, rules = opened(made)
        with release:
            found = known(release, rules, form, golden(release, "person", who), clear)
        return {
            one["element"]: (place, one.get("value"), one.get("why"))
            for place in ("known", "check", "ask")
            for one in found[place]
        }

    return asked


def test_every_question_is_known_doubtful_or_to_be_asked(made: Workspace, ask: Callable[..., Asked]) -> None:
    release, _ = opened(made)
    with release:
        daughter = golden(release, "person", "civil_registry/C2")
    assert ask("minimum_allowance", "civil_registry/C1") == {
        # The registry and the assistance system say the same: nobody need write it again.
        "name": ("known", "沈**", None),
        "citizen_id": ("known", "8****************3", None),
        "sex": ("known", "2", None),
        "birth_date": ("known", "1985-**-**", None),
        # Both say so, but the form wants an address of the last year.
        "address": ("check", "沧原省北屏市…", "said 1067 days ago, at most 365"),
        "phone": ("check", "154****0001", "disputed"),
        "~member member: name, citizen_id": (
            "known",
            [{"golden_id": daughter, "since": "2020-01-05", "name": "沈**", "citizen_id": "8****************X"}],
            None,
        ),
        "*spouse: name, citizen_id": ("ask", None, None),
    }


def test_what_one_source_says_is_to_be_confirmed(ask: Callable[..., Asked]) -> None:
    found = ask("old_age_allowance", "civil_registry/C2")
    assert found["name"] == ("check", "沈**", "single_source")
    # For this form the registry's word on where she is registered is enough.
    assert found["division"][0] == "known"
    assert found["guardian: name, phone"] == ("ask", None, None)


def test_values_are_in_clear_text_only_where_that_is_asked_for(ask: Callable[..., Asked]) -> None:
    assert ask("minimum_allowance", "civil_registry/C1", True)["citizen_id"][1] == "880101198503120023"
    (daughter,) = ask("minimum_allowance", "civil_registry/C1", True)["~member member: name, citizen_id"][1]
    assert daughter["name"] == "沈小满"


def test_a_form_is_about_one_entity_type(made: Workspace) -> None:
    release, rules = opened(made)
    with release:
        person, household = golden(release, "person", "civil_registry/C1"), golden(release, "household", HOUSEHOLD)
        with pytest.raises(InputError, match=f"form old_age_allowance is about person; {household} is household"):
            known(release, rules, "old_age_allowance", household)
        with pytest.raises(NotFoundError, match="no form 'tax'; the rules have minimum_allowance, old_age_allowance"):
            known(release, rules, "tax", person)


HOUSEHOLD = "civil_household/880101000001"


def test_what_two_forms_ask_for_is_reported() -> None:
    found = duplicates(load_rules(SHIPPED))
    assert [one["form"] for one in found["forms"]] == ["minimum_allowance", "old_age_allowance", "organization_change"]
    assert [(one["entity"], one["element"], [f["form"] for f in one["forms"]]) for one in found["duplicates"]] == [
        ("person", element, ["minimum_allowance", "old_age_allowance"])
        for element in ("birth_date", "citizen_id", "name", "phone")
    ]


def test_forms_and_watch_rules_are_copied_and_not_hashed(made: Workspace) -> None:
    before: Rules = made.load_rules()
    assert set(before.forms) == set(load_rules(SHIPPED).forms)
    assert set(before.watches) == set(load_rules(SHIPPED).watches)
    path = made.rules_folder / "forms/old_age_allowance.toml"
    text = path.read_text("utf-8")
    path.write_text(text + "\n# read by nobody who links\n", "utf-8")
    assert made.load_rules().sha256 == before.sha256
    path.write_text(text, "utf-8")


FORM = """\
form = "odd"
entity = "person"
title = { zh = "奇", en = "odd" }

[[questions]]
ask = { zh = "姓名", en = "name" }
"""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (FORM, "forms/odd.toml: questions.0: needs either `field` or `path`: what answers it?"),
        (FORM + 'fild = "name"', 'forms/odd.toml: questions.0.fild: unknown key; did you mean "field"?'),
        (
            FORM + 'field = "nam"',
            "forms/odd.toml: questions.0.field: unknown golden field 'nam'; did you mean \"name\"?",
        ),
        (FORM + 'field = "guardian"', "questions.0.field: unknown golden field 'guardian'"),
        (FORM + 'field = "name"\nenough = ["sure"]', "questions.0.enough.0: input should be 'confirmed', 'agreed'"),
        (FORM + 'path = ["member"]', "questions.0.path: no relation 'member' begins at person"),
        (
            FORM + 'path = ["~represented_by"]',
            "questions.0.path: '~represented_by' may be any of ~committee.represented_by, ~organization.represented_by",
        ),
        (FORM + 'path = ["~organization.represented_by"]', "questions.0.show: is missing"),
        (
            FORM + 'path = ["~organization.represented_by"]\nshow = ["nme"]',
            "questions.0.show: unknown golden field 'nme'; did you mean \"name\"?",
        ),
        (FORM.replace('"person"', '"persn"') + 'field = "name"', "forms/odd.toml: entity: unknown entity type 'persn'"),
        (FORM.replace('"odd"', '"even"', 1) + 'field = "name"', "form: is 'even' but the file is named 'odd'"),
    ],
)
def test_what_is_wrong_in_a_form_is_told(tmp_path: Path, text: str, problem: str) -> None:
    shutil.copytree(SHIPPED, tmp_path / "rules", ignore=shutil.ignore_patterns("*.py", "kinds", "build"))
    (tmp_path / "rules/forms/odd.toml").write_text(text, "utf-8")
    told = [str(one) for one in check(tmp_path / "rules")]
    assert any(problem in one for one in told), told
