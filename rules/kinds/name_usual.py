"""Usual names, two to four common characters, read without SQL: what `name_columns` makes of them, column by column.

A statement costs a thousand times what such a name does, so that who asks for one person would wait for its name. Every
other text is left to SQL, and a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rules.kinds.base import Row, Tables

_USUAL = re.compile(r"(?!.*某)(?!.*(?:先生|女士|小姐|同志)$)(?!测试|无名)(?!.*之[子女妻夫父母]$)[一-龥]{2,4}")
_SKELETON = ((r"\ber\b", "r"), (r"\b([b-df-hj-np-tw-z]*)[aeiouv][a-z0-9]*", r"\1"), ("([zcs])h", r"\1"), (" +", ""))


@dataclass(frozen=True)
class _Part:
    """A character or a surname: as text, syllables with and without tones, in a second reading."""

    text: str
    toned: str
    toneless: str
    other: str | None


_NOTHING = _Part("", "", "", None)


def columns(text: str, tables: Tables) -> Row | None:
    """The columns of a usual name, None for any other text."""
    if not _USUAL.fullmatch(text) or tables.rows("not_names", text):
        return None
    known = [next(iter(tables.rows("characters", char)), {}) for char in text]
    parts = [_part(char, row) for char, row in zip(text, known, strict=True)]
    size, surname = _surname(parts, tables)
    given = parts[size:]
    folded = surname.text + "".join(one.text for one in given)
    toneless = _spaced(surname.toneless, *(one.toneless for one in given))
    other = _spaced(surname.other or surname.toneless, *(one.other or one.toneless for one in given))
    return {
        "raw": text,
        "value": text,
        "key": folded,
        "folded": folded,
        "toned": _spaced(surname.toned, *(one.toned for one in given)),
        "toneless": toneless,
        "alternative": other if other != toneless else None,
        "surname": surname.text if size else None,
        "surname_pinyin": surname.toneless if size else None,
        "given": "".join(one.text for one in given) or None if size else None,
        "given_toneless": _spaced(*(one.toneless for one in given)) or None if size else None,
        "initials": re.sub("([a-z])[a-z0-9]* ?", r"\1", toneless),
        "chars": "".join(sorted(folded)),
        "shape": "".join(row.get("four_corner") or f"z{ord(char):04x}" for char, row in zip(text, known, strict=True)),
        "wildcard": None,
        "skeleton": None if size else _skeleton(toneless) or None,
        "findings": [],
    }


def _part(char: str, row: Mapping[str, str | None]) -> _Part:
    nameless = f"u{ord(char):x}"
    return _Part(
        row.get("folded") or char,
        row.get("toned") or nameless,
        row.get("toneless") or nameless,
        row.get("alternative"),
    )


def _surname(parts: list[_Part], tables: Tables) -> tuple[int, _Part]:
    """How many characters the surname has, 0 for a name without one, and what it is."""
    first, second = (next(iter(tables.rows("surnames", one.text)), {}) for one in parts[:2])
    compound = next(iter(tables.rows("surnames", parts[0].text + parts[1].text)), {})
    if len(parts) >= 3 and compound:
        return 2, replace(_folded(compound, _NOTHING, None), other=None)
    if len(parts) == 4 and not first.get("common"):
        return 0, _NOTHING
    one = _folded(first, parts[0], None if first else parts[0].other)
    if len(parts) == 4 and first.get("common") == second.get("common") == "1":
        two = _folded(second, parts[1], None)
        return 2, _Part(one.text + two.text, f"{one.toned} {two.toned}", f"{one.toneless} {two.toneless}", None)
    return 1, one


def _folded(row: Mapping[str, str | None], otherwise: _Part, other: str | None) -> _Part:
    """A surname as it is folded, where it is known."""
    return _Part(
        row.get("class") or otherwise.text,
        row.get("toned") or otherwise.toned,
        row.get("toneless") or otherwise.toneless,
        row.get("alternative") or other,
    )


def _skeleton(toneless: str) -> str:
    for pattern, by in _SKELETON:
        toneless = re.sub(pattern, by, toneless)
    return toneless.translate(str.maketrans("xqj", "scz"))


def _spaced(*syllables: str) -> str:
    return " ".join(one for one in syllables if one)
