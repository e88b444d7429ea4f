"""Roles and grants: what each may, what cannot be granted, and that the page says the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from desk.access import ACTIONS, ADMINISTRATORS, MAY, ROLES, Grant, Role
from desk.api.asking import PREFIX
from desk.identity import Require
from rules.errors import InputError, RefusedError
from tests.desk.conftest import Office, calls

PAGE = (Path(__file__).resolve().parents[2] / "docs/api.md").read_text("utf-8")


def test_every_role_has_a_row_and_every_action_a_role_that_may() -> None:
    assert set(MAY) == set(ROLES)
    assert set().union(*MAY.values()) | {"export"} == set(ACTIONS)


def test_the_page_has_every_call_with_the_action_it_needs(office: Office) -> None:
    rows = re.findall(r"^\| `([A-Z]+) (/\S+)` \| `(\w+)` \|", PAGE, flags=re.MULTILINE)
    served = {
        (method, context.original_route.path.removeprefix(PREFIX).replace(":path", ""), call.action)
        for context in iter_route_contexts(office.app.routes)
        if isinstance(context.original_route, APIRoute) and context.original_route.include_in_schema
        for method in context.original_route.methods
        for call in calls(context.original_route)
        if isinstance(call, Require)
    }
    assert set(rows) == served


def test_the_page_says_what_every_role_may() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (`.+`) \|$", PAGE, flags=re.MULTILINE)
    assert {role: set(re.findall(r"`(\w+)`", may)) for role, may in rows} == MAY


@pytest.mark.parametrize("one", sorted(ADMINISTRATORS))
def test_administrators_see_no_golden_record_and_exclude_each_other(one: Role, office: Office) -> None:
    assert not MAY[one] & {"read", "see_clear", "export", "decide"}
    for other in ADMINISTRATORS - {one}:
        with pytest.raises(InputError, match="exclude each other"):
            Grant(frozenset({one, other}))
        office.token(one, name="zhao")
        with pytest.raises(RefusedError, match="give it to another person"):
            office.token(other, name="zhao")
        office.token(other, name="qian")
        break


@pytest.mark.parametrize(
    ("regions", "divisions", "seen"),
    [
        (None, [], True),
        (("8801",), ["880101101"], True),
        (("8801", "8802"), ["880201"], True),
        (("8801",), ["880201"], False),
        (("8801",), ["88"], False),
        (("8801",), [None], False),
        (("8801",), [], False),
        ((), ["880101"], False),
    ],
)
def test_a_region_is_the_beginning_of_a_division_code(
    regions: tuple[str, ...] | None, divisions: list[str | None], seen: bool
) -> None:
    assert Grant(frozenset({"reader"}), regions=regions).sees_region(divisions) is seen


def test_grants_that_differ_have_different_digests() -> None:
    limits = [
        {},
        {"entities": frozenset({"ship"})},
        {"attributes": frozenset({"ship"})},
        {"regions": ("88",)},
        {"regions": ()},
        {"entities": frozenset()},
    ]
    assert len({Grant(frozenset({"reader"}), **one).digest for one in limits}) == len(limits)  # type: ignore[arg-type]
