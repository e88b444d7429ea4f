"""Evaluates SQL expressions of the rules over the values of one record or pair, without SQL.

DuckDB says what an expression means, and says it of many rows at once; of a single row it takes milliseconds, most of
them for planning. Here are the forms of which Python says the same in microseconds. An expression with any other form
has no plan, and values of which the two might differ (texts that are not ASCII where bytes are counted, negative
numbers where halves are rounded) are left to DuckDB by `NotPlainError`. `tests/linkage/test_plain.py` compares the two.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rapidfuzz.distance import DamerauLevenshtein, Levenshtein
from sqlglot import exp

from linkage.kernel.columns import WHOLE as WHOLE_TYPES
from rules.expressions import called, parsed

TEXT, WHOLE, TRUTH, NOTHING = "text", "whole number", "truth", "null"
LARGEST = 2**31 - 1  # beyond it DuckDB's narrow types overflow
Values = Mapping[str, Any]
Of = Callable[[Values], Any]


class NotPlainError(Exception):
    """Something that is DuckDB's to say."""


@dataclass(frozen=True)
class Plan:
    """An expression: the type of what it says, and how it is said of values by the names of their columns."""

    type: str
    of: Of


def type_of(sql_type: str) -> str:
    """What an SQL type is here; nothing where it has no form."""
    return WHOLE if sql_type in WHOLE_TYPES else {"VARCHAR": TEXT, "BOOLEAN": TRUTH}.get(sql_type, "")


@lru_cache(10_000)
def plan(sql: str, columns: frozenset[tuple[str, str]]) -> Plan | None:
    """How an expression over `columns` (name and type) is evaluated; None where it has a form not known here."""
    try:
        return _plan(parsed(sql), dict(columns))
    except NotPlainError:
        return None


def _plan(tree: exp.Expr, columns: Mapping[str, str]) -> Plan:
    def of(child: exp.Expr, *types: str) -> Of:
        """A part that is of one of some types, or null."""
        found = _plan(child, columns)
        if found.type not in (*types, NOTHING):
            raise NotPlainError
        return found.of

    # A form may be turned round or widened by arguments of its own, such as the NOT of NOT LIKE.
    if {name for name, value in tree.args.items() if value} - _USUAL and not isinstance(tree, exp.Func | exp.Literal):
        raise NotPlainError
    match tree:
        case exp.Paren():
            return _plan(tree.this, columns)
        case exp.Column() if columns.get(tree.name) in (TEXT, WHOLE, TRUTH):
            return Plan(columns[tree.name], operator.itemgetter(tree.name))
        case exp.Literal():
            return _literal(tree)
        case exp.Null():
            return Plan(NOTHING, lambda values: None)
        case exp.Boolean():
            return Plan(TRUTH, _always(bool(tree.this)))
        case exp.And() | exp.Or():
            end = isinstance(tree, exp.Or)
            return Plan(TRUTH, _connected(of(tree.this, TRUTH), of(tree.expression, TRUTH), end))
        case exp.Not():
            return Plan(TRUTH, _strict(operator.not_, of(tree.this, TRUTH)))
        case exp.Is() if isinstance(tree.expression, exp.Null):
            known = _plan(tree.this, columns).of
            return Plan(TRUTH, lambda values: known(values) is None)
        case exp.Coalesce():
            return _first([_plan(one, columns) for one in (tree.this, *tree.expressions)])
        case exp.Case() if tree.this is None:
            return _case(tree, columns, of)
        case exp.In() if tree.expressions and not tree.args.get("query"):
            return _among(_plan(tree.this, columns), [_plan(one, columns) for one in tree.expressions])
        case exp.NullSafeEQ() | exp.NullSafeNEQ():
            one, other = (_plan(side, columns) for side in (tree.this, tree.expression))
            same = _type_of([one, other]) and isinstance(tree, exp.NullSafeEQ)
            return Plan(TRUTH, lambda values: (one.of(values) == other.of(values)) is same)
        case _ if type(tree) in _COMPARED:
            one, other = (_plan(side, columns) for side in (tree.this, tree.expression))
            _type_of([one, other])
            return Plan(TRUTH, _strict(_COMPARED[type(tree)], one.of, other.of))
        case _ if type(tree) in _ARITHMETIC:
            sides = (of(side, WHOLE) for side in (tree.this, tree.expression))
            return Plan(WHOLE, _strict(_ARITHMETIC[type(tree)], *sides))
        case exp.Like():
            return Plan(TRUTH, _strict(_like, of(tree.this, TEXT), of(tree.expression, TEXT)))
        case exp.DPipe():
            return Plan(TEXT, _strict(operator.add, of(tree.this, TEXT), of(tree.expression, TEXT)))
        case exp.Cast() if tree.to.sql("duckdb").upper() in ("TEXT", "VARCHAR"):
            return Plan(TEXT, of(tree.this, TEXT))
    if called(tree) not in _FUNCTIONS:
        raise NotPlainError
    types, says, function = _FUNCTIONS[called(tree)]
    given = _arguments(tree)
    if not len(types) - (called(tree) in _SHORTER) <= len(given) <= len(types):
        raise NotPlainError
    return Plan(says, _strict(function, *(of(one, sort) for one, sort in zip(given, types, strict=False))))


