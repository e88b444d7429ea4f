"""What people see who did not ask, with a reason, for the clear text: each value by its kind's mask.

The policy looks at the row: six and four digits of an identity number leave one candidate where the birth
date stands beside them, so a kind shows no more than one digit at each end and dates show their year.
"""

from __future__ import annotations

from typing import Any

from rules.masking import mask_value
from rules.model import Entity


def mask_row(entity: Entity, table: str, row: dict[str, Any]) -> dict[str, Any]:
    """A row of a table of a release, masked: golden values, and what it says (`value`, `said`) of the field it names.

    Of somebody who is only named, the first character stays.
    """

    def masked(column: str, value: Any) -> Any:
        if value is None:
            return None
        if column in ("value", "said"):
            return mask_value(entity, row["field"], str(value))
        if column == "to_name":
            return f"{str(value)[:1]}**"
        return mask_value(entity, column, str(value)) if table == "golden" and column in entity.fields else value

    return {column: masked(column, value) for column, value in row.items()}


def mask_document(entity: Entity, document: dict[str, Any]) -> dict[str, Any]:
    """A `show` document with every value masked, in fields and in history."""
    fields = {name: _masked(entity, name, one) for name, one in document["fields"].items()}
    history = [
        item | {"value": mask_value(entity, item["field"], item["value"])} if "field" in item else item
        for item in document["history"]
    ]
    return document | {"fields": fields, "history": history}


def _masked(entity: Entity, name: str, one: dict[str, Any]) -> dict[str, Any]:
    """A value, and what others say in its place, masked."""
    losers = [loser | {"said": mask_value(entity, name, loser["said"])} for loser in one.get("losers", ())]
    return one | {"value": mask_value(entity, name, one["value"]), "losers": losers}
