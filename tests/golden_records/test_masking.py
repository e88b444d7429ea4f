"""Masks: what is shown to people who gave no reason, by value, by document and on the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cli import app
from golden_records.masking import mask_document
from linkage.audit_trail import AuditTrail
from rules.masking import mask_value
from tests.golden_records.things import SHIP, Yard, ship
from tests.leave import give_leave
from tests.told import Told

SHIPS = ship(SHIP).entity
CLEAR = {"MK-0", "mk-0", "海鸥", "甲", "乙", "丙", "13912345678", "舟山", "七号", "1999-05-04"}


@pytest.mark.parametrize(
    ("field", "value", "masked"),
    [
        ("name", "海鸥", "海…"),
        ("name", "甲", "…"),
        ("owner", "东海船务有限公司", "东海船务…"),
        ("radio", "13912345678", "139****5678"),
        ("built", "1999-05-04", "1999-**-**"),
        ("flag", "中国", "中国"),
        ("name", None, None),
        ("no_field", "as it is", "as it is"),
    ],
)
def test_a_value_is_masked_as_its_kind_masks_it_and_a_public_one_is_not(
    field: str, value: str | None, masked: str | None
) -> None:
    assert mask_value(SHIPS, field, value) == masked


@settings(max_examples=100, derandomize=True)
@given(st.sampled_from(["mark", "name", "owner", "port"]), st.text(min_size=1, max_size=40))
def test_a_mask_hides_at_least_half_of_a_text(field: str, value: str) -> None:
    masked = str(mask_value(SHIPS, field, value))
    assert masked.endswith("…") and value.startswith(masked[:-1]) and 2 * len(masked[:-1]) <= len(value)


def test_a_document_is_masked_in_fields_and_in_history_and_nowhere_else(told: Told) -> None:
    with told.yard.ask(1) as published:
        clear = published.show(told.now["registry", "r0"])
    masked = mask_document(SHIPS, clear)
    assert not CLEAR & texts(masked)
    assert CLEAR - {"MK-0", "丙"} <= texts(clear), "the document itself stays as it was"
    for one in (clear, masked):
        for part in [*one["fields"].values(), *(item for item in one["history"] if "value" in item)]:
            part.pop("value")
            part.pop("losers", None)
    assert masked == clear


@pytest.mark.parametrize("as_json", [True, False])
def test_show_masks_unless_a_reason_is_given_that_the_audit_trail_keeps(told: Told, copied: Any, as_json: bool) -> None:
    yard: Yard = copied()
    one = told.now["registry", "r0"]
    command = ["show", one, "--workspace", str(yard.ws.root), *(["--json"] if as_json else [])]
    hidden = CliRunner().invoke(app, command)
    assert hidden.exit_code == 0, hidden.stderr
    assert not [value for value in CLEAR if value in hidden.stdout]
    asked = CliRunner().invoke(app, [*command, "--unmask", "a complaint"])
    assert asked.exit_code == 4 and "needs a second person" in asked.stderr and asked.stdout == ""
    assert CliRunner().invoke(app, [*command, "--unmask", "a complaint"]).stderr == asked.stderr
    assert give_leave(yard.ws.root) == 1
    before = len(AuditTrail(yard.ws.decisions).entries())
    shown = CliRunner().invoke(app, [*command, "--unmask", "a complaint"])
    assert shown.exit_code == 0 and "13912345678" in shown.stdout
    (entry,) = AuditTrail(yard.ws.decisions).entries()[before:]
    assert (entry.action, entry.detail["reason"], entry.detail["golden_id"]) == ("unmask", "a complaint", one)


def texts(document: Any) -> set[str]:
    """Every text that stands as a value somewhere in a JSON document."""
    if isinstance(document, dict):
        return set().union(*(texts(part) for part in document.values()))
    if isinstance(document, list):
        return set().union(*(texts(part) for part in document))
    return {json.loads(json.dumps(document))} if isinstance(document, str) else set()
