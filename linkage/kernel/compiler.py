"""Turns the SQL of the rules into conditions over arrays, and says which columns those need.

What reads one record only (`split_part(household_l, '/', 1)`) becomes a column of that record, computed once by
DuckDB. What reads both becomes a tree of `conditions`; a part that has no form there is asked of DuckDB. The meaning
is always that of the SQL: this module only chooses who evaluates it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import duckdb
from sqlglot import exp

from linkage.kernel import conditions as c
from linkage.kernel.columns import BOOLEAN, DATE, LIST, OTHER, TEXT, WHOLE, WHOLE_NUMBER, sort_of
from rules.columns import quote
from rules.expressions import called, parsed

COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
ARITHMETIC: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.BitwiseAnd: "&",
    exp.BitwiseOr: "|",
}
BOOLEANS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Not)
# What is null where an argument is null; with anything else in it, DuckDB is asked about nulls as well.
STRICT = (
    *(exp.Like, exp.Levenshtein, exp.JarowinklerSimilarity, exp.StartsWith, exp.EndsWith, exp.Contains, exp.Length),
    *(exp.Left, exp.Right, exp.Substring, exp.Upper, exp.Lower, exp.Replace, exp.DPipe, exp.Abs, exp.Neg, exp.Paren),
    *(exp.Column, exp.Identifier, exp.Literal),
)
LIKENESSES = {"jaro_winkler_similarity", "jaro_similarity", "jaccard"}  # numbers from 0 to 1
STRICT_NAMES = {"hamming", "damerau_levenshtein", "jaro_similarity", "jaccard"}


class NoForm(Exception):
    """An expression has no form in `conditions`; it never leaves the compiler."""


@dataclass
class Needed:
    """The columns that the compiled conditions read: SQL over `standard`, by how they are held."""

    numbers: dict[str, str] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    together: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Bound:
    """A condition, what it costs (whether DuckDB is asked), and one that holds wherever it holds and costs nothing."""

    condition: c.Condition
    asks: bool
    cheap: c.Condition


class Compiler:
    """Compiles conditions over the columns of `standard` in the current schema."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        self.needed = Needed()
        self._types: dict[exp.Expr, str] = {}
        described = con.execute("describe standard").fetchall()
        self._columns = {str(name): str(sql_type) for name, sql_type, *_ in described}

    def condition(self, sql: str) -> Bound:
        """The compiled form of a condition over `_l` / `_r` columns and `gamma_<comparison>`."""
        tree = parsed(sql)
        condition = self._truth(tree)
        return Bound(condition, asks(condition), at_most(condition))

    def key(self, sql: str) -> str:
        """The column that stands for a blocking key (SQL over `standard`): whole numbers as they are, else as text."""
        sort = sort_of(self._type_of(sql))
        if sort == WHOLE_NUMBER:
            self.needed.numbers[sql] = self._type_of(sql)
        else:
            sql = sql if sort == TEXT else f"cast({sql} as varchar)"
            self.needed.texts.add(sql)
        return sql

    def elements(self, sql: str) -> str:
        """The list column of a blocking rule that puts a record into several blocks."""
        listed = f"cast({sql} as varchar[])"
        self.needed.lists.add(listed)
        return listed

    def value(self, column: str) -> str:
        """A column that must be there as codes, for the frequencies of its values."""
        return self._code(column, column)[0]

    # ── truths ──────────────────────────────────────────────────────────────────────────────────────

    def _truth(self, tree: exp.Expr, branch: bool = False) -> c.Condition:
        """The condition; `branch` says that it stands in a branch of a CASE, evaluated for few pairs."""
        try:
            return self._form(tree, branch)
        except NoForm:
            return self._asked(tree)

    def _form(self, tree: exp.Expr, branch: bool) -> c.Condition:
        match tree:
            case exp.Paren():
                return self._truth(tree.this, branch)
            case exp.Boolean():
                return c.Fixed(c.TRUE if tree.this else c.FALSE)
            case exp.Null():
                return c.Fixed(c.UNKNOWN)
            case exp.And() | exp.Or():
                parts = self._connected(tree, type(tree), branch)
                return c.All(parts) if isinstance(tree, exp.And) else c.Any_(parts)
            case exp.Not():
                return c.Not(self._truth(tree.this, branch))
            case exp.Coalesce():
                return c.First(tuple(self._truth(part, branch) for part in (tree.this, *tree.expressions)))
            case exp.Case():
                return self._case(tree)
            case exp.Is() if isinstance(tree.expression, exp.Null):
                return c.Not(self._known(tree.this))
            case exp.NullSafeEQ() | exp.NullSafeNEQ():
                same = self._compared("=", tree.this, tree.expression, True, branch)
                return same if isinstance(tree, exp.NullSafeEQ) else c.Not(same)
            case _ if type(tree) in COMPARISONS:
                return self._compared(COMPARISONS[type(tree)], tree.this, tree.expression, False, branch)
        side = side_of(tree)
        if side and not branch and self._type(tree) == "BOOLEAN":
            return self._flag(side, tree)
        raise NoForm

    def _connected(self, tree: exp.Expr, sort: type[exp.Expr], branch: bool) -> tuple[c.Condition, ...]:
        """The parts of AND or OR: what costs little first, and all that ask in one question."""
        parts = [(part, self._truth(part, branch)) for part in flattened(tree, sort)]
        parts.sort(key=lambda one: cost(one[1]))
        free = [condition for _, condition in parts if not asks(condition)]
        asking = [(part, condition) for part, condition in parts if asks(condition)]
        whole = [part for part, condition in asking if isinstance(condition, c.Asked)]
        rest = [condition for _, condition in asking if not isinstance(condition, c.Asked)]
        if len(whole) > 1:
            joined = exp.and_(*whole) if sort is exp.And else exp.or_(*whole)
            return (*free, *rest, self._asked(joined))
        return (*free, *rest, *(condition for _, condition in asking if isinstance(condition, c.Asked)))

    def _case(self, tree: exp.Case) -> c.Condition:
        ifs = tree.args["ifs"]
        whens = [exp.EQ(this=tree.this.copy(), expression=one.this.copy()) if tree.this else one.this for one in ifs]
        conditions = [self._truth(when) for when in whens]
        if any(isinstance(condition, c.Asked) for condition in conditions):
            raise NoForm
        default = tree.args.get("default")
        return c.Case(
            tuple((when, self._truth(one.args["true"], True)) for when, one in zip(conditions, ifs, strict=True)),
            c.Fixed(c.UNKNOWN) if default is None else self._truth(default, True),
        )

    def _known(self, tree: exp.Expr) -> c.Condition:
        """IS NOT NULL."""
        tree = tree.unnest()
        if isinstance(tree, exp.Coalesce) and not side_of(tree):
            return c.Any_(tuple(self._known(part) for part in (tree.this, *tree.expressions)))
        side = side_of(tree)
        if not side:
            return c.KnownNumber(self._number(tree))
        return c.Known(side, self._held(tree))

    def _compared(self, operator: str, left: exp.Expr, right: exp.Expr, nulls: bool, branch: bool) -> c.Condition:
        left, right = left.unnest(), right.unnest()
        side, other = side_of(left), side_of(right)
        if side and other:
            types = self._type(left), self._type(right)
            plain = isinstance(left, exp.Column) and isinstance(right, exp.Column)
            if branch and not plain and sort_of(types[0]) == TEXT:
                raise NoForm
            if types[0] == types[1] and sort_of(types[0]) in (TEXT, LIST, OTHER):
                if operator not in ("=", "<>"):
                    raise NoForm
                a, b = self._code(self._base(left), types[0])[0], self._code(self._base(right), types[1])[0]
                if a != b:
                    self.needed.together.append((a, b))
                same = c.SameCode((side, a), (other, b), nulls)
                return same if operator == "=" else c.Not(same)
            if types[0] == types[1] and sort_of(types[0]) in (DATE, BOOLEAN):
                a, b = self._number_column(left), self._number_column(right)
                return c.Compare(operator, c.Column(side, a), c.Column(other, b), nulls)
        elif called(left) in LIKENESSES and isinstance(right, exp.Literal) and not right.is_string and not nulls:
            return c.Compare(operator, self._asked(left, "double"), c.Constant(float(right.this)))
        elif (side or other) and not branch and self._constant(right if side else left):
            tree = left if side else right
            if sort_of(self._type(tree)) != WHOLE_NUMBER:
                sql_operator = "is not distinct from" if nulls else operator
                whole_sql = f"({left.sql('duckdb')}) {sql_operator} ({right.sql('duckdb')})"
                return self._flag(side or other, parsed(whole_sql))
        return c.Compare(operator, self._number(left), self._number(right), nulls)

    def _flag(self, side: str, tree: exp.Expr) -> c.Condition:
        base = self._base(tree)
        if self._type_of(base) != "BOOLEAN":
            raise NoForm
        self.needed.numbers[base] = "BOOLEAN"
        return c.Flag(side, base)

    # ── numbers ─────────────────────────────────────────────────────────────────────────────────────

    def _number(self, tree: exp.Expr) -> c.Number:
        tree = tree.unnest()
        if isinstance(tree, exp.Literal) and not tree.is_string and tree.this.isdigit():
            return c.Constant(int(tree.this))
        if isinstance(tree, exp.Null):
            return c.Constant(None)
        if isinstance(tree, exp.Column) and tree.name.startswith("gamma_"):
            return c.Gamma(tree.name.removeprefix("gamma_"))
        side = side_of(tree)
        if side:
            return c.Column(side, self._number_column(tree))
        match tree:
            case exp.Neg():
                return c.Arithmetic("-", c.Constant(0), self._number(tree.this))
            case exp.Abs():
                return c.Absolute(self._number(tree.this))
            case exp.Greatest() | exp.Least():
                parts = tuple(self._number(part) for part in (tree.this, *tree.expressions))
                return c.Extreme(isinstance(tree, exp.Greatest), parts)
            case exp.Coalesce():
                return c.FirstNumber(tuple(self._number(part) for part in (tree.this, *tree.expressions)))
            case exp.Cast() if self._type(tree) in WHOLE and self._type(tree.this) == "BOOLEAN":
                return c.AsNumber(self._truth(tree.this))
            case exp.Length() | exp.ArraySize():
                return self._shared(tree.this)
            case _ if type(tree) in ARITHMETIC:
                operator = ARITHMETIC[type(tree)]
                # 64-bit sums could wrap where DuckDB reports an overflow; bits cannot.
                sides = (tree.this, tree.expression)
                if operator not in "&|" and any(self._wide(one) for one in sides):
                    raise NoForm
                return c.Arithmetic(operator, *(self._number(one) for one in sides))
        if self._type(tree) in WHOLE:
            asked = self._asked(tree)
            texts = [sort_of(self._columns[name]) == TEXT for _, name in asked.inputs]
            plain = all(isinstance(one, exp.Column) for one in tree.expressions)
            if called(tree) == "damerau_levenshtein" and plain and texts == [True, True]:
                return c.Edits(asked.sql, asked.inputs, asked.strict)
            return asked
        raise NoForm

    def _shared(self, tree: exp.Expr) -> c.Number:
        name = tree.name.lower() if isinstance(tree, exp.Anonymous) else tree.key
        arguments = tree.expressions if isinstance(tree, exp.Anonymous) else [tree.this, *tree.expressions]
        if name not in ("list_intersect", "arrayintersect", "array_intersect") or len(arguments) != 2:
            raise NoForm
        sides = [side_of(one) for one in arguments]
        if not all(sides) or any(self._type(one) != "VARCHAR[]" for one in arguments):
            raise NoForm
        a, b = (self._base(one) for one in arguments)
        self.needed.lists |= {a, b}
        if a != b:
            self.needed.together.append((a, b))
        return c.Shared((sides[0], a), (sides[1], b))

    def _number_column(self, tree: exp.Expr) -> str:
        base, sql_type = self._base(tree), self._type(tree)
        if sort_of(sql_type) not in (WHOLE_NUMBER, DATE, BOOLEAN):
            raise NoForm
        self.needed.numbers[base] = sql_type
        return base

    # ── columns and types ───────────────────────────────────────────────────────────────────────────

    def _held(self, tree: exp.Expr) -> str:
        """Some column of a one-sided expression, whatever its type."""
        if sort_of(self._type(tree)) in (WHOLE_NUMBER, DATE, BOOLEAN):
            return self._number_column(tree)
        return self._code(self._base(tree), self._type(tree))[0]

    def _code(self, base: str, sql_type: str) -> tuple[str, str]:
        sql_type = self._type_of(base)
        (self.needed.texts if sort_of(sql_type) == TEXT else self.needed.others).add(base)
        return base, sql_type

    def _asked(self, tree: exp.Expr, number: str = "bigint") -> c.Asked:
        inputs = set()
        for column in tree.find_all(exp.Column):
            if column.name[:-2] in self._columns and column.name.endswith(("_l", "_r")):
                inputs.add((column.name[-1], column.name[:-2]))
        for _, name in inputs:
            if sort_of(self._columns[name]) in (WHOLE_NUMBER, DATE, BOOLEAN):
                self.needed.numbers[name] = self._columns[name]
            else:
                self._code(name, self._columns[name])
        gammas = {column.name for column in tree.find_all(exp.Column) if column.name.startswith("gamma_")}
        named = tuple(sorted(name.removeprefix("gamma_") for name in gammas))
        return c.Asked(tree.sql("duckdb"), tuple(sorted(inputs)), strict(tree), named, number)

    def _base(self, tree: exp.Expr) -> str:
        """SQL over `standard` of an expression over one side."""

        def plain(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Column) and node.name[:-2] in self._columns:
                return exp.column(node.name[:-2])
            return node

        return tree.transform(plain).sql("duckdb", copy=False)

    def _type(self, tree: exp.Expr) -> str:
        """The SQL type of an expression over the columns of `standard`, with or without a side."""
        if isinstance(tree, exp.Column) and self._column(tree.name):
            return self._column(tree.name)
        if isinstance(tree, BOOLEANS):
            return "BOOLEAN"
        if tree not in self._types:
            named = sorted({column.name for column in tree.find_all(exp.Column)})
            empty = ", ".join(f"null::{self._column(name)} as {quote(name)}" for name in named if self._column(name))
            asked = f"describe select ({tree.sql('duckdb')}) as said from (select {empty or 1})"
            self._types[tree] = str(self.con.execute(asked).fetchall()[0][1])
        return self._types[tree]

    def _type_of(self, sql: str) -> str:
        return self._type(parsed(sql))

    def _column(self, name: str) -> str:
        """The SQL type of a column of `standard`, with or without a side; nothing where there is none."""
        known = self._columns.get(name) or self._columns.get(name[:-2] if name[-2:] in ("_l", "_r") else "", "")
        return known or ("TINYINT" if name.startswith("gamma_") else "")

    def _wide(self, tree: exp.Expr) -> bool:
        return self._type(tree) == "BIGINT" and not isinstance(tree.unnest(), exp.Length)

    def _constant(self, tree: exp.Expr) -> bool:
        return not any(tree.find_all(exp.Column))


