"""What people ask golden records: forms that need not ask what is held, and watch rules that look for clues.

A relation is walked by steps `[~*][entity.]type`; `~` walks it against its direction, `*` in either one (a spouse). The
entity type that declares it need be named only where several do. A watch rule is an SQL file whose first comment lines
are its header:

    -- name: …    -- zh: …    -- en: …    -- why: …    -- needs: entity, entity
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlglot
from pydantic import ValidationError
from sqlglot import exp
from sqlglot.errors import SqlglotError

from rules.errors import Problem, unknown_names
from rules.model import EntityRules, Form, Question, Rules, Watch, WatchHeader

FORWARD, BACKWARD = ("from_id", "to_id"), ("to_id", "from_id")
DIRECTIONS = {"": (FORWARD,), "~": (BACKWARD,), "*": (FORWARD, BACKWARD)}
TABLES = ("golden", "provenance", "relation", "crosswalk", "state")
_COMMENT = re.compile(r"^--\s*(?:([a-z]+):)?\s*(.*?)\s*$")


@dataclass(frozen=True)
class Step:
    """One relation to walk: the entity type that declares it, its type, from which end to which, and where it leads."""

    owner: str
    type: str
    ends: tuple[tuple[str, str], ...]
    to: str


def relation_ends(entities: Mapping[str, EntityRules]) -> dict[tuple[str, str], str]:
    """(entity type, relation type) -> the entity type at its other end."""
    found = {}
    for name, one in entities.items():
        for rule in one.entity.succession:
            found[name, rule.type] = name
        for relation in one.entity.relations:
            named = one.entity.fields[relation.field].options.get("entity") if relation.field else name
            found[name, relation.type] = str(named)
    return found


def walk(entities: Mapping[str, EntityRules], start: str, path: tuple[str, ...]) -> list[Step]:
    """The steps of a path from an entity type. Raises ValueError, with a sentence, where there is no such way."""
    ends, at = relation_ends(entities), start
    steps: list[Step] = []
    for text in path:
        mark, word = (text[0], text[1:]) if text[:1] in DIRECTIONS else ("", text)
        owner, _, kind = word.rpartition(".")
        ways = {
            "": [(o, to) for (o, t), to in ends.items() if t == kind and o == at],
            "~": [(o, o) for (o, t), to in ends.items() if t == kind and to == at],
            "*": [(o, o) for (o, t), to in ends.items() if t == kind and o == to == at],
        }[mark]
        ways = [way for way in ways if owner in ("", way[0])]
        if not ways:
            raise ValueError(f"no relation {word!r} {'begins' if not mark else 'ends'} at {at}")
        if len(ways) > 1:
            raise ValueError(f"{text!r} may be any of {', '.join(f'{mark}{o}.{kind}' for o, _ in ways)}; say which")
        declared, at = ways[0]
        steps.append(Step(declared, kind, DIRECTIONS[mark], at))
    return steps


def read_watch(path: Path, problems: list[Problem]) -> Watch | None:
    """The watch rule in a file; what is wrong with it is added to `problems`."""
    file = f"{path.parent.name}/{path.name}"
    text = path.read_text(encoding="utf-8")
    said: dict[str, str] = {}
    last = None
    for line in text.splitlines():
        found = _COMMENT.match(line)
        if found is None:
            break
        key, words = found.groups()
        if key is None and last is None:
            problems.append(Problem(file, "", "the first lines are comments `-- name: …`, zh, en, why, needs"))
            return None
        if key is not None:
            last = key
            said[key] = words
        elif last is not None:
            said[last] = f"{said[last]} {words}".strip()
    unknown = said.keys() - WatchHeader.model_fields.keys()
    for key in sorted(unknown):
        problems += unknown_names(file, key, [key], WatchHeader.model_fields, "key")
    if unknown:
        return None
    values: dict[str, object] = {**said}
    if "needs" in said:
        values["needs"] = tuple(re.split(r"[,\s]+", said["needs"].strip()))
    try:
        return Watch(header=WatchHeader.model_validate(values), sql=text)
    except ValidationError as error:
        for item in error.errors():
            missing = item["type"] == "missing"
            sentence = "is missing" if missing else f"{item['msg']} (found {item['input']!r})"
            problems.append(Problem(file, ".".join(str(part) for part in item["loc"]), sentence))
        return None


def problems(rules: Rules) -> list[Problem]:
    """What is wrong in forms and watch rules beyond their shape."""
    found = [
        problem for name, form in rules.forms.items() for problem in _form(rules, f"forms/{name}.toml", name, form)
    ]
    for name, watch in rules.watches.items():
        found += _watch(rules, f"watch/{name}.sql", name, watch)
    return found


def _form(rules: Rules, file: str, name: str, form: Form) -> Iterator[Problem]:
    if form.form != name:
        yield Problem(file, "form", f"is {form.form!r} but the file is named {name!r}")
    if form.entity not in rules.entities:
        yield from unknown_names(file, "entity", [form.entity], rules.entities, "entity type")
        return
    for i, question in enumerate(form.questions):
        yield from _question(rules, file, f"questions.{i}", form, question)


def _question(rules: Rules, file: str, key: str, form: Form, question: Question) -> Iterator[Problem]:
    if (question.field is None) == (not question.path):
        yield Problem(file, key, "needs either `field` or `path`: what answers it?")
    elif question.field is not None:
        yield from unknown_names(
            file, f"{key}.field", [question.field], _golden_fields(rules, form.entity), "golden field"
        )
        if question.show:
            yield Problem(file, f"{key}.show", "goes with `path`; a field shows itself")
    else:
        try:
            steps = walk(rules.entities, form.entity, question.path)
        except ValueError as error:
            yield Problem(file, f"{key}.path", str(error))
            return
        if not question.show:
            yield Problem(file, f"{key}.show", "is missing: which fields of the golden records at the end of the path?")
        to = steps[-1].to
        if to in rules.entities:
            yield from unknown_names(file, f"{key}.show", question.show, _golden_fields(rules, to), "golden field")


def _golden_fields(rules: Rules, entity: str) -> list[str]:
    return [name for name, rule in rules.entities[entity].entity.fields.items() if rule.golden]


def _watch(rules: Rules, file: str, name: str, watch: Watch) -> Iterator[Problem]:
    header = watch.header
    if header.name != name:
        yield Problem(file, "name", f"is {header.name!r} but the file is named {name!r}")
    yield from unknown_names(file, "needs", header.needs, rules.entities, "entity type")
    try:
        trees = [tree for tree in sqlglot.parse(watch.sql, read="duckdb") if tree is not None]
    except SqlglotError as error:
        yield Problem(file, "", f"not SQL: {str(error).splitlines()[0]}")
        return
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        yield Problem(file, "", "holds something else than one SELECT")
        return
    inner = {cte.alias for cte in trees[0].find_all(exp.CTE)}
    used = {table.name for table in trees[0].find_all(exp.Table) if table.name} - inner
    yield from unknown_names(
        file, "", sorted(used), [f"{e}_{table}" for e in header.needs for table in TABLES], "table"
    )
