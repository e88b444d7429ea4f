"""Searches for blocking rules: conjunctions of key columns that bring most known pairs together within a budget.

Reads: standard. Writes nothing.

A key column is one that the rules have computed: a field's key, a further column of its kind, what is derived, the
beginning of a text, or what the present rules block by. A greedy cover takes, again and again, the conjunction that
brings most known pairs not yet brought for what it costs, as long as all of them stay within the budget (Khuller, Moss
& Naor 1999, "The budgeted maximum coverage problem"; for blocking Bilenko, Kamath & Mooney 2006, "Adaptive blocking").
At last it leaves out what later rules made needless. What costs are pairs that are not known: those that are have to be
made anyway. Where pairs are only likely, each counts by its probability.

A pair that one rule brings is still worth `again` of itself: it stands for others like it that nobody knows, of which a
rule misses some. So what the cover leaves of the budget is spent on bringing pairs in a second way.

Conjunctions are searched key by key, the most promising BEAM of each length: a key is added to those that were counted,
and what the longer one would make is guessed from how selective the key is by itself. What is taken was counted
exactly, blocks of more than `cap` records left out, as in linking. Of more than MOST known pairs as many are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import duckdb
import numpy as np

from linkage.kernel.blocks import Blocks, Rule, alike, blocks, held, null_of, stream
from linkage.kernel.columns import Bools, Columns, Floats, Ints
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
AGAIN = 0.1
MOST = 20_000
RULES = 16  # more than somebody reads are no help
EACH = "each "  # before a list column: records that share an element agree
PREFIXES = (1, 3, 6)
Keys = tuple[str, ...]
NO_KEY = ("__ok", "__code", "__nth", "__depth", "__placeholder")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A conjunction of keys with a cap: the known pairs that it brings, and how many others it makes."""

    keys: Keys
    cap: int
    brings: Bools
    chance: float

    @cached_property
    def fields(self) -> frozenset[str]:
        """The fields of the keys."""
        return _fields(self.keys)


@dataclass(frozen=True)
class Suggestion:
    """The rules that were found, the pairs that they make together, the share of the known pairs that they bring.

    `path` has pairs and share after every rule, `present` the same of the present rules.
    """

    rules: tuple[BlockingRule, ...]
    pairs: int
    share: float
    path: tuple[tuple[int, float], ...]
    present: tuple[tuple[int, float], ...]

    def as_toml(self) -> str:
        """The change to `entity.toml`."""
        return "\n".join(as_toml(rule) for rule in self.rules)


def as_toml(rule: BlockingRule) -> str:
    """A blocking rule as it stands in `entity.toml`."""
    each = f"each = {quoted(rule.each)}\n" if rule.each else ""
    capped = f"cap = {rule.cap}\n" if rule.cap else ""
    return f"[[blocking]]\nkeys = [{', '.join(quoted(key) for key in rule.keys)}]\n{each}{capped}"


