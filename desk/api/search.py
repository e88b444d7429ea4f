"""Search by a value, search before create, and claims answered with yes or no.

Values come in bodies: no URL and no log holds one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter

from desk.api.asking import PREFIX, PROBLEMS, Asking, asking
from desk.api.models import Hit, MatchAsked, MatchTold, SearchAsked, SearchTold, VerifyAsked, VerifyTold
from rules.errors import NotFoundError

router = APIRouter(prefix=PREFIX, tags=["search"])
MOST_HITS = 100


@router.post("/search", responses=PROBLEMS)
def search(asked: SearchAsked, ask: Annotated[Asking, asking("read")]) -> SearchTold:
    """Golden records by an identifier, an old one too; with `field`, by any published value of it. 100 at most."""
    found = {hit.golden_id: hit for hit in _hits(ask, asked)}
    seen = ask.sight.visible(found)
    return SearchTold(release=ask.number, hits=[hit for one, hit in found.items() if one in seen][:MOST_HITS])


@router.post("/verify", responses=PROBLEMS)
def verify(asked: VerifyAsked, ask: Annotated[Asking, asking("verify")]) -> VerifyTold:
    """Whether claims about a golden record are what is held: yes, no, or unknown. No value is told.

    Two values are equal where their kind reads the same in both, so 15 and 18 digits of one number are. Every call
    stands in the audit trail: whoever guesses is seen.
    """
    document = ask.release.show(asked.golden_id.strip().upper())
    golden_id, entity = document["golden_id"], document["entity"]
    ask.sight.must_see(golden_id)
    answers = {}
    for field, claim in asked.claims.items():
        ask.sight.attribute(entity, field)
        held = document["fields"].get(field, {}).get("value")
        forms = [ask.desk.forms(entity, field, text, ask.release.manifest.as_of) for text in (held or "", claim)]
        answers[field] = "unknown" if held is None else "yes" if set(forms[0]) & set(forms[1]) else "no"
    detail = {"golden_id": golden_id, "fields": sorted(answers), "release": ask.number}
    ask.desk.trail.append("verify", detail, ask.identity.name)
    return VerifyTold(release=ask.number, golden_id=golden_id, answers=answers)


@router.post("/match", responses=PROBLEMS)
def match(asked: MatchAsked, ask: Annotated[Asking, asking("match")]) -> MatchTold:
    """Who a record may be that does not exist yet: search before create.

    No promise: what a batch decides it decides over all records. Where a golden record that was not granted comes near,
    the answer is to ask a steward, and says no more.
    """
    ask.sight.entity(asked.entity)
    for name in asked.record:
        ask.sight.attribute(asked.entity, name)
    told = ask.desk.match(ask.number, asked.entity, asked.record, asked.source, asked.limit).document()
    seen = ask.sight.visible(one["golden_id"] for one in told["candidates"])
    shown = [one for one in told["candidates"] if one["golden_id"] in seen]
    answer = told["answer"] if len(shown) == len(told["candidates"]) else "steward"
    return MatchTold.model_validate(told | {"candidates": shown, "answer": answer})


def _hits(ask: Asking, asked: SearchAsked) -> Iterator[Hit]:
    """What is found, before it is seen whether the grant shows it."""
    names = ask.sight.entities if asked.entity is None else (ask.sight.entity(asked.entity),)
    known = {name: ask.desk.rules.entities[name].entity.fields for name in names if name in ask.desk.rules.entities}
    if asked.entity is not None and asked.entity not in known:
        raise NotFoundError(f"no entity type {asked.entity!r}; there are {', '.join(ask.sight.entities)}")
    if asked.field is not None and not any(asked.field in fields for fields in known.values()):
        raise NotFoundError(f"no field {asked.field!r} in {', '.join(known)}")
    for entity, fields in known.items():
        for name, field in fields.items():
            if asked.field is None and not (field.identifier and ask.sight.grant.sees_attribute(name)):
                continue
            if asked.field not in (None, name):
                continue
            ask.sight.attribute(entity, name)
            keys = ask.desk.forms(entity, name, asked.value, ask.release.manifest.as_of)
            for hit in ask.release.find_value(entity, name, asked.value, keys, indexed=field.identifier):
                yield Hit(entity=entity, golden_id=hit["golden_id"], field=name)