def _arguments(tree: exp.Expr) -> list[exp.Expr]:
    """The arguments of a call in their order."""
    if isinstance(tree, exp.Anonymous):
        return list(tree.expressions)
    found: list[exp.Expr] = []
    for name in type(tree).arg_types:
        value = tree.args.get(name)
        if isinstance(value, exp.Expr):
            found.append(value)
        elif value:
            raise NotPlainError
    return found


def _literal(tree: exp.Literal) -> Plan:
    if tree.is_string:
        return Plan(TEXT, _always(tree.this))
    if not tree.this.isdigit() or int(tree.this) > LARGEST:
        raise NotPlainError
    return Plan(WHOLE, _always(int(tree.this)))


def _always(value: Any) -> Of:
    return lambda values: value


def _type_of(parts: list[Plan]) -> str:
    """The type that all parts have which are not null."""
    types = {one.type for one in parts} - {NOTHING}
    if len(types) > 1:
        raise NotPlainError
    return types.pop() if types else NOTHING


def _strict(function: Callable[..., Any], *parts: Of) -> Of:
    """Null where any part is, else what a function says of them."""

    def of(values: Values) -> Any:
        given = [part(values) for part in parts]
        return None if None in given else function(*given)

    return of


def _connected(one: Of, other: Of, end: bool) -> Of:
    """AND (`end` is false) or OR: `end` where one side is, else null where one side is."""

    def of(values: Values) -> Any:
        found = one(values)
        if found is end:
            return end
        more = other(values)
        if more is end:
            return end
        return None if None in (found, more) else not end

    return of


def _first(parts: list[Plan]) -> Plan:
    def of(values: Values) -> Any:
        return next((found for part in parts if (found := part.of(values)) is not None), None)

    return Plan(_type_of(parts), of)


def _case(tree: exp.Case, columns: Mapping[str, str], of: Callable[..., Of]) -> Plan:
    default = tree.args.get("default")
    otherwise = Plan(NOTHING, _always(None)) if default is None else _plan(default, columns)
    branches = [(of(one.this, TRUTH), _plan(one.args["true"], columns)) for one in tree.args["ifs"]]

    def chosen(values: Values) -> Any:
        return next((then for when, then in branches if when(values)), otherwise).of(values)

    return Plan(_type_of([otherwise, *(then for _, then in branches)]), chosen)


def _among(one: Plan, several: list[Plan]) -> Plan:
    _type_of([one, *several])

    def of(values: Values) -> bool | None:
        value, found = one.of(values), [other.of(values) for other in several]
        if value is None:
            return None
        return True if value in found else None if None in found else False

    return Plan(TRUTH, of)


