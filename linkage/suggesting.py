"""Searches for blocking rules: conjunctions of key columns that bring most known pairs together within a budget.

Reads: standard. Writes nothing.

A key column is one that the rules have computed: a field's key, a further column of its kind, what is derived, or the
beginning of a text. A greedy cover takes, again and again, the conjunction that brings most known pairs not yet brought
for what it costs, as long as all of them stay within the budget (Khuller, Moss & Naor 1999, "The budgeted maximum
coverage problem"; for blocking Bilenko, Kamath & Mooney 2006, "Adaptive blocking"). At last it leaves out what later
rules made needless. What costs are pairs that are not known: those that are have to be made anyway.

Conjunctions are searched key by key, the most promising BEAM of each length: a key is added to those that were counted,
and what the longer one would make is guessed from how selective the key is by itself. What is taken was counted
exactly, blocks of more than `cap` records left out, as in linking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np

from linkage.kernel.blocks import Blocks, Rule, alike, blocks, held, null_of, stream
from linkage.kernel.columns import Bools, Columns, Ints
from linkage.kernel.compiler import Compiler
from linkage.kernel.conditions import shared
from linkage.kernel.match import CHUNK, groups, read
from linkage.known import Known
from linkage.progress import SILENT, Reporter
from rules.columns import FIXED
from rules.errors import NotFoundError
from rules.model import BlockingRule, Entity

LONGEST = 4
BEAM = 24
LEAST = 0.0005  # of the known pairs: a rule that brings fewer new ones is not worth a line in the rules
EACH = "each "  # before a list column: records that share an element agree
PREFIXES = (1, 3, 6)
NO_KEY = ("__ok", "__code", "__nth", "__depth", "__placeholder")


@dataclass(frozen=True)
class Candidate:
    """A conjunction of keys: the pairs that it makes, and which of the known pairs it brings."""

    keys: tuple[str, ...]
    pairs: int
    brings: Bools

    @property
    def chance(self) -> int:
        """The pairs that are not known."""
        return self.pairs - int(self.brings.sum())


@dataclass(frozen=True)
class Suggestion:
    """The rules that were found, the pairs that they make together, the share of the known pairs that they bring.

    `path` tells of the cover as it grew: pairs (at most) and share after every rule.
    """

    rules: tuple[BlockingRule, ...]
    pairs: int
    share: float
    path: tuple[tuple[int, float], ...]

    def as_toml(self) -> str:
        """The change to `entity.toml`."""
        return "\n".join(as_toml(rule) for rule in self.rules)


def as_toml(rule: BlockingRule) -> str:
    """A blocking rule as it stands in `entity.toml`."""
    each = f"each = {quoted(rule.each)}\n" if rule.each else ""
    return f"[[blocking]]\nkeys = [{', '.join(quoted(key) for key in rule.keys)}]\n{each}cap = {rule.cap}\n"


def suggest(
    con: duckdb.DuckDBPyConnection, entity: Entity, known: Known, budget: int, cap: int, reporter: Reporter = SILENT
) -> Suggestion:
    """The blocking rules that a greedy cover finds within `budget` pairs, blocks above `cap` records left out.

    Raises:
        NotFoundError: there is no known pair to look for.
    """
    if not known.count:
        raise NotFoundError(
            f"no pair of {entity.entity} is known to be one entity; run 'shuyuan link' first, or give --truth FILE"
        )
    search = _Search(con, entity, known, cap)
    with reporter.step(f"{entity.entity}: conjunctions of {len(search.keys)} keys"):
        chosen, path = _cover(search, budget, known.count)
    rules = tuple(_rule(one.keys, cap) for one in chosen)
    return Suggestion(rules, search.together(chosen), path[-1][1] if path else 0.0, tuple(path))


def _cover(search: _Search, budget: int, known: int) -> tuple[list[Candidate], list[tuple[int, float]]]:
    """The greedy cover, and how it grew."""
    open_ = np.ones(known, dtype=np.bool_)
    chosen: list[Candidate] = []
    path: list[tuple[int, float]] = []
    chance = 0
    while open_.any():
        best, worth = None, 0.0
        for one in search.promising(open_):
            new = int((one.brings & open_).sum())
            if new < LEAST * known:
                continue
            if chance + one.chance + known - int(open_.sum()) + new <= budget and _worth(new, one.chance) > worth:
                best, worth = one, _worth(new, one.chance)
        if best is None:
            break
        chosen.append(best)
        chance += best.chance
        open_ &= ~best.brings
        path.append((chance + known - int(open_.sum()), 1 - int(open_.sum()) / known))
    for one in sorted(chosen, key=lambda one: -one.chance):
        others = [other for other in chosen if other is not one]
        if others and not (one.brings & ~np.logical_or.reduce([other.brings for other in others])).any():
            chosen = others
    return chosen, path


def _worth(new: int, chance: float) -> float:
    """New known pairs, and new ones for each chance pair: few rules that bring much before many that cost nothing."""
    return new * new / (new + max(chance, 0.0) + 1.0)


class _Search:
    """The key columns in memory, which of them agree in which known pair, and the conjunctions counted so far."""

    def __init__(self, con: duckdb.DuckDBPyConnection, entity: Entity, known: Known, cap: int) -> None:
        compiler = Compiler(con)
        self.con, self.cap, self.known = con, cap, known
        self.keys = {
            said: compiler.elements(said.removeprefix(EACH)) if said.startswith(EACH) else compiler.key(said)
            for said in key_columns(con, entity)
        }
        group = compiler.value("dup_group")
        self.columns: Columns = read(con, entity, compiler.needed)
        self.group: Ints = groups(self.columns, group)
        self.agree = {said: self._agrees(key) for said, key in self.keys.items()}
        self._counted: dict[tuple[str, ...], Candidate] = {}
        every = max(self.columns.count * (self.columns.count - 1) / 2, 1.0)
        self.selective = {said: self._blocks((said,)).pairs / every for said in self.keys if self.agree[said].any()}

    def promising(self, open_: Bools) -> list[Candidate]:
        """The conjunctions of every length that seem to bring most of the open known pairs for what they cost."""
        where = np.flatnonzero(open_)
        agree = {said: self.agree[said][where] for said in self.selective}
        every = self.columns.count * (self.columns.count - 1) / 2
        wanted: dict[tuple[str, ...], tuple[Bools, float]] = {
            (said,): (agree[said], every * self.selective[said]) for said in agree
        }
        found: list[Candidate] = []
        for _ in range(LONGEST):
            ranked = sorted(
                ((_worth(int(hits.sum()), guessed), int(hits.sum()), keys) for keys, (hits, guessed) in wanted.items()),
                key=lambda one: (-one[0], -one[1], one[2]),
            )
            best = [self.counted(keys) for worth, hits, keys in ranked[:BEAM] if hits]
            found += best
            wanted = {
                tuple(sorted((*one.keys, said))): (hits, one.pairs * self.selective[said])
                for one in best
                for said, hits in self._longer(one, agree, where)
            }
        return found

    def _longer(self, one: Candidate, agree: dict[str, Bools], where: Ints) -> Iterator[tuple[str, Bools]]:
        """The keys that may be added to a conjunction, with the open known pairs that are left."""
        brings, fields = one.brings[where], {_field(key) for key in one.keys}
        for said, hits in agree.items():
            if _field(said) not in fields and not (said.startswith(EACH) and any(k.startswith(EACH) for k in one.keys)):
                yield said, brings & hits

    def counted(self, keys: tuple[str, ...]) -> Candidate:
        """A conjunction with the pairs that it makes, blocks above the cap left out."""
        if keys not in self._counted:
            made = self._blocks(keys)
            largest = int(np.diff(np.unique(made.end), prepend=0).max(initial=0))
            brings = np.logical_and.reduce([self.agree[said] for said in keys])
            if largest > self.cap and not isinstance(made.of, np.ndarray):
                # Which known pairs the cap would cost is not looked for among lists: such a rule is not taken.
                brings = np.zeros_like(brings)
            kept = within(made, self.cap)
            if kept.member.size < made.member.size:
                large = np.ones(self.columns.count, dtype=np.bool_)
                large[kept.member] = False
                brings = brings & ~large[self.known.left]
            self._counted[keys] = Candidate(keys, kept.pairs - alike(kept, self.group), brings)
        return self._counted[keys]

    def together(self, chosen: Sequence[Candidate]) -> int:
        """The pairs that some rules make together, each counted once."""
        made = [within(self._blocks(one.keys), self.cap) for one in chosen]
        return sum(left.size for _, _, left, _ in stream(made, self.group, CHUNK))

    def _agrees(self, key: str) -> Bools:
        if key in self.columns.lists:
            listed = self.columns.lists[key]
            found = np.zeros(self.known.count, dtype=np.bool_)
            found[shared(listed, self.known.left, listed, self.known.right)[0]] = True
            return found
        values = held(self.columns, key)
        left = values[self.known.left]
        same: Bools = (left == values[self.known.right]) & (left != null_of(values))
        return same

    def _blocks(self, keys: tuple[str, ...]) -> Blocks:
        rule = _rule(keys, None)
        elements = self.keys[EACH + rule.each] if rule.each else None
        return blocks(self.con, self.columns, Rule(rule, tuple(self.keys[key] for key in rule.keys), elements))


def _rule(keys: tuple[str, ...], cap: int | None) -> BlockingRule:
    each = next((key.removeprefix(EACH) for key in keys if key.startswith(EACH)), None)
    return BlockingRule(keys=tuple(key for key in keys if not key.startswith(EACH)), each=each, cap=cap)


def within(made: Blocks, cap: int) -> Blocks:
    """The blocks that hold at most `cap` records; those of a rule with `each` are left as they are."""
    ends = np.unique(made.end)
    sizes = np.diff(ends, prepend=0)
    kept = np.repeat(sizes, sizes) <= cap
    if kept.all() or not isinstance(made.of, np.ndarray):
        return made
    behind = np.cumsum(kept, dtype=np.int64)
    of = made.of.copy()
    of[made.member[~kept]] = -1
    return Blocks(made.member[kept], behind[made.end[kept] - 1], of)


def key_columns(con: duckdb.DuckDBPyConnection, entity: Entity) -> list[str]:
    """What records of `standard` may be equal in, as SQL: its key columns, and the beginnings of those of text."""
    found: list[str] = []
    for name, sql_type, *_ in con.execute("describe standard").fetchall():
        if name in FIXED or name in entity.fields or name.endswith(NO_KEY):
            continue
        if sql_type in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "DATE", "VARCHAR"):
            found.append(name)
        if sql_type == "VARCHAR[]":
            found.append(EACH + name)
        if sql_type == "VARCHAR":
            found += [f"substr({name}, 1, {n})" for n in PREFIXES]
    return found


def _field(said: str) -> str:
    """The field of a key column; a derived column stands for itself."""
    return said.removeprefix(EACH).split("(")[-1].split(",")[0].split("__")[0]


def quoted(key: str) -> str:
    """A text as TOML."""
    return "'''" + key + "'''" if '"' in key else f'"{key}"'
