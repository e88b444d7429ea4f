"""What a value kind is: how one sort of value is read, keyed, checked, compared and masked.

A kind is code because its knowledge is code (check digits, pinyin, calendars). An entity type is data
because it only says which kinds its fields have. Everything a kind does to values is SQL text over
*distinct* raw values, so that a million equal phone numbers are parsed once and rows stay in the engine.

Column names in `standard`, for a field `f`:

    f            the clean value, VARCHAR, null where the value is unusable
    f__key       what two values are equal by (folded, canonical), null where not comparable
    f__<extra>   further key columns of the kind (pinyin, birth date inside an ID, …)

and in a comparison each of them appears with `_l` and `_r` for the two records of a pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, Protocol

Severity = Literal["info", "warn", "error"]
Options = Mapping[str, object]
Row = Mapping[str, object]  # what `Kind.parse` gives of one text, by column


class Tables(Protocol):
    """The reference tables of a kind by the first column."""

    def rows(self, table: str, first: str) -> Sequence[Mapping[str, str | None]]:
        """The rows with such a first column."""

    def begun(self, table: str, start: str) -> bool:
        """Whether the first column of any row begins so."""


@dataclass(frozen=True)
class Finding:
    """Something a kind can find wrong in a value. `error` means: the value does not count."""

    severity: Severity
    zh: str
    en: str


@dataclass(frozen=True)
class Level:
    """One comparison level: pairs for which `when` holds and no earlier level did.

    `when` is a SQL condition over columns with `_l` / `_r` suffix and is symmetric in the two.
    `term_frequency` names the column (without suffix) whose value frequencies adjust the weight.
    """

    label: str
    when: str
    term_frequency: str | None = None


@dataclass(frozen=True)
class Comparison:
    """The levels of one field, most similar first, without the null level and the final `else`.

    `null` is the SQL condition under which the two values say nothing about each other.
    """

    null: str
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class Kind:
    """A value kind. `kinds.KINDS` holds one instance of each, by name.

    name        the word used in `entity.toml`
    columns     extra derived columns beside value and key: name -> SQL type
    findings    code -> Finding; codes are snake_case and unique over all kinds
    options     option -> default; the allowed `options` of a field of this kind (a default of None: optional)
    references  names of tables in `rules/reference/` that `parse` or `compare` reads as `reference.<name>`
    ascii       column names (\"\" is the value, "key", …) that hold ASCII only, on which byte-wise
                string functions are right; on every other column they are forbidden
    """

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    findings: Mapping[str, Finding] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    ascii: frozenset[str] = frozenset()

    def parse(self, raw: str, options: Options) -> str:
        """SQL: a SELECT over relation `raw` (one column `raw`, distinct non-null VARCHAR, trimmed).

        Gives one row per row of `raw` with columns `raw`, `value` VARCHAR, `key` VARCHAR, every one of
        `columns`, and `findings` VARCHAR[] (codes, sorted, never null). `$as_of` (DATE) may be used.
        """
        raise NotImplementedError

    def usual(self, text: str, tables: Tables, as_of: date, options: Options) -> Row | None:
        """What `parse` gives of a usual text, without SQL; None for any other, and by default for every one.

        For who reads a single text: a statement costs a thousand times what a text does.
        """
        return None

    def turns(self, options: Options) -> str | None:
        """SQL over `raw`: this text may say something else on `$last` than on `$first`, the earlier of the two days.

        Of interest only where `parse` uses `$as_of`. None: any text may.
        """
        return None

    def compare(self, column: str, options: Options) -> Comparison:
        """The comparison levels of field `column` (already a safe SQL name, see the module's names)."""
        raise NotImplementedError

    def agree(self, column: str, options: Options) -> str | None:
        """SQL over `_l` / `_r` columns: two values with different keys say the same, as far as both go.

        Symmetric in the two. None: only equal keys do.
        """
        return None

    def mask(self, value: str) -> str:
        """The value as it is shown to people who did not ask, with a reason, for the clear text."""
        raise NotImplementedError

    def mask_column(self, column: str, value: str) -> str:
        """The value of a derived column ("key", …) as it is shown beside a masked value, which it must not complete."""
        return self.mask(value)


class Parsed(Protocol):
    """What the engine knows of a field: its rule and its kind (see rules.model.FieldRule)."""

    kind: str
    options: Options


def literal(value: str) -> str:
    """A SQL string literal. For constants out of rules; values of records are always bound."""
    return "'" + value.replace("'", "''") + "'"