# ── what is said of values none of which is null ────────────────────────────────────────────────────


def _within(function: Callable[[int, int], int]) -> Callable[[int, int], int]:
    def of(one: int, other: int) -> int:
        if one < 0 or other < 0:
            raise NotPlainError
        try:
            found = function(one, other)
        except ZeroDivisionError as error:  # an error of DuckDB's
            raise NotPlainError from error
        if abs(found) > LARGEST:
            raise NotPlainError
        return found

    return of


def _ascii(one: str, other: str) -> None:
    if not (one.isascii() and other.isascii()):
        raise NotPlainError


def _hamming(one: str, other: str) -> int:
    _ascii(one, other)
    if len(one) != len(other) or not one:
        raise NotPlainError
    return sum(a != b for a, b in zip(one, other, strict=True))


def _edits(function: Callable[[str, str], int]) -> Callable[[str, str], int]:
    def of(one: str, other: str) -> int:
        _ascii(one, other)
        return function(one, other)

    return of


def _substring(text: str, start: int, length: int | None = None) -> str:
    if start < 1 or (length is not None and length < 0):
        raise NotPlainError
    return text[start - 1 :] if length is None else text[start - 1 : start - 1 + length]


def _left(text: str, count: int) -> str:
    if count < 0:
        raise NotPlainError
    return text[:count]


def _right(text: str, count: int) -> str:
    if count < 0:
        raise NotPlainError
    return text[-count:] if count else ""


def _split_part(text: str, by: str, which: int) -> str:
    if not by or which < 1:
        raise NotPlainError
    parts = text.split(by)
    return parts[which - 1] if which <= len(parts) else ""


def _replace(text: str, old: str, new: str) -> str:
    if not old:
        raise NotPlainError
    return text.replace(old, new)


def _like(text: str, pattern: str) -> bool:
    said = "".join({"_": ".", "%": ".*"}.get(one, re.escape(one)) for one in pattern)
    return re.fullmatch(said, text, re.DOTALL) is not None


_COMPARED: Mapping[type[exp.Expr], Callable[[Any, Any], bool]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
}
_ARITHMETIC: Mapping[type[exp.Expr], Callable[[int, int], int]] = {
    exp.Add: _within(operator.add),
    exp.Sub: _within(operator.sub),
    exp.Mul: _within(operator.mul),
    exp.IntDiv: _within(operator.floordiv),
    exp.Mod: _within(operator.mod),
}
# By name: the types of the arguments, that of the answer, and the function.
_FUNCTIONS: Mapping[str, tuple[tuple[str, ...], str, Callable[..., Any]]] = {
    "length": ((TEXT,), WHOLE, len),
    "left": ((TEXT, WHOLE), TEXT, _left),
    "right": ((TEXT, WHOLE), TEXT, _right),
    "substring": ((TEXT, WHOLE, WHOLE), TEXT, _substring),
    "substr": ((TEXT, WHOLE, WHOLE), TEXT, _substring),
    "split_part": ((TEXT, TEXT, WHOLE), TEXT, _split_part),
    "replace": ((TEXT, TEXT, TEXT), TEXT, _replace),
    "starts_with": ((TEXT, TEXT), TRUTH, str.startswith),
    "ends_with": ((TEXT, TEXT), TRUTH, str.endswith),
    "contains": ((TEXT, TEXT), TRUTH, operator.contains),
    "hamming": ((TEXT, TEXT), WHOLE, _hamming),
    "levenshtein": ((TEXT, TEXT), WHOLE, _edits(Levenshtein.distance)),
    "damerau_levenshtein": ((TEXT, TEXT), WHOLE, _edits(DamerauLevenshtein.distance)),
}
_USUAL = {"this", "expression", "expressions", "ifs", "default", "to", "safe"}
_SHORTER = {"substring", "substr"}  # their last argument may be left out
