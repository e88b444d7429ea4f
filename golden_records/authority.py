"""The authority matrix in force on a day (数源部门): per attribute who leads, who follows, on what ground.

Reads: rules only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from golden_records.preferences import golden_fields, in_force, regions_in_force
from rules.model import Authority, EntityRules

Document = dict[str, Any]


def matrix(rules: EntityRules, day: date) -> list[Document]:
    """One entry per attribute and row that counts for it on `day`, in the order of the fields; regional rows behind.

    An attribute that nobody leads has one entry without `lead`. `regions` are those in which the row counts; empty:
    everywhere else.
    """
    return [entry for field in golden_fields(rules.entity) for entry in _entries(rules, field, day)]


def _entries(rules: EntityRules, field: str, day: date) -> Iterator[Document]:
    yield _entry(rules, field, in_force(rules.sources, [field], day), [])
    rows: list[tuple[Authority, list[str]]] = []
    for region in sorted(regions_in_force(rules.sources, [field], day)):
        row = in_force(rules.sources, [field], day, region)
        known = [regions for other, regions in rows if other is row]
        if known:
            known[0].append(region)
        elif row is not None:
            rows.append((row, [region]))
    for row, regions in rows:
        yield _entry(rules, field, row, regions)


def _entry(rules: EntityRules, field: str, row: Authority | None, regions: list[str]) -> Document:
    order = [_source(rules, name) for name in (row.order if row is not None else ())]
    return {
        "field": field,
        "title": rules.entity.fields[field].title.model_dump(),
        "regions": regions,
        "lead": order[0] if order else None,
        "order": order[1:],
        "since": row.since.isoformat() if row is not None and row.since else None,
        "until": row.until.isoformat() if row is not None and row.until else None,
        "basis": row.basis if row is not None else None,
    }


def _source(rules: EntityRules, name: str) -> Document:
    """A source as the matrix shows it: who answers for it, how its data came, how often."""
    source = rules.sources.sources[name]
    return {
        "source": name,
        "owner": source.owner,
        "provenance_class": source.provenance_class,
        "capture": source.capture,
        "cycle_days": source.cycle_days,
        "legal_basis": source.legal_basis,
    }