def suggest(
    con: duckdb.DuckDBPyConnection,
    entity: Entity,
    known: Known,
    budget: int,
    cap: int,
    reporter: Reporter = SILENT,
    again: float = AGAIN,
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
        present = search.present(entity)
        covers = [_filled(_Cover(search, again, start), budget) for start in ([[], present] if present else [[]])]
    cover = max((one for one in covers if round(one.made()) <= budget), key=lambda one: one.value, default=covers[0])
    path = search.path(cover.chosen)
    return Suggestion(
        tuple(_rule(one.keys, one.cap) for one in cover.chosen),
        path[-1][0] if path else 0,
        cover.share,
        path,
        search.path(present),
    )


class _Cover:
    """Conjunctions that were taken, in order, and what they make and bring.

    `overlap` are the pairs that several of them make and that are no matches, as far as they were counted.
    """

    def __init__(self, search: _Search, again: float, start: Sequence[Candidate] = ()) -> None:
        self.search, self.again = search, again
        self.chosen = list(start)
        self.overlap = 0.0

    def open(self, keys: Keys) -> Floats:
        """What each known pair is still worth to a rule with these keys.

        A rule over the same fields as one that was taken, or over some of them, is no second way to bring a pair.
        """
        left, fields = self.search.worth.copy(), _fields(keys)
        for one in self.chosen:
            nested = fields <= one.fields or fields >= one.fields
            left[one.brings] *= 0.0 if nested else self.again
        return left

    @property
    def share(self) -> float:
        """The share of the known pairs that are brought."""
        return self.search.share(self.chosen)

    @property
    def value(self) -> tuple[float, float]:
        """What a cover is judged by: the share, to what is worth a rule, then the fewer pairs."""
        return round(self.share / LEAST) * LEAST, -self.made()

    def made(self, more: Sequence[Candidate] = ()) -> float:
        """The pairs that the conjunctions make together with `more`, at most: chance pairs and matches."""
        taken = (*self.chosen, *more)
        matches = self.search.share(taken) * float(self.search.worth.sum()) * self.search.scale
        return sum(one.chance for one in taken) - self.overlap + matches

    def leave_out(self) -> None:
        """Leave out the conjunctions whose loss nobody would notice, the most costly first."""
        for one in sorted(self.chosen, key=lambda one: -one.chance):
            others = _Cover(self.search, self.again, [other for other in self.chosen if other is not one])
            if others.chosen and float(others.open(one.keys)[one.brings].sum()) < self.search.least:
                self.chosen.remove(one)

    def recount(self) -> None:
        """Count exactly what was so far summed up by conjunction."""
        self.overlap += self.made() - self.search.together(self.chosen)


def _filled(cover: _Cover, budget: int) -> _Cover:
    """A cover with the best conjunctions, one after the other, that the budget holds."""
    cover.recount()
    counted = True
    while True:
        cover.leave_out()
        best = _best(cover, budget) if len(cover.chosen) < RULES else None
        if best is not None:
            cover.chosen.append(best)
        elif counted:
            return cover
        else:
            cover.recount()
        counted = best is None


def _best(cover: _Cover, budget: int) -> Candidate | None:
    """The conjunction that is worth most of what is open, and that the budget still holds."""
    search = cover.search
    found = []
    for one in search.promising(cover):
        new = float(cover.open(one.keys)[one.brings].sum())
        if one not in cover.chosen and new >= search.least:
            found.append((_worth(new * search.scale, one.chance, len(one.keys)), one))
    for _, one in sorted(found, key=lambda told: (-told[0], told[1].keys)):
        if round(cover.made([one])) <= budget:
            return one
    return None


def _worth(new: float, chance: float, keys: int) -> float:
    """New known pairs, and new ones for each chance pair: few rules that bring much before many that cost nothing."""
    return new * new / (new + chance + keys)


class _Search:
    """The key columns in memory, which of them agree in which known pair, and the conjunctions counted so far.

    worth  how likely each known pair is one entity; `scale` known pairs stand behind each that is looked at
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, entity: Entity, known: Known, cap: int) -> None:
        compiler = Compiler(con)
        self.con, self.cap = con, cap
        self.keys = {
            said: compiler.elements(said.removeprefix(EACH)) if said.startswith(EACH) else compiler.key(said)
            for said in key_columns(con, entity)
        }
        group = compiler.value("dup_group")
        self.columns: Columns = read(con, entity, compiler.needed)
        self.group: Ints = groups(self.columns, group)
        self.scale = max(1.0, known.count / MOST)
        looked = np.unique(np.linspace(0, known.count - 1, min(known.count, MOST)).astype(np.int64))
        self.left, self.right, self.worth = known.left[looked], known.right[looked], known.chance[looked]
        self.agree = {said: self._agrees(key) for said, key in self.keys.items()}
        self._counted: dict[tuple[Keys, int], Candidate] = {}
        self.every = max(self.columns.count * (self.columns.count - 1) / 2, 1.0)
        self.selective = {
            said: self._blocks((said,)).pairs / self.every for said in self.keys if self.agree[said].any()
        }
        self.table = np.array([self.agree[said] for said in self.selective], dtype=np.float32)
        self.least = LEAST * float(self.worth.sum())

    def promising(self, cover: _Cover) -> list[Candidate]:
        """The conjunctions of every length that seem to bring most of what is open for what they cost."""
        names = list(self.selective)
        every, selective = self.every, np.array([self.selective[said] for said in names])
        opened = np.array([cover.open((said,)) for said in names], dtype=np.float32)
        new = np.einsum("ij,ij->i", opened, self.table) * self.scale
        wanted: dict[Keys, tuple[float, float]] = {
            (said,): (new[i], every * selective[i]) for i, said in enumerate(names)
        }
        found: list[Candidate] = []
        for _ in range(LONGEST):
            ranked = sorted(
                ((_worth(hits, guessed, len(keys)), hits, keys) for keys, (hits, guessed) in wanted.items()),
                key=lambda one: (-one[0], -one[1], one[2]),
            )
            best = [self.counted(keys) for _, hits, keys in ranked[:BEAM] if hits > 0]
            if not best:
                break
            found += best
            opened = np.array([cover.open(one.keys) * one.brings for one in best], dtype=np.float32)
            news = opened @ self.table.T * self.scale
            wanted = {
                tuple(sorted((*one.keys, said))): (news[row, i], one.chance * selective[i])
                for row, one in enumerate(best)
                for i, said in enumerate(names)
                if self._fits(said, one)
            }
        return found

    def _fits(self, said: str, one: Candidate) -> bool:
        """Whether a key may be added: no second one of a field, no second list."""
        return not (_fields((said,)) & one.fields) and not (
            said.startswith(EACH) and any(key.startswith(EACH) for key in one.keys)
        )

    def present(self, entity: Entity) -> list[Candidate]:
        """The rules that there are."""
        return [
            self.counted((*rule.keys, *([EACH + rule.each] if rule.each else [])), rule.cap) for rule in entity.blocking
        ]

    def counted(self, keys: Keys, cap: int | None = None) -> Candidate:
        """A conjunction with the pairs that it makes, blocks above the cap left out."""
        cap = cap or self.cap
        if (keys, cap) not in self._counted:
            made = self._blocks(keys)
            largest = int(np.diff(np.unique(made.end), prepend=0).max(initial=0))
            brings = np.logical_and.reduce([self.agree[said] for said in keys])
            if largest > cap and not isinstance(made.of, np.ndarray):
                # Which known pairs the cap would cost is not looked for among lists: such a rule is not taken.
                brings = np.zeros_like(brings)
            kept = within(made, cap)
            if kept.member.size < made.member.size:
                large = np.ones(self.columns.count, dtype=np.bool_)
                large[kept.member] = False
                brings = brings & ~large[self.left]
            pairs = kept.pairs - alike(kept, self.group)
            chance = max(pairs - float(self.worth[brings].sum()) * self.scale, 0.0)
            self._counted[keys, cap] = Candidate(keys, cap, brings, chance)
        return self._counted[keys, cap]

    def share(self, chosen: Sequence[Candidate]) -> float:
        """The share of the known pairs that some conjunctions bring."""
        none = np.zeros(self.worth.size, dtype=np.bool_)
        brought = np.logical_or.reduce([none, *(one.brings for one in chosen)])
        return float(self.worth[brought].sum() / self.worth.sum())

    def path(self, chosen: Sequence[Candidate]) -> tuple[tuple[int, float], ...]:
        """Pairs and share after each of some conjunctions, in order."""
        parts = [chosen[: i + 1] for i in range(len(chosen))]
        return tuple((self.together(part), self.share(part)) for part in parts)

    def together(self, chosen: Sequence[Candidate]) -> int:
        """The pairs that some rules make together, each counted once."""
        made = [within(self._blocks(one.keys), one.cap) for one in chosen]
        return sum(left.size for _, _, left, _ in stream(made, self.group, CHUNK))

    def _agrees(self, key: str) -> Bools:
        if key in self.columns.lists:
            listed = self.columns.lists[key]
            found = np.zeros(self.left.size, dtype=np.bool_)
            found[shared(listed, self.left, listed, self.right)[0]] = True
            return found
        values = held(self.columns, key)
        left = values[self.left]
        same: Bools = (left == values[self.right]) & (left != null_of(values))
        return same

    def _blocks(self, keys: Keys) -> Blocks:
        rule = _rule(keys, None)
        elements = self.keys[EACH + rule.each] if rule.each else None
        return blocks(self.con, self.columns, Rule(rule, tuple(self.keys[key] for key in rule.keys), elements))


def _rule(keys: Keys, cap: int | None) -> BlockingRule:
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
    used = [key for rule in entity.blocking for key in (*rule.keys, *([EACH + rule.each] if rule.each else []))]
    return list(dict.fromkeys([*found, *used]))


def _fields(keys: Keys) -> frozenset[str]:
    """The fields of keys: those of the first columns that they name; a derived column stands for itself."""
    named = ((key, re.search(r"[a-z]\w*", key.removeprefix(EACH).rpartition("(")[2])) for key in keys)
    return frozenset(found[0].split("__")[0] if found else key for key, found in named)


def quoted(key: str) -> str:
    """A text as TOML."""
    return "'''" + key + "'''" if '"' in key else f'"{key}"'
