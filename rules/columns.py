"""The columns of `standard`: what the fields of an entity type and their kinds give the engine to work with."""

from __future__ import annotations

from rules.kinds import KINDS
from rules.model import Entity

FIXED = {
    "record_id": "BIGINT",
    "ordinal": "BIGINT",
    "source": "VARCHAR",
    "source_key": "VARCHAR",
    "row_hash": "VARCHAR",
    "observed_on": "DATE",
    "dup_group": "VARCHAR",
}


# The columns that every golden record has, before those of its fields.
GOLDEN = ("golden_id", "lifecycle", "since_release", "valid_from", "last_seen", "valid_to", "records")


def quote(identifier: str) -> str:
    """An SQL identifier in quotes; the only way a name of the rules reaches SQL text."""
    return '"' + identifier.replace('"', '""') + '"'


def field_columns(field: str, kind: str) -> dict[str, str]:
    """Column name -> SQL type of one field: value, key, the kind's extras and `__ok`."""
    columns = {field: "VARCHAR", f"{field}__key": "VARCHAR"}
    columns |= {f"{field}__{extra}": sql_type for extra, sql_type in KINDS[kind].columns.items()}
    return columns | {f"{field}__ok": "BOOLEAN"}


# Columns of kinds that the engine reads wherever a kind has them: references, and how much a value says.
READ_BY_ENGINE = frozenset({"keys", "golden", "depth"})


def needed_columns(entity: Entity) -> dict[str, tuple[str, ...]]:
    """By field the further columns of its kind that the rules name or the engine reads; the others are not computed."""
    said = [entity.model_dump_json(by_alias=True)]
    for comparison in entity.comparisons:
        rule = entity.fields.get(comparison.field or "")
        if comparison.field is not None and rule is not None:
            whole = KINDS[rule.kind].compare(comparison.field, rule.options)
            said += [whole.null, *(f"{level.when} {level.term_frequency}" for level in whole.levels)]
    said += [KINDS[rule.kind].agree(name, rule.options) or "" for name, rule in entity.fields.items()]
    text = "\n".join(said)
    return {
        name: tuple(
            extra for extra in KINDS[rule.kind].columns if extra in READ_BY_ENGINE or f"{name}__{extra}" in text
        )
        for name, rule in entity.fields.items()
    }


def standard_columns(entity: Entity) -> dict[str, str]:
    """Every column of `standard` for this entity type with its SQL type (derived ones: ANY)."""
    columns = dict(FIXED)
    for name, rule in entity.fields.items():
        if rule.kind in KINDS:
            columns |= field_columns(name, rule.kind)
    return columns | {name: "ANY" for name in entity.derive}


def ascii_columns(entity: Entity) -> frozenset[str]:
    """The columns on which byte-wise string functions are right, because they hold ASCII only."""
    return frozenset(
        f"{name}__{extra}" if extra else name
        for name, rule in entity.fields.items()
        if rule.kind in KINDS
        for extra in KINDS[rule.kind].ascii
    )
