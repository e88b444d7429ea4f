"""How common values were when the weights were trained: frozen, so that a new batch moves no untouched pair.

Reads: standard. Writes: rules/<entity>/frequencies.parquet; and from it: frequency, hub.

    kind     name                 value       count
    total    (empty)              (empty)     records of `standard`; the prior and the budget refer to it
    total    a column             (empty)     its non-null values
    tf       a column             a value     how many records have it; only values that two or more have
    hub      keys and cap         a block     its records; only blocks above the rule's cap, which block nothing

A value that is not listed counts once: its frequency is 1 / (non-null values of the column).
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import duckdb

from linkage.splink_model import frequency_columns
from linkage.sql import execute, number, rows
from rules.columns import quote
from rules.errors import RefusedError
from rules.kinds.base import literal
from rules.model import BlockingRule, Entity, EntityRules

FILE = "frequencies.parquet"
UNIT = "chr(31)"
ITEM = "each__item"
SEAL = 16  # hexadecimal digits of each part of a seal


def path_of(rules: EntityRules) -> Path:
    """Where the frozen frequencies of an entity type lie: beside its weights."""
    return rules.folder / FILE


def freeze(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> None:
    """Count `standard` and write the frequencies beside the rules: the old file or the new one, never a part."""
    con.execute(f"create or replace table frequency as {frequency_sql(rules.entity)}")
    path = path_of(rules)
    scratch = path.with_name(f".{path.name}.new")
    con.execute(
        f"copy (select * from frequency order by kind, name, value) to {literal(str(scratch))} "
        "(format parquet, compression zstd)"
    )
    with scratch.open("rb") as file:
        os.fsync(file.fileno())
    scratch.replace(path)


def sealed(rules: EntityRules, model: dict[str, Any]) -> str:
    """The hash of a whole model: what Splink saves, and the frozen frequencies, of which it saves nothing.

    Two parts, joined by `-`: of the weights with the prior, and of the frequencies.
    """
    said = {name: value for name, value in model.items() if name != "linker_uid"}
    weights = hashlib.sha256(json.dumps(said, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
    return f"{weights[:SEAL]}-{hashlib.sha256(path_of(rules).read_bytes()).hexdigest()[:SEAL]}"


def unsealed(rules: EntityRules) -> tuple[str, ...]:
    """The files of a trained model that are not those of its training: weights somebody edited, other frequencies."""
    seal = str((rules.weights or {}).get("linker_uid", ""))
    if not seal or rules.weights is None or not path_of(rules).exists():
        return ()
    said, found = seal.partition("-"), sealed(rules, rules.weights).partition("-")
    return tuple(name for name, part in (("weights.json", 0), (FILE, 2)) if said[part] != found[part])


def load(con: duckdb.DuckDBPyConnection, rules: EntityRules) -> None:
    """Read the frozen frequencies into `frequency` and `hub`; the first run of all freezes its own data.

    Raises:
        RefusedError: the rules ask for columns or caps that were not frozen, or the weights were trained with other
            frequencies.
    """
    if not path_of(rules).exists():
        freeze(con, rules)
    elif FILE in unsealed(rules):
        model = rules.weights or {}
        raise RefusedError(
            f"{path_of(rules)} is not the one that weights.json was trained with ({model['linker_uid']}, found "
            f"{sealed(rules, model)}): the same values would weigh otherwise. Put back the file of that training, or "
            f"run 'shuyuan train {rules.name}'"
        )
    read(con, path_of(rules))
    known = {str(name) for (name,) in rows(con, "select name from frequency where kind = 'total'")}
    missing = sorted({*frequency_columns(rules.entity), *(hub_key(r) for r in rules.entity.blocking if r.cap)} - known)
    if missing:
        raise RefusedError(
            f"{path_of(rules)} was frozen before the rules named {', '.join(missing)}; "
            f"run 'shuyuan train {rules.name}' to count them"
        )


def read(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Read a file of frozen frequencies into `frequency`."""
    execute(con, "create or replace table frequency as select * from read_parquet($path)", path=str(path))


def total(con: duckdb.DuckDBPyConnection) -> int:
    """The number of records at the time of freezing."""
    return number(con, "select count from frequency where kind = 'total' and name = ''")


def hub_name(rule: BlockingRule) -> str:
    """What a rule is called: by its keys."""
    return " + ".join([*rule.keys, *([f"each {rule.each}"] if rule.each else [])])


def block_keys(rule: BlockingRule) -> tuple[str, ...]:
    """SQL expressions over `block_source`: what the records of a block are equal in."""
    return (*rule.keys, ITEM) if rule.each else rule.keys


def block_source(rule: BlockingRule, records: str = "standard") -> str:
    """SQL: the relation that a rule blocks: `records`, or each of them once for each element of a list."""
    return f"(select *, unnest(list_distinct({rule.each})) as {ITEM} from {records})" if rule.each else records


def hub_key(rule: BlockingRule) -> str:
    """What the hubs of a rule are filed under: another cap has other hubs, so it has to be counted anew."""
    return f"{hub_name(rule)} above {rule.cap}"


def hubs_sql(rule: BlockingRule) -> str:
    """SQL of the frozen hubs of a rule, each the text of its block."""
    return f"select value from frequency where kind = 'hub' and name = {literal(hub_key(rule))}"


def block_known(rule: BlockingRule) -> str:
    """SQL: whether a record has all keys of a rule."""
    return " and ".join(f"({key}) is not null" for key in block_keys(rule))


def block_text(rule: BlockingRule) -> str:
    """SQL: the keys of a rule as one text, null where a key is null."""
    keys = ", ".join(f"cast({key} as varchar)" for key in block_keys(rule))
    return f"case when {block_known(rule)} then concat_ws({UNIT}, {keys}) end"


def frequency_sql(entity: Entity) -> str:
    """SQL that counts `standard` into the rows of `frequency`."""
    parts = ["select 'total' as kind, '' as name, '' as value, count(*) as count from standard"]
    for column in frequency_columns(entity):
        value, name = f"cast({quote(column)} as varchar)", literal(column)
        parts.append(f"select 'total', {name}, '', count({quote(column)}) from standard")
        parts.append(
            f"select 'tf', {name}, {value}, count(*) from standard where {quote(column)} is not null "
            "group by all having count(*) > 1"
        )
    for rule in entity.blocking:
        if rule.cap is not None:
            name, text, source = literal(hub_key(rule)), block_text(rule), block_source(rule)
            known = block_known(rule)
            mixed = f"hash({', '.join(block_keys(rule))})"
            parts.append(f"select 'total', {name}, '', count(*) from {source} where {known}")
            # A hub has a hash that many have: few texts are made and counted.
            often = f"select {mixed} from {source} where {known} group by all having count(*) > {rule.cap}"
            parts.append(
                f"select 'hub', {name}, {text}, count(*) from {source} where {known} and {mixed} in ({often}) "
                f"group by all having count(*) > {rule.cap}"
            )
    return "\nunion all ".join(parts)


def lookup_sql(column: str) -> str:
    """SQL of the look-up that Splink joins: every present value of `column` with its frozen frequency."""
    name = quote(column)
    return f"""select present.{name}, coalesce(f.count, 1)
  / (select greatest(max(count), 1) from frequency where kind = 'total' and name = {literal(column)})
  as {quote("tf_" + column)}
from (select distinct {name} from standard where {name} is not null) as present
left join frequency as f
  on f.kind = 'tf' and f.name = {literal(column)} and f.value = cast(present.{name} as varchar)"""
