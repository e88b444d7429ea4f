"""One pair, side by side, and the decision about it.

What a form sends back of the evidence is a seal: the evidence itself is a hash of what the records say.
"""

from __future__ import annotations

import hmac
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import Response

from desk import granted, words
from desk.access import Identity
from desk.identity import require
from desk.language import Translate, language_of, translator
from desk.pages.clearing import opened
from desk.pages.rendering import go, render
from desk.state import Desk, desk_of
from golden_records.queue import Queue
from linkage.decisions import Decision
from linkage.items import Item
from rules.errors import DeniedError, NotFoundError, RefusedError

router = APIRouter(include_in_schema=False)
Key = Annotated[str, Path(min_length=1, max_length=64)]
Reason = Annotated[str, Form(max_length=500)]
Number = Annotated[int, Path(ge=1, lt=2**53)]


@router.get("/review/{item}")
def review_page(
    request: Request,
    item: Key,
    identity: Annotated[Identity, require("review")],
    done: Annotated[int | None, Query(ge=1, lt=2**53)] = None,
) -> Response:
    """An item: what its records say, what every comparison weighs, and what may be decided."""
    desk = desk_of(request)
    return _show(request, identity, _item(desk, identity, item), done=done)


@router.post("/review/{item}")
def decide(
    request: Request,
    item: Key,
    identity: Annotated[Identity, require("decide")],
    kind: Annotated[Literal["same", "different", "unsure", "again", "withdraw"], Form()],
    reason: Reason,
    seal: Annotated[str, Form(max_length=64)],
) -> Response:
    """Keep a decision and go on with the next item."""
    desk, translate = desk_of(request), translator(language_of(request))
    queue = Queue(desk.ws, desk.rules)
    try:
        waiting = _item(desk, identity, item)
    except NotFoundError:
        raise RefusedError(_who_was_faster(queue, item, translate)) from None
    if not hmac.compare_digest(seal, _seal(desk, waiting)):
        alert = translate("The records say something else than you saw. Look again.")
        return _show(request, identity, waiting, alert, 409)
    if not reason.strip():
        return _show(request, identity, waiting, translate("A decision needs a reason."), 422)
    about, pair = waiting.waiting.about, waiting.waiting
    try:
        if kind == "withdraw" and about is not None:
            queue.withdraw(about, identity.name)
            return go(_next(queue, identity))
        if kind == "again" and about is not None:
            number = queue.again(about, identity.name, reason).number
        else:
            decision = Decision(kind, waiting.entity, pair.subjects, reason.strip(), identity.name)
            number = queue.decide(decision, pair.evidence).number
    except RefusedError:
        raise RefusedError(_who_was_faster(queue, item, translate)) from None
    return go(_next(queue, identity, number))


@router.post("/review/{item}/clear")
def clear_text(
    request: Request,
    item: Key,
    identity: Annotated[Identity, require("see_clear")],
    purpose: Reason,
) -> Response:
    """The item in clear text where a second person allowed it; else ask one."""
    desk, translate = desk_of(request), translator(language_of(request))
    waiting = _item(desk, identity, item)
    subjects = waiting.waiting.subjects
    what: dict[str, object] = {"action": "review", "item": item, "records": ["/".join(one) for one in subjects]}
    alert = opened(desk, identity, purpose, (waiting.entity, subjects, what), translate)
    return _show(request, identity, waiting, alert, clear=not alert)


@router.post("/decisions/{number}/undo")
def undo(request: Request, number: Number, identity: Annotated[Identity, require("decide")]) -> Response:
    """Take back a decision of one's own, and look at its item again."""
    desk = desk_of(request)
    queue = Queue(desk.ws, desk.rules)
    decision = queue.store.one(number)
    if decision.steward != identity.name:
        raise DeniedError(f"decision {number} is not {identity.name}'s; who made it takes it back")
    queue.withdraw(number, identity.name)
    try:
        return go(f"/review/{queue.item(decision.item, identity.name).item}")
    except NotFoundError:
        return go("/queue/mine")


def _item(desk: Desk, identity: Identity, key: str) -> Item:
    item = Queue(desk.ws, desk.rules).item(key, identity.name)
    granted.must_see_item(identity.grant, item)
    return item


def _show(
    request: Request,
    identity: Identity,
    item: Item,
    alert: str = "",
    status: int = 200,
    *,
    done: int | None = None,
    clear: bool = False,
) -> Response:
    desk = desk_of(request)
    queue = Queue(desk.ws, desk.rules)
    one, language = desk.rules.entities[item.entity], language_of(request)
    held = queue.held(identity.name) if identity.grant.may("decide") else []
    keys = [other.item for other in held]
    at = keys.index(item.item) if item.item in keys else None
    others = [key for key in keys if key != item.item]
    return render(
        request,
        "review.html",
        identity,
        status,
        page=granted.page_of(item, one, identity.grant, language, clear, desk.ws.rules_folder),
        matching=one.entity.matching,
        about=queue.store.one(item.waiting.about) if item.waiting.about else None,
        golden=_golden(desk, item),
        seal=_seal(desk, item),
        alert=alert,
        done=_done(queue, identity, done),
        position=None if at is None else at + 1,
        held=len(keys),
        next=(keys[at + 1] if at is not None and at + 1 < len(keys) else others[0] if others else None),
        may_decide=identity.grant.may("decide") and item.steward in (None, identity.name),
        may_clear=identity.grant.may("see_clear") and not clear,
    )


def _golden(desk: Desk, item: Item) -> list[str | None]:
    """The golden record that holds each record now."""
    try:
        with desk.release() as release:
            found = [release.find(item.entity, *record) for record in item.waiting.subjects]
    except NotFoundError:
        return [None for _ in item.waiting.subjects]
    return [one[0]["golden_id"] if one else None for one in found]


def _done(queue: Queue, identity: Identity, number: int | None) -> Decision | None:
    """The decision that was just made, to be told and perhaps undone."""
    if number is None:
        return None
    try:
        decision = queue.store.one(number)
    except NotFoundError:
        return None
    return decision if decision.steward == identity.name and decision.withdrawn_at is None else None


def _next(queue: Queue, identity: Identity, number: int | None = None) -> str:
    """Where a steward goes after a decision: to the next item held, else to the end of the list."""
    held = queue.held(identity.name)
    told = "" if number is None else f"?done={number}"
    return f"/review/{held[0].item}{told}" if held else f"/queue/done{told}"


def _seal(desk: Desk, item: Item) -> str:
    return desk.tokens.seal(f"evidence {item.item} {item.waiting.evidence}")


def _who_was_faster(queue: Queue, item: str, translate: Translate) -> str:
    """Why a decision came too late, in the language of the page."""
    other = queue.answer_to(item)
    if other is None:
        return translate("This does not wait any more, or somebody else holds it. Take another item.")
    return translate(
        "%(who)s decided “%(what)s” at %(when)s (decision %(number)s) before you. Look again, and have that decision "
        "withdrawn if you know better.",
        who=other.steward,
        what=words.word(words.KINDS, other.kind, translate),
        when=other.decided_at[:16].replace("T", " "),
        number=other.decision_id,
    )


@router.get("/queue/done")
def done_page(
    request: Request,
    identity: Annotated[Identity, require("decide")],
    done: Annotated[int | None, Query(ge=1, lt=2**53)] = None,
) -> Response:
    """Nothing is left of what was held."""
    desk = desk_of(request)
    return render(request, "done.html", identity, done=_done(Queue(desk.ws, desk.rules), identity, done))
