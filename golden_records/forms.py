"""What a form need not ask (避免重复填报): values that are held and confirmed, doubtful ones, and what is left to ask.

Every question of a form (`rules/forms/`) lands in one of three places:

    known   held in a state that is enough for this form, and fresh enough
    check   held, but disputed, stale, invalid, with one source only, or said too long ago: to be confirmed
    ask     nobody holds it
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb

from golden_records.query import Release
from golden_records.views import open_views
from rules.asking import walk
from rules.columns import quote
from rules.errors import InputError, NotFoundError
from rules.masking import mask_value
from rules.model import Question, Rules

Document = dict[str, Any]
UNVERIFIED = "unverified"
# What is known of a relation: one source says so.
ONE_SOURCE = "single_source"
PLACES = ("known", "check", "ask")
HELD = ("value", "state", "source", "source_key", "last_seen", "agree", "differ")


def known(release: Release, rules: Rules, form: str, golden_id: str, clear: bool = False) -> Document:
    """Sort the questions of a form into known, check and ask, for one golden record; masked unless `clear`.

    Raises:
        NotFoundError: no such form, or the id was never issued.
        InputError: the form is about another entity type.
    """
    if form not in rules.forms:
        raise NotFoundError(f"no form {form!r}; the rules have {', '.join(rules.forms) or 'none'}")
    asked = rules.forms[form]
    shown = release.show(golden_id)
    if shown["entity"] != asked.entity:
        raise InputError(f"form {form} is about {asked.entity}; {golden_id} is {shown['entity']}")
    document: Document = {
        "golden_id": shown["golden_id"],
        "redirected_from": shown["redirected_from"],
        "entity": asked.entity,
        "status": shown["status"],
        "form": form,
        "title": asked.title.model_dump(),
        "release": release.manifest.release,
        "as_of": release.manifest.as_of.isoformat(),
        **{place: [] for place in PLACES},
    }
    with duckdb.connect() as con:
        open_views(con, rules, release.folder)
        held = _held(con, asked.entity, shown["golden_id"])
        for question in asked.questions:
            if question.field is not None:
                answer = held.get(question.field)
                value = answer["value"] if answer else None
                if not clear:
                    value = mask_value(rules.entities[asked.entity].entity, question.field, value)
                said = answer | {"value": value} if answer else None
            else:
                said = _reached(
                    con, rules, (asked.entity, shown["golden_id"]), (question, release.manifest.as_of, clear)
                )
            place, why = _place(question, said, release.manifest.as_of)
            told: Document = {"element": question.element, "ask": question.ask.model_dump()}
            document[place].append(told | (_told(said) if said else {}) | ({"why": why} if why else {}))
    return document


def duplicates(rules: Rules) -> Document:
    """The forms, and the elements that two or more of them ask for: {forms, duplicates}."""
    asking: dict[tuple[str, str], list[tuple[str, Question]]] = defaultdict(list)
    for name, form in rules.forms.items():
        for question in form.questions:
            for entity, element in _elements(rules, form.entity, question):
                asking[entity, element].append((name, question))
    return {
        "forms": [
            {"form": name, "entity": form.entity, "title": form.title.model_dump(), "questions": len(form.questions)}
            for name, form in rules.forms.items()
        ],
        "duplicates": [
            {
                "entity": entity,
                "element": element,
                "forms": [{"form": name, "ask": question.ask.model_dump()} for name, question in asked],
            }
            for (entity, element), asked in sorted(asking.items(), key=lambda one: (-len(one[1]), one[0]))
            if len({name for name, _ in asked}) > 1
        ],
    }


def _elements(rules: Rules, entity: str, question: Question) -> list[tuple[str, str]]:
    if question.field is not None:
        return [(entity, question.field)]
    return [(entity, f"{' '.join(question.path)}: {field}") for field in question.show]


def _place(question: Question, said: Document | None, as_of: date) -> tuple[str, str | None]:
    if said is None:
        return "ask", None
    if said["state"] not in question.enough:
        return "check", said["state"]
    days = (as_of - said["last_seen"]).days if said["last_seen"] else None
    if question.fresh_days is not None and (days is None or days > question.fresh_days):
        return "check", "of no known day" if days is None else f"said {days} days ago, at most {question.fresh_days}"
    return "known", None


def _told(said: Document) -> Document:
    return said | {"last_seen": said["last_seen"].isoformat() if said["last_seen"] else None}


def _held(con: duckdb.DuckDBPyConnection, entity: str, golden_id: str) -> dict[str, Document]:
    """field -> its current golden value, where it came from and the state it is in."""
    rows = con.execute(
        f"select field, value, coalesce(state, $none), source, source_key, last_seen, agree, differ "
        f"from {quote(f'{entity}_provenance')} where golden_id = $id and valid_to is null",
        {"id": golden_id, "none": UNVERIFIED},
    ).fetchall()
    return {row[0]: dict(zip(HELD, row[1:], strict=True)) for row in rows}


def _reached(
    con: duckdb.DuckDBPyConnection, rules: Rules, start: tuple[str, str], how: tuple[Question, date, bool]
) -> Document | None:
    """The golden records at the end of a question's path, without the one it began at; None where there is none."""
    question, as_of, clear = how
    at: Sequence[str] = [start[1]]
    rows: list[tuple[Any, ...]] = []
    to = start[0]
    for step in walk(rules.entities, start[0], question.path):
        reached = " union all ".join(
            f"select {far} as golden_id, source, source_key, since from {quote(f'{step.owner}_relation')} "
            f"where type = $type and {near} in (select unnest($at)) "
            "and coalesce(since <= $day, true) and coalesce($day < until, true)"
            for near, far in step.ends
        )
        rows = con.execute(
            "select golden_id, arg_min(source, (since, source, source_key)), "
            f"arg_min(source_key, (since, source, source_key)), min(since) from ({reached}) "
            "where golden_id <> $start group by golden_id order by golden_id",
            {"type": step.type, "at": at, "day": as_of, "start": start[1]},
        ).fetchall()
        at, to = [row[0] for row in rows], step.to
    if not rows:
        return None
    values = con.execute(
        f"select golden_id, field, value from {quote(f'{to}_provenance')} where valid_to is null "
        "and golden_id in (select unnest($ids)) and field in (select unnest($show))",
        {"ids": at, "show": list(question.show)},
    ).fetchall()
    fields: dict[str, Document] = {one: dict.fromkeys(question.show) for one in at}
    for one, field, value in values:
        fields[one][field] = value if clear else mask_value(rules.entities[to].entity, field, value)
    return {
        "value": [
            {"golden_id": row[0], "since": row[3].isoformat() if row[3] else None, **fields[row[0]]} for row in rows
        ],
        "state": ONE_SOURCE,
        "source": rows[0][1],
        "source_key": rows[0][2],
        "last_seen": as_of,
        "agree": [],
        "differ": [],
    }
