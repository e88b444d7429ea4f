"""What a grant shows of a release: the one place that cuts by entity type, region and attribute, and masks.

A region-limited grant sees a golden record where one of its current values of kind `division` lies in a granted region;
a record without one, and an id that ended, it does not see. An attribute that is not granted is not there: no value, no
source of it, no history, no relation that it tells of. What is left is masked unless clear text was opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from desk.access import Grant
from golden_records.masking import mask_document
from golden_records.query import Document, Release
from rules.columns import quote
from rules.errors import DeniedError, NotFoundError
from rules.model import Entity, Rules

REGION = "division"  # the kind whose values say where something is


@dataclass(frozen=True)
class Sight:
    """A release through the eyes of a grant."""

    release: Release
    rules: Rules
    grant: Grant

    @property
    def entities(self) -> tuple[str, ...]:
        """The entity types of the release that the grant shows."""
        return tuple(name for name in self.release.manifest.entities if self.grant.sees_entity(name))

    def entity(self, name: str) -> str:
        """The entity type, where the grant shows it (DeniedError)."""
        if not self.grant.sees_entity(name):
            raise DeniedError(f"golden records of {name!r} are not in what was granted")
        return name

    def attribute(self, entity: str, name: str) -> str:
        """The field, where the grant shows it (DeniedError)."""
        if not self.grant.sees_attribute(name):
            raise DeniedError(f"field {name!r} of {entity} is not in what was granted")
        return name

    def visible(self, golden_ids: Iterable[str]) -> set[str]:
        """Those of the ids whose golden records the grant shows."""
        by_entity: dict[str, list[str]] = {}
        for one in golden_ids:
            by_entity.setdefault(self.release.entity_of(one), []).append(one)
        found: set[str] = set()
        for entity, ids in by_entity.items():
            if self.grant.sees_entity(entity):
                found |= set(ids) if self.grant.regions is None else self._in_region(entity, ids)
        return found

    def must_see(self, golden_id: str) -> None:
        """DeniedError unless the grant shows the golden record."""
        self.entity(self.release.entity_of(golden_id))
        if golden_id not in self.visible([golden_id]):
            raise DeniedError(f"{golden_id} is not in the regions that were granted")

    def record(self, document: Document, clear: bool = False) -> Document:
        """A document of `Release.show` as the grant shows it (DeniedError: not at all)."""
        self.must_see(document["golden_id"])
        cut = document | {
            "fields": {name: one for name, one in document["fields"].items() if self.grant.sees_attribute(name)},
            "history": [
                one for one in document["history"] if "field" not in one or self.grant.sees_attribute(one["field"])
            ],
            "relations": self.relations(document.get("relations", [])),
            "successors": sorted(self.visible(document.get("successors") or [])),
        }
        if clear:
            return cut
        known = self.rules.entities.get(document["entity"])
        if known is None:
            raise NotFoundError(f"the rules lack entity type {document['entity']!r}: nothing says how to mask it")
        return mask_document(known.entity, cut)

    def relations(self, found: list[Document]) -> list[Document]:
        """The relations both of whose ends, and the field that tells of them, the grant shows."""
        ends = self.visible({one[end] for one in found for end in ("from_id", "to_id") if one[end] is not None})
        return [
            one
            for one in found
            if one["from_id"] in ends and (one["to_id"] is None or one["to_id"] in ends) and self._tells(one)
        ]

    def _tells(self, relation: Document) -> bool:
        """Whether the field that tells of a relation is granted; under a limit, what no field tells is not."""
        if self.grant.attributes is None:
            return True
        known = self.rules.entities.get(self.release.entity_of(relation["from_id"]))
        rules = known.entity.relations if known else ()
        return any(
            one.type == relation["type"] and (one.field or one.party or "") in self.grant.attributes for one in rules
        )

    def _in_region(self, entity: str, ids: list[str]) -> set[str]:
        known = self.rules.entities.get(entity)
        columns = _divisions(known.entity) if known else []
        if not columns:
            return set()
        said = ", ".join(quote(name) for name in columns)
        rows: list[tuple[Any, ...]] = self.release.rows(
            entity,
            "golden",
            f"select golden_id, {said} from t where golden_id in (select unnest($ids))",
            {"ids": sorted(set(ids))},
        )
        return {row[0] for row in rows if self.grant.sees_region(row[1:])}


def granted_sources(rules: Rules, grant: Grant) -> list[tuple[str, str]]:
    """The sources of the entity types that a grant shows: (entity type, source)."""
    return [
        (name, source)
        for name, one in rules.entities.items()
        if grant.sees_entity(name)
        for source in one.sources.sources
    ]


def _divisions(entity: Entity) -> list[str]:
    """The published fields that say where a golden record is."""
    return [name for name, field in entity.fields.items() if field.kind == REGION and field.golden]
