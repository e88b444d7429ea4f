"""One value as it is shown to people who did not ask, with a reason, for the clear text."""

from __future__ import annotations

from rules.kinds import KINDS
from rules.model import Entity


def mask_value(entity: Entity, field: str, value: str | None) -> str | None:
    """One value of `field` as its kind masks it; a public field as it is."""
    if value is None or field not in entity.fields or entity.fields[field].public:
        return value
    return KINDS[entity.fields[field].kind].mask(value)
