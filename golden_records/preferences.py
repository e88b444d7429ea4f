"""Preferences as numbers: one integer per record and field that sorts as the declared order prefers.

Each preference takes a fixed number of bits, the first declared one the highest, smaller is better. The
integer of the winner beside that of the best record with another value tells which preference decided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from rules.kinds.base import literal
from rules.model import Authority, Entity, EntityRules, FieldRule, Preference, Sources

BITS: dict[str, int] = {
    "authority": 7,
    "validity": 8,
    "agreement": 8,
    "majority": 8,
    "recency": 22,
    "completeness": 6,
}
ORDINAL_BITS = 40
LAST_DAY = 2**22 - 1


@dataclass(frozen=True)
class Choice:
    """Fields whose values come from one and the same record, and how that record is preferred."""

    fields: tuple[str, ...]
    preferences: tuple[Preference, ...]
    history: bool

    def shift(self, preference: Preference) -> int:
        """How many bits stand below this preference in the packed number."""
        behind = self.preferences[self.preferences.index(preference) + 1 :]
        return sum(BITS[name] for name in behind)


def golden_fields(entity: Entity) -> list[str]:
    """The fields that a golden record publishes, in declared order."""
    return [name for name, rule in entity.fields.items() if rule.golden]


def choices(entity: Entity) -> list[Choice]:
    """Every golden field once, alone or with its group, in declared order of first fields."""
    golden = golden_fields(entity)
    groups = {name: group for group in entity.survivorship.groups for name in group}
    made: list[Choice] = []
    for name in golden:
        group = tuple(field for field in groups.get(name, (name,)) if field in golden)
        if group[0] == name:
            made.append(_choice(entity, group))
    return made


def _choice(entity: Entity, group: tuple[str, ...]) -> Choice:
    rules: list[FieldRule] = [entity.fields[name] for name in group]
    own = [entity.survivorship.fields[name] for name in group if name in entity.survivorship.fields]
    order = own[0] if own else entity.survivorship.default
    return Choice(group, tuple(dict.fromkeys(order)), any(rule.history for rule in rules))


def voices(sources: Sources) -> dict[str, str]:
    """Source -> the source it is derived from in the end; a copy of a source is not a second voice."""
    roots: dict[str, str] = {}
    for name in sources.sources:
        root, seen = name, {name}
        while (origin := sources.sources[root].derived_from) and origin in sources.sources and origin not in seen:
            root = origin
            seen.add(root)
        roots[name] = root
    return roots


def in_force(sources: Sources, fields: Sequence[str], as_of: date, region: str | None = None) -> Authority | None:
    """The row of the authority matrix that counts for these fields at `as_of` in a region; None: nobody leads.

    Of several the one for the smallest region around counts, then the youngest.
    """

    def reach(row: Authority) -> int:
        """How many characters of the region the row names; 0 where it is for all, -1 where it is for others."""
        within = [len(prefix) for prefix in row.regions if region is not None and region.startswith(prefix)]
        return max(within, default=-1 if row.regions else 0)

    rows = [
        row
        for row in sources.authority
        if set(row.fields) & set(fields)
        and (row.since is None or row.since <= as_of)
        and (row.until is None or as_of < row.until)
        and reach(row) >= 0
    ]
    return max(rows, key=lambda row: (reach(row), row.since or date.min), default=None)


def lead(sources: Sources, fields: Sequence[str], as_of: date, region: str | None = None) -> str | None:
    """The source that leads in these fields (数源); None where the matrix names none."""
    row = in_force(sources, fields, as_of, region)
    return row.order[0] if row is not None else None


def ranked(rules: EntityRules, as_of: date) -> list[Authority | None]:
    """The rows of the authority matrix that count at `as_of`, choice by choice and field by field, in every region."""
    fields = golden_fields(rules.entity)
    asked = [*(choice.fields for choice in choices(rules.entity)), *((name,) for name in fields)]
    return [
        in_force(rules.sources, some, as_of, region)
        for some in asked
        for region in (None, *regions_in_force(rules.sources, some, as_of))
    ]


def regional(sources: Sources) -> bool:
    """Whether some row of the authority matrix is for some regions only."""
    return any(row.regions for row in sources.authority)


def regions_in_force(sources: Sources, fields: Sequence[str], as_of: date) -> list[str]:
    """The regions for which rows about these fields are in force at `as_of`, the smallest (longest prefix) first."""
    named = {region for row in sources.authority if set(row.fields) & set(fields) for region in row.regions}
    ruled = {region for region in named if region in getattr(in_force(sources, fields, as_of, region), "regions", ())}
    return sorted(ruled, key=lambda region: (-len(region), region))


def authority(sources: Sources, fields: Sequence[str], as_of: date, region: str | None = None) -> dict[str, int]:
    """Source -> rank for these fields in the authority matrix at `as_of` in a region; 0 leads.

    Unlisted sources follow the listed ones, and purchased data follow those.
    """
    row = in_force(sources, fields, as_of, region)
    listed = {source: rank for rank, source in enumerate(row.order if row is not None else ())}
    last = len(listed)
    return {
        name: listed.get(name, last + (source.provenance_class == "purchased"))
        for name, source in sources.sources.items()
    }


def packed(choice: Choice, rules: EntityRules, as_of: date, columns: Sequence[str]) -> str:
    """SQL over `standard` s: the packed preferences of a record, without those that count in its cluster.

    Also reads `warned`: the worst finding of each record in these fields; and, of a regional authority matrix, `place`
    l: where the golden record is.
    """
    makers: dict[str, Callable[[], str]] = {
        "authority": lambda: _authority_sql(rules.sources, choice.fields, as_of),
        "validity": lambda: _validity_sql(choice.fields, columns),
        "agreement": lambda: "0",
        "majority": lambda: "0",
        "recency": lambda: f"{LAST_DAY} - coalesce(s.observed_on - date '0001-01-01', 0)",
        "completeness": lambda: f"{2**6 - 1} - least({2**6 - 1}, {_filled_sql(choice.fields)})",
    }
    parts = [f"(({makers[name]()})::bigint << {choice.shift(name)})" for name in choice.preferences]
    return " + ".join(parts) or "0::bigint"


def _authority_sql(sources: Sources, fields: Sequence[str], as_of: date) -> str:
    general = _ranks_sql(authority(sources, fields, as_of))
    cases = "".join(
        f" when starts_with(l.region, {literal(region)}) then {_ranks_sql(authority(sources, fields, as_of, region))}"
        for region in regions_in_force(sources, fields, as_of)
    )
    return f"case{cases} else {general} end" if cases else general


def _ranks_sql(ranks: dict[str, int]) -> str:
    cases = " ".join(f"when {literal(name)} then {min(rank, 127)}" for name, rank in sorted(ranks.items()))
    return f"case s.source {cases} else 127 end" if cases else "127"


def _validity_sql(fields: Sequence[str], columns: Sequence[str]) -> str:
    """0 best: two bits the worst finding, two the missing keys, four how imprecise the value is."""
    bad = " or ".join(f'not s."{name}__ok"' for name in fields)
    finding = f"greatest(coalesce(w.worst, 0), case when {bad} then 2 else 0 end)"
    missing = " + ".join(f'(s."{name}" is not null and s."{name}__key" is null)::int' for name in fields)
    depths = [f'coalesce(s."{name}__depth", 0)' for name in fields if f"{name}__depth" in columns]
    vague = f"15 - least(15, {' + '.join(depths)})" if depths else "0"
    return f"({finding}) * 64 + least(3, {missing}) * 16 + ({vague})"


def _filled_sql(fields: Sequence[str]) -> str:
    return " + ".join(f'(s."{name}" is not null)::int' for name in fields)


def deciding(choice: Choice, winner: str, other: str) -> str:
    """SQL: the first preference in which two packed numbers differ, `order` where none does."""
    cases = " ".join(
        f"when ({winner} >> {choice.shift(name)}) <> ({other} >> {choice.shift(name)}) then '{name}'"
        for name in choice.preferences
    )
    return f"case {cases} else 'order' end" if cases else "'order'"
