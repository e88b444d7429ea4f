"""Whether a condition says the same of two records whichever of them is the left one.

Reads and writes nothing. A condition is written out in one form, in which the order of operands that may change places
is that of their texts, and columns that are equal in both records have no side; it is symmetric where that form stays
the same with `_l` and `_r` exchanged. What is not seen to be symmetric is taken not to be. The levels of value kinds
are symmetric by contract (`rules.kinds.base.Level`).
"""

from __future__ import annotations

from sqlglot import exp

from linkage.splink_model import comparison
from rules.expressions import called, parsed
from rules.model import Entity

# Their operands may change places.
SWAPPING = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Add, exp.Mul, exp.BitwiseAnd, exp.BitwiseOr)
# Not `list_intersect`: of a list and null it says something else than of null and a list.
SWAPPING_FUNCTIONS = frozenset({"hamming", "levenshtein", "damerau_levenshtein"})
OTHER_SIDE = {"_l": "_r", "_r": "_l"}


def symmetric_rules(entity: Entity) -> bool:
    """Whether the comparisons and guards of an entity type are all symmetric."""
    own = [comparison(entity, rule) for rule in entity.comparisons if not rule.field]
    conditions = [sql for one in own for sql in (one.null, *(level.when for level in one.levels))]
    return all(map(symmetric, [*conditions, *(guard.when for guard in entity.guards)]))


def symmetric(sql: str) -> bool:
    """Whether a condition over `_l` / `_r` columns is seen to be symmetric in the two records."""
    tree = parsed(sql)
    return _form(tree, False, frozenset()) == _form(tree, True, frozenset())


def _form(tree: exp.Expr, swapped: bool, equal: frozenset[str]) -> str:
    """A text that expressions share only if they mean the same; `equal` are the columns that need no side."""

    def forms(*nodes: exp.Expr) -> list[str]:
        return [_form(node, swapped, equal) for node in nodes]

    match tree:
        case exp.Paren():
            return _form(tree.this, swapped, equal)
        case exp.Column():
            name, side = tree.name[:-2], tree.name[-2:]
            if side not in OTHER_SIDE:
                return str(tree.name)
            return name if name in equal else name + (OTHER_SIDE[side] if swapped else side)
        case exp.And():
            parts = list(tree.flatten())
            known = equal | {name for part in parts if (name := _equal_column(part))}
            both = {
                f"{name} is equal" if (name := _equal_column(part)) else _form(part, swapped, known) for part in parts
            }
            return _named(tree, sorted(both))
        case exp.Or():
            return _named(tree, sorted(set(forms(*tree.flatten()))))
        case exp.Greatest() | exp.Least():
            return _named(tree, sorted(forms(tree.this, *tree.expressions)))
        case exp.Abs() if isinstance(tree.this.unnest(), exp.Sub):
            difference = tree.this.unnest()
            return _named(tree, sorted(forms(difference.this, difference.expression)))
    if isinstance(tree, SWAPPING):
        return _named(tree, sorted(forms(tree.this, tree.expression)))
    if isinstance(tree, (exp.LT, exp.LTE)):
        return _named(tree, forms(tree.this, tree.expression))
    if isinstance(tree, (exp.GT, exp.GTE)):
        less = exp.LT() if isinstance(tree, exp.GT) else exp.LTE()
        return _named(less, forms(tree.expression, tree.this))
    if (name := called(tree)) in SWAPPING_FUNCTIONS:
        return f"{name}({', '.join(sorted(forms(*tree.iter_expressions())))})"
    said = [
        f"{name}: {[forms(one)[0] if isinstance(one, exp.Expr) else str(one) for one in _listed(value)]}"
        for name, value in sorted(tree.args.items())
    ]
    return _named(tree, said)


def _equal_column(tree: exp.Expr) -> str:
    """The column that a condition says is equal in both records; nothing where it says something else."""
    if isinstance(tree, exp.EQ) and isinstance(tree.this, exp.Column) and isinstance(tree.expression, exp.Column):
        one, other = tree.this.name, tree.expression.name
        if one[:-2] == other[:-2] and {one[-2:], other[-2:]} == set(OTHER_SIDE):
            return str(one[:-2])
    return ""


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _named(tree: exp.Expr, parts: list[str]) -> str:
    return f"{type(tree).__name__}({', '.join(parts)})"
