"""A rule set is a version: one hash over all that decides and was neither delivered nor said by a steward.

    rule set = rules (with the workspace's own reference tables) + weights + frequencies + shipped reference tables

The same rules with other frequencies, or on a machine with other reference tables, are another rule set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from linkage.frequencies import path_of
from linkage.workspace import file_sha256
from rules.kinds import KINDS
from rules.loader import reference_path
from rules.model import EntityRules, Rules


@dataclass(frozen=True)
class Parts:
    """What an entity type is linked with beside the text of its rules: hashes, None where there is no such file."""

    weights: str | None
    frequencies: str | None
    references: dict[str, str]


def tables_of(rules: Rules) -> dict[str, Path]:
    """The reference tables that the kinds of the rules' fields read, by name."""
    return {name: reference_path(rules.folder, name) for one in rules.entities.values() for name in _names(one)}


def parts_of(one: EntityRules, tables: Mapping[str, Path]) -> Parts:
    """The hashes of what an entity type is linked with."""
    return Parts(
        weights=file_sha256(one.folder / "weights.json"),
        frequencies=file_sha256(path_of(one)),
        references={name: file_sha256(tables[name]) or "" for name in _names(one)},
    )


def version_of(rules: Rules, tables: Mapping[str, Path]) -> str:
    """The SHA-256 that names a rule set, with its reference tables at the given places."""
    parts = {name: vars(parts_of(one, tables)) for name, one in rules.entities.items()}
    return hashlib.sha256(json.dumps([rules.sha256, parts], sort_keys=True).encode()).hexdigest()


def _names(one: EntityRules) -> list[str]:
    return sorted({name for rule in one.entity.fields.values() for name in KINDS[rule.kind].references})
