"""Renders a page with what every page needs: the language, who is signed in, what its forms must send back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from desk import words
from desk.access import Action, Identity
from desk.language import LANGUAGES, Language, language_of, titled, translator
from desk.words import N_
from linkage.decided import SourceRecord
from rules.model import Rules

TEMPLATES = Path(__file__).parent.parent / "templates"
# The pages of the navigation, in order: where, what it is called, what it takes.
PLACES: tuple[tuple[str, str, Action], ...] = (
    ("/queue", N_("Queue"), "review"),
    ("/search", N_("Search"), "read"),
    ("/tickets", N_("Tickets"), "answer_tickets"),
    ("/quality", N_("Quality"), "see_quality"),
    ("/plan", N_("Release"), "see_plan"),
    ("/audit", N_("Audit trail"), "see_audit"),
)


def make_templates() -> Jinja2Templates:
    """The templates; what is missing in a context is an error, not nothing."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "percent": _percent, "signed": _signed, "moment": _moment, "dict": dict}
    return Jinja2Templates(env=environment, context_processors=[_known])


def render(request: Request, template: str, identity: Identity | None, status: int = 200, **context: Any) -> Response:
    """The page `template`; `identity` and `csrf` stand in its context."""
    request.state.identity = identity
    page: Response = request.app.state.templates.TemplateResponse(request, template, context, status)
    return page


def go(path: str) -> Response:
    """Send a browser on after a form was taken."""
    return RedirectResponse(path, 303)


class Titles:
    """What the rules call things, in one language; what they do not know is called by its name."""

    def __init__(self, rules: Rules, language: Language) -> None:
        self.rules = rules
        self.language = language

    def entity(self, name: str) -> str:
        one = self.rules.entities.get(name)
        return titled(one.entity.title, self.language) if one else name

    def field(self, entity: str, name: str) -> str:
        one = self.rules.entities.get(entity)
        return titled(one.entity.fields[name].title, self.language) if one and name in one.entity.fields else name

    def fields(self, entity: str) -> Callable[[str], str]:
        return lambda name: self.field(entity, name)

    def source(self, entity: str, name: str) -> str:
        one = self.rules.entities.get(entity)
        return titled(one.sources.sources[name].title, self.language) if one and name in one.sources.sources else name

    def record(self, entity: str, record: SourceRecord) -> str:
        return f"{self.source(entity, record[0])} {record[1]}"

    def relations(self) -> dict[str, str]:
        """Type of relation -> title."""
        return {
            one.type: titled(one.title, self.language)
            for rules in self.rules.entities.values()
            for one in rules.entity.relations
        }

    def state(self, entity: str, name: str) -> str:
        """A state of life, where the entity type has a life cycle."""
        one = self.rules.entities.get(entity)
        states = one.entity.lifecycle.states if one and one.entity.lifecycle else {}
        return titled(states[name], self.language) if name in states else name


def _known(request: Request) -> dict[str, Any]:
    """What stands in the context of every page."""
    language = language_of(request)
    translate = translator(language)
    identity: Identity | None = getattr(request.state, "identity", None)
    return {
        "_": translate,
        "language": language,
        "languages": LANGUAGES,
        "identity": identity,
        "csrf": identity.csrf if identity else "",
        "places": [one for one in PLACES if identity is not None and identity.grant.may(one[2])],
        "path": request.url.path,
        "words": words,
        "word": lambda known, name: words.word(getattr(words, known), name, translate),
        "titles": Titles(request.app.state.desk.rules, language),
    }


def _number(value: int) -> str:
    return f"{value:,}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _moment(value: str | None) -> str:
    """A moment as people write it, to the minute (UTC)."""
    return "" if not value else value[:16].replace("T", " ")
