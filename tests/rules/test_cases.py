"""The cases of every shipped entity type: pairs of records that a reader of the domain can check."""

from __future__ import annotations

from datetime import date

import pytest

from linkage.cases import CaseResult, run_cases
from rules.loader import SHIPPED, load_rules

AS_OF = date(2026, 1, 1)
RULES = load_rules(SHIPPED)


@pytest.fixture(scope="module")
def results() -> dict[tuple[str, str], CaseResult]:
    return {
        (one.name, result.case.name): result
        for one in RULES.entities.values()
        for result in run_cases(one, RULES.folder, AS_OF)
    }


@pytest.mark.parametrize(
    ("entity", "name"),
    [(one.name, case.name) for one in RULES.entities.values() for case in one.cases],
)
def test_a_case_is_decided_as_expected(results: dict[tuple[str, str], CaseResult], entity: str, name: str) -> None:
    result = results[entity, name]
    assert result.passed, str(result)


def test_no_two_cases_of_an_entity_type_share_a_name() -> None:
    for one in RULES.entities.values():
        assert len({case.name for case in one.cases}) == len(one.cases)


def test_persons_have_cases_of_both_kinds() -> None:
    expected = [case.expect for case in RULES.entities["person"].cases]
    assert expected.count("match") >= 10
    assert expected.count("not_merged") >= 5


def test_numbers_in_cases_are_nobodys() -> None:
    for case in RULES.entities["person"].cases:
        for record in (case.left, case.right):
            for field in ("citizen_id", "former_citizen_id"):
                assert record.get(field, "88")[:2] in ("88", "８８"), case.name
            assert record.get("phone", "154").startswith("154"), case.name
