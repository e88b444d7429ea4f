"""Personal names: Han names, names of the Uyghur, Tibetan and other peoples, Latin names.

A name is compared by characters, by variants, by sound, by shape and by what may be missing or unreadable;
never by a distance over bytes. Variants and the surname classes of `reference.surnames` (肖/萧, 付/傅) are
folded in a key and never in the value. Text is tidied in `name_text` and read in `name_columns`.

Columns: `folded` = `key`; `toned` and `toneless` syllables of the whole name by spaces, `alternative` the
same with second readings (覃 qin/tan), `surname` folded, `given`, `shape` five four-corner digits for each
character, `chars` the characters sorted. A name with a wildcard has `wildcard`, a LIKE pattern, instead of
`folded`. Names without a surname (transliterated, Latin) have none, and nothing in `given`; those in Han characters
have a `skeleton`, the consonants of their syllables, which other spellings of one name share (图尔荪, 吐尔逊).
"""

from __future__ import annotations

import csv
from datetime import date
from functools import cache
from pathlib import Path

from rules.kinds import name_columns, name_usual
from rules.kinds.base import Comparison, Finding, Kind, Level, Options, Row, Tables

_SURNAMES = Path(__file__).resolve().parents[1] / "reference" / "surnames.csv"


class PersonName(Kind):
    """The kind `person_name`."""

    def parse(self, raw: str, options: Options) -> str:
        return name_columns.columns(raw, len(self.columns))

    def usual(self, text: str, tables: Tables, as_of: date, options: Options) -> Row | None:
        return name_usual.columns(text, tables)

    def compare(self, column: str, options: Options) -> Comparison:
        def equal(name: str, other: str = "") -> str:
            return f"{column}__{name}_l = {column}__{other or name}_r"

        (a, b), (wild_a, wild_b) = ([f"{column}__{name}_{of}" for of in "lr"] for name in ("folded", "wildcard"))
        second = (equal("toneless", "alternative"), equal("alternative", "toneless"))
        toneless = " or ".join((equal("toneless"), *second))
        wildcard = f"{a} like {wild_b} or {b} like {wild_a} or {wild_a} = {wild_b}"
        same_surname = f"{column}__surname_l is not distinct from {column}__surname_r"
        frequency = f"{column}__toneless"
        return Comparison(
            f"{column}_l is null or {column}_r is null",
            (
                Level("exact", f"{column}_l = {column}_r and {equal('key')}", frequency),
                Level("folded", equal("folded"), frequency),
                Level("toned", f"{equal('toned')} and {same_surname}", frequency),
                Level("toneless", toneless, frequency),
                Level("shape", f"{_alike(column)} or {_transliterated(column)}"),
                Level("order", f"{equal('chars')} or {_turned(column)}"),
                Level("missing", _missing(column)),
                Level("wildcard", wildcard),
                Level("given", equal("given")),
            ),
        )

    def mask(self, value: str) -> str:
        """The surname and a star for every other character; of a name without a surname the first letter."""
        kept = 2 if len(value) > 2 and value[:2] in _compound_surnames() else 1
        return value[:kept] + "".join(mark if mark in "· " else "*" for mark in value[kept:])

    def mask_column(self, column: str, value: str) -> str:
        """What does not begin with the surname would show what the mask of the name hides: nothing of it is shown."""
        return "*" * len(value) if column in _WITHIN else self.mask(value)


def _alike(column: str) -> str:
    """SQL: one character differs, and its four-corner code in at most one of the five digits."""
    (a, b), (corners, others) = ([f"{column}__{name}_{of}" for of in "lr"] for name in ("folded", "shape"))
    one_differs = " or ".join(
        f"left({a}, {i}) = left({b}, {i}) and substr({a}, {i + 2}) = substr({b}, {i + 2})" for i in range(8)
    )
    return f"""case when length({corners}) = length({others})
        then case when hamming({corners}, {others}) <= 1 then {one_differs} else false end else false end"""


