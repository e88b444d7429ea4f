"""A golden record: every value with its state, source and who says otherwise; members, relations, events, tickets."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Request
from starlette.responses import Response

from desk import granted
from desk.access import Identity
from desk.drawing import neighbourhood
from desk.identity import require
from desk.language import language_of, translator
from desk.pages.clearing import opened
from desk.pages.rendering import Titles, render
from desk.pages.review import Reason
from desk.sight import Sight
from desk.state import Desk, desk_of
from golden_records.query import Document, Release
from golden_records.queue import Queue
from golden_records.tickets import TicketStore
from linkage.decisions import Decision
from rules.masking import mask_value
from rules.model import Rules

router = APIRouter(include_in_schema=False)
NAMES = ("name", "text")  # kinds whose values people call something by
MOST_NAMED, LONGEST = 60, 20  # neighbours that are looked up by name; characters in a drawing
GoldenId = Annotated[str, Path(min_length=1, max_length=40)]


@router.get("/golden/{golden_id}")
def golden_page(request: Request, golden_id: GoldenId, identity: Annotated[Identity, require("read")]) -> Response:
    """A golden record, masked."""
    return _show(request, identity, golden_id)


@router.post("/golden/{golden_id}/clear")
def clear_text(
    request: Request, golden_id: GoldenId, identity: Annotated[Identity, require("see_clear")], purpose: Reason
) -> Response:
    """A golden record in clear text where a second person allowed it; else ask one."""
    desk, translate = desk_of(request), translator(language_of(request))
    with desk.release() as release:
        sight = Sight(release, desk.rules, identity.grant)
        document = release.show(golden_id.strip().upper())
        sight.must_see(document["golden_id"])
    subjects = [(one["source"], one["source_key"]) for one in document["members"]]
    what: dict[str, object] = {"action": "golden", "golden_id": document["golden_id"]}
    alert = opened(desk, identity, purpose, (document["entity"], subjects, what), translate)
    return _show(request, identity, golden_id, alert, clear=not alert)


@router.post("/golden/{golden_id}/decide")
def decide(
    request: Request,
    golden_id: GoldenId,
    identity: Annotated[Identity, require("decide")],
    kind: Annotated[Literal["value", "pin", "split"], Form()],
    reason: Reason,
    field: Annotated[str, Form(max_length=100)] = "",
    record: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Choose the value of a record, pin the golden record, or split the ticked records off."""
    desk, translate = desk_of(request), translator(language_of(request))
    with desk.release() as release:
        sight = Sight(release, desk.rules, identity.grant)
        wanted = golden_id.strip().upper()
        sight.must_see(wanted)
        entity, members = release.entity_of(wanted), release.members(wanted)
    if not reason.strip():
        return _show(request, identity, golden_id, translate("A decision needs a reason."), status=422)
    chosen = [one for one in members if "/".join(one) in (record or ())]
    if kind != "pin" and (not chosen or (kind == "split" and len(chosen) == len(members))):
        told = translate("Tick the records that are somebody else; not all of them.")
        return _show(request, identity, golden_id, told, status=422)
    payload: tuple[tuple[str, object], ...] = ()
    subjects = members
    if kind == "value":
        sight.attribute(entity, field)
        subjects, payload = chosen[:1], (("field", field), ("value", ""))
    elif kind == "split":
        rest = [one for one in members if one not in chosen]
        payload = (("groups", [rest, chosen]),)
    made = Queue(desk.ws, desk.rules).decide(
        Decision(kind, entity, tuple(subjects), reason.strip(), identity.name, payload)
    )
    if made.needs is None:
        told = translate("Decision %(number)s is kept; it counts from the next plan on.", number=made.number)
    else:
        told = translate("Decision %(number)s is proposed; a second person must confirm it.", number=made.number)
    return _show(request, identity, golden_id, told)


def _show(
    request: Request, identity: Identity, golden_id: str, alert: str = "", status: int = 200, clear: bool = False
) -> Response:
    desk, language = desk_of(request), language_of(request)
    with desk.release() as release:
        sight = Sight(release, desk.rules, identity.grant)
        document = sight.record(release.show(golden_id.strip().upper()), clear)
        context = {
            "one": document,
            "fields": _fields(desk.rules, document),
            "tickets": _tickets(desk, sight, document),
            "release": release.manifest,
            **_neighbours(release, sight, document["golden_id"], Titles(desk.rules, language)),
            **_history(document),
        }
    may_clear = identity.grant.may("see_clear") and not clear
    may = {"may_clear": may_clear, "may_decide": identity.grant.may("decide")}
    return render(request, "golden.html", identity, status, alert=alert, clear=clear, **may, **context)


def _neighbours(release: Release, sight: Sight, golden_id: str, titles: Titles) -> dict[str, Any]:
    """The relations within a step, who says so, what the other ends are called, and the drawing."""
    relations = sight.relations(release.related(golden_id))
    ends = {one[end] for one in relations for end in ("from_id", "to_id") if one[end]} - {golden_id}
    names = {one: _name(release, sight, one) for one in sorted(ends)[:MOST_NAMED]}
    kinds = {one: titles.entity(release.entity_of(one)) for one in ends}
    labels = {one: f"{kinds[one]} {names.get(one) or one}"[:LONGEST] for one in ends}
    for one in relations:
        told = titles.record(release.entity_of(one["from_id"]), (one["source"], one["source_key"]))
        one["said_by"] = told if one["source"] else ""
    return {
        "relations": relations,
        "names": {one: f"{kinds[one]} {names.get(one, '')}" for one in ends},
        "drawn": neighbourhood(golden_id, relations, labels, titles.relations()),
    }


def _history(document: Document) -> dict[str, Any]:
    """The history of a golden record in three parts: events, states of life, and past values by field."""
    told = document["history"]
    past: dict[str, list[Any]] = {}
    for one in told:
        if "field" in one:
            past.setdefault(one["field"], []).append(one)
    events = [one for one in told if "event" in one and "seq" in one]
    return {"events": events, "states": [one for one in told if "state" in one], "past": past}


def _fields(rules: Rules, document: Document) -> list[str]:
    """The fields that have a value, in the order of the rules."""
    order = list(rules.entities[document["entity"]].entity.fields)
    return sorted(document["fields"], key=lambda name: order.index(name) if name in order else len(order))


def _name(release: Release, sight: Sight, golden_id: str) -> str:
    """What a neighbour is called: its first published name that the grant shows, masked; nothing where it has none."""
    rules = sight.rules.entities[release.entity_of(golden_id)].entity
    shown = release.show(golden_id)["fields"]
    for name, rule in rules.fields.items():
        value = shown.get(name, {}).get("value")
        if value and rule.kind.endswith(NAMES) and not rule.identifier and sight.grant.sees_attribute(name):
            return str(mask_value(rules, name, value))
    return ""


def _tickets(desk: Desk, sight: Sight, document: Document) -> list[Any]:
    """The tickets about its records, as far as the grant shows them."""
    records = [(one["source"], one["source_key"]) for one in document["members"]]
    found = TicketStore(desk.decisions).about(document["entity"], records)
    return [one for one in found if granted.sees_ticket(sight, one)]