def side_of(tree: exp.Expr) -> str:
    """`l` or `r` where an expression reads that record only, else nothing."""
    sides = {column.name[-2:] for column in tree.find_all(exp.Column)}
    return sides.pop()[1:] if sides in ({"_l"}, {"_r"}) else ""


def flattened(tree: exp.Expr, sort: type[exp.Expr]) -> list[exp.Expr]:
    """The parts of nested ANDs or ORs."""
    tree = tree.unnest()
    if not isinstance(tree, sort):
        return [tree]
    return [*flattened(tree.this, sort), *flattened(tree.expression, sort)]


def strict(tree: exp.Expr) -> bool:
    """Whether a null in any column makes the whole null."""
    return all(
        isinstance(node, STRICT)
        or type(node) in COMPARISONS
        or type(node) in ARITHMETIC
        or (isinstance(node, exp.Anonymous) and node.name.lower() in STRICT_NAMES)
        for node in tree.walk()
    )


def asks(part: object) -> bool:
    """Whether evaluating a condition or number asks DuckDB."""
    return isinstance(part, c.Asked) or any(asks(child) for child in _children(part))


def cost(part: object) -> int:
    """How many columns evaluating a condition or number reads at most."""
    return sum(cost(child) for child in _children(part)) or 1


def _children(part: object) -> Iterable[object]:
    match part:
        case c.All(parts) | c.Any_(parts) | c.First(parts) | c.Extreme(_, parts) | c.FirstNumber(parts):
            return parts
        case c.Not(one) | c.KnownNumber(one) | c.Absolute(one) | c.AsNumber(one):
            return (one,)
        case c.Compare(_, left, right, _) | c.Arithmetic(_, left, right):
            return (left, right)
        case c.Case(branches, otherwise):
            return (*(one for branch in branches for one in branch), otherwise)
    return ()


def at_most(part: c.Condition) -> c.Condition:
    """A condition that asks nothing and is true wherever `part` is true."""
    if not asks(part):
        return part
    match part:
        case c.All(parts):
            return c.All(tuple(at_most(one) for one in parts))
        case c.Any_(parts):
            return c.Any_(tuple(at_most(one) for one in parts))
        case c.Case(branches, otherwise) if not any(asks(when) for when, _ in branches):
            return c.Case(tuple((when, at_most(then)) for when, then in branches), at_most(otherwise))
    return c.Fixed(c.TRUE)