def _transliterated(column: str) -> str:
    """SQL: names without a surname whose syllables, as many in both, begin with the same four consonants or more."""
    (a, b), sounds = ([f"{column}__{name}_{of}" for of in "lr"] for name in ("skeleton", "toneless"))
    counts = [f"length({sound}) - length(replace({sound}, ' ', ''))" for sound in sounds]
    return f"case when {a} = {b} then length({a}) >= 4 and {counts[0]} = {counts[1]} else false end"


def _turned(column: str) -> str:
    """SQL: names without a surname whose parts stand in another order, written with the same syllables."""
    a, b, one, other = (f"{column}__{name}_{of}" for name in ("skeleton", "toneless") for of in "lr")
    return f"""case when {a} is not null and {b} is not null and length({one}) = length({other}) and length({one}) >= 8
        then contains(' ' || {one} || ' ' || {one} || ' ', ' ' || {other} || ' ') else false end"""


def _missing(column: str) -> str:
    """SQL: one character too few, at any of the first four places; or a transliterated name cut short."""
    a, b, sound, other = (f"{column}__{name}_{of}" for name in ("folded", "toneless") for of in "lr")
    inside = " or ".join(
        f"left({long}, {i}) || substr({long}, {i + 2}) = {short}" for long, short in ((a, b), (b, a)) for i in (1, 2, 3)
    )
    one = f"""case when least(length({a}), length({b})) >= 2 and abs(length({a}) - length({b})) = 1
        then starts_with({a}, {b}) or starts_with({b}, {a}) or ends_with({a}, {b}) or ends_with({b}, {a})
          or (left({a}, 1) = left({b}, 1) and right({a}, 1) = right({b}, 1) and ({inside}))
        else false end"""
    part = f"""case when ({column}__surname_l is null or {column}__surname_r is null)
          and least(length({sound}), length({other})) >= 5
        then starts_with({sound}, {other} || ' ') or starts_with({other}, {sound} || ' ') else false end"""
    same_given = f"coalesce({column}__given_l = {column}__given_r, false)"
    return f"({one} and not {same_given}) or {part}"


@cache
def _compound_surnames() -> frozenset[str]:
    with _SURNAMES.open(encoding="utf-8") as file:
        return frozenset(row["surname"] for row in csv.DictReader(file) if len(row["surname"]) == 2)


_WITHIN = frozenset({"given", "given_toneless", "chars", "shape", "skeleton"})
_ASCII = ("toned", "toneless", "alternative", "surname_pinyin", "given_toneless", "initials", "shape", "skeleton")

PERSON_NAME = PersonName(
    name="person_name",
    columns={
        "folded": "VARCHAR",
        "toned": "VARCHAR",
        "toneless": "VARCHAR",
        "alternative": "VARCHAR",
        "surname": "VARCHAR",
        "surname_pinyin": "VARCHAR",
        "given": "VARCHAR",
        "given_toneless": "VARCHAR",
        "initials": "VARCHAR",
        "chars": "VARCHAR",
        "shape": "VARCHAR",
        "wildcard": "VARCHAR",
        "skeleton": "VARCHAR",
    },
    references=("characters", "surnames", "transliteration", "replaced_characters", "not_names"),
    ascii=frozenset(_ASCII),
    findings={
        "name_not_a_name": Finding("error", "不是姓名", "not a name"),
        "name_several": Finding("error", "一栏中有多个姓名", "several names in one value"),
        "name_wildcard": Finding("warn", "有无法辨认或被代替的字", "a character is unreadable or replaced"),
        "name_bad_character": Finding("warn", "含姓名中不应有的字符", "characters that no name has"),
        "name_single": Finding("warn", "只有一个字", "a single character"),
        "name_annotation": Finding("info", "姓名后有注记或称谓", "a note or a title beside the name"),
    },
)
