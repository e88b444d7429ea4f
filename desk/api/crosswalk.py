"""From source records to golden records: one, or a thousand at once, now or on a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path

from desk.api.asking import PREFIX, PROBLEMS, UNCHANGED, Asking, asking
from desk.api.models import AsOf, CrosswalkAsked, CrosswalkTold, Found, Placed, PlacedTold, Record
from golden_records.crosswalk import places
from rules.errors import NotFoundError

router = APIRouter(prefix=PREFIX, tags=["crosswalk"])


@router.get("/crosswalk/{source}/{key:path}", responses=PROBLEMS | UNCHANGED)
def one(
    source: Annotated[str, Path(min_length=1, max_length=100)],
    key: Annotated[str, Path(min_length=1, max_length=500)],
    ask: Annotated[Asking, asking("read")],
    as_of: AsOf = None,
) -> PlacedTold:
    """The golden records that hold a source record. Where keys are numbers of people, use POST: no URL holds them."""
    (placed,) = _placed(ask, [Record(source=source, key=key)], as_of)
    if not placed.golden:
        raise NotFoundError(f"no golden record that was granted holds this record of {source}")
    return PlacedTold(release=ask.number, as_of=as_of, **placed.model_dump())


@router.post("/crosswalk", responses=PROBLEMS)
def many(asked: CrosswalkAsked, ask: Annotated[Asking, asking("read")]) -> CrosswalkTold:
    """The golden records that hold up to 1,000 source records, in the order of the request."""
    return CrosswalkTold(release=ask.number, as_of=asked.as_of, records=_placed(ask, asked.records, asked.as_of))


def _placed(ask: Asking, records: Sequence[Record], as_of: date | None) -> list[Placed]:
    wanted = [(record.source, record.key) for record in records]
    found = places(ask.release, wanted, ask.sight.entities, as_of)
    seen = ask.sight.visible({golden_id for held in found.values() for _, golden_id in held})
    return [
        Placed(
            source=source,
            key=key,
            golden=[Found(entity=e, golden_id=g) for e, g in found.get((source, key), ()) if g in seen],
        )
        for source, key in wanted
    ]
