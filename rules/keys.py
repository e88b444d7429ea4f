"""Every key of the rules with its type, its default and what it means, read from the models.

    python -m rules.keys          writes docs/rule_keys.md anew

What a key means stands in `rules/model.py` under the key, as `中文 · in English`. It is read from the source, and only
when somebody asks, so that no other command pays for it.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rules.model import Case, Entity, Form, Sources, Title, WatchHeader

PAGE = Path(__file__).resolve().parent.parent / "docs" / "rule_keys.md"
BETWEEN = " · "
# Of every file the model of its keys, and the table in which they stand (empty: at the top of the file).
FILES: dict[str, tuple[type[BaseModel], str]] = {
    "<entity>/entity.toml": (Entity, ""),
    "<entity>/sources.toml": (Sources, ""),
    "<entity>/cases.toml": (Case, "[[case]]"),
    "forms/<form>.toml": (Form, ""),
    "watch/<name>.sql": (WatchHeader, ""),
}
TITLE = "title"
SIMPLE: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "boolean", date: "date", Any: "any"}
HEAD = """# Keys of the rules

Every key of every file under `rules/`, made from the models in `rules/model.py` by `python -m rules.keys`; a test keeps
the two equal. `shuyuan rules keys WORD` prints the keys in which a word occurs. How keys work together, with examples,
stands in [rules.md](rules.md) and [sources.md](sources.md); why one would change them in [tuning.md](tuning.md).
"""


@dataclass(frozen=True)
class Key:
    """One key: its type and default as in TOML (`required`: it must be there), its meaning in both languages."""

    key: str
    type: str
    default: str
    zh: str
    en: str


@dataclass(frozen=True)
class Table:
    """One table of a file (empty: its top) with what it is for, the model behind it, and its keys."""

    file: str
    table: str
    about: str
    model: type[BaseModel]
    keys: tuple[Key, ...]

    @property
    def heading(self) -> str:
        """As the page names it, with its depth."""
        at_top = (self.table, self.model) == FILES.get(self.file, (None, None))[::-1]
        said = [f"`{part}`" for part in (self.file if at_top else "", self.table) if part]
        return f"{'##' if at_top or not self.file else '###'} {' '.join(said)}"


def tables() -> list[Table]:
    """Every table of every file, in the order of the models; titles, which stand everywhere, come last."""
    found = [one for file, (top, name) in FILES.items() for one in _tables(file, top, name)]
    return [*found, *_tables("", Title, TITLE)]


def matching(word: str) -> list[dict[str, str]]:
    """The keys in whose name, table or meaning a word occurs, in either language; all for an empty word."""
    told = [{"file": one.file, "table": one.table, **asdict(key)} for one in tables() for key in one.keys]
    return [one for one in told if word.casefold() in " ".join(one.values()).casefold()]


def as_markdown() -> str:
    """The page of all keys."""
    told = tables()
    found = [HEAD]
    for one in told:
        found += [f"{one.heading}\n", f"{one.about}\n", "| key | 中文 | type | default | meaning |"]
        found.append("| --- | --- | --- | --- | --- |")
        found += [
            f"| `{key.key}` | {key.zh} | {_linked(key.type)} | {_default_cell(key.default)} | {key.en} |"
            for key in one.keys
        ]
        found.append("")
    return "\n".join(found)


def described(of: type[BaseModel]) -> dict[str, str]:
    """The text under each key of a model, as its source has it."""
    body = ast.parse(inspect.getsource(of)).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        one.target.id: " ".join(str(below.value.value).split())
        for one, below in zip(body.body, body.body[1:], strict=False)
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


def _tables(file: str, of: type[BaseModel], name: str) -> Iterator[Table]:
    said = described(of)
    keys, inner = [], []
    for attribute, field in of.model_fields.items():
        key = field.alias or attribute
        zh, _, en = said.get(attribute, "").partition(BETWEEN)
        place = ".".join(part for part in (name.strip("[]"), key) if part)
        keys.append(Key(key, _type(field.annotation, place) + _bounds(field), _default(field), zh, en))
        inner += [one for one in _models(field.annotation, place) if one[0] is not Title]
    yield Table(file, name, " ".join((of.__doc__ or "").split()), of, tuple(keys))
    for other, table in inner:
        yield from _tables(file, other, table)


def _models(annotation: Any, place: str) -> Iterator[tuple[type[BaseModel], str]]:
    """The models in a type, each with the TOML table in which its keys stand."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, f"[{place}]"
    elif origin in (Union, UnionType):
        for part in parts:
            yield from _models(part, place)
    elif origin is Annotated:
        yield from _models(parts[0], place)
    elif origin is tuple:
        yield from ((one, f"[{table}]") for one, table in _models(parts[0], place))
    elif origin is dict:
        yield from _models(parts[1], f"{place}.NAME")


def _type(annotation: Any, place: str) -> str:
    """A type in words; a table is named as it stands in the file."""
    origin, parts = get_origin(annotation), get_args(annotation)
    inside = list(_models(annotation, place))
    if inside:
        if inside[0][0] is not Title:
            return inside[0][1]
        return f"table of {TITLE}s" if origin is dict else TITLE
    if origin is Annotated:
        return _type(parts[0], place)
    if origin is Literal:
        return ", ".join(json.dumps(part) for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_type(part, place) for part in parts if part is not NoneType)
    if origin is tuple:
        return f"list of {_type(parts[0], place)}"
    if origin is dict:
        return f"table of {_type(parts[1], place)}"
    return SIMPLE[annotation]


def _bounds(field: FieldInfo) -> str:
    """What a value must keep to, behind its type."""
    signs = {Ge: ("≥", "ge"), Gt: (">", "gt"), Lt: ("<", "lt"), MinLen: ("at least", "min_length")}
    said = [
        f"{signs[type(one)][0]} {getattr(one, signs[type(one)][1])}" for one in field.metadata if type(one) in signs
    ]
    return f", {' and '.join(said)}" if said else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
    return json.dumps(value, ensure_ascii=False)


def _linked(said: str) -> str:
    """A type as a cell of the page: tables lead to where they are told of."""
    if said.startswith("["):
        table, _, bounds = said.partition(", ")
        return f"[`{table}`](#{re.sub(r'[^a-z_]', '', table.lower())})" + (f", {bounds}" if bounds else "")
    return f"[{TITLE}](#{TITLE})" if said == TITLE else said


def _default_cell(said: str) -> str:
    return said if said in ("required", "none", "its defaults") else f"`{said}`"


if __name__ == "__main__":
    PAGE.write_text(as_markdown(), encoding="utf-8")
