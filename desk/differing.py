"""Marks the characters in which two values differ."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby


@dataclass(frozen=True)
class Piece:
    """A stretch of a value, and whether the other value has something else there."""

    text: str
    differs: bool


Pieces = tuple[Piece, ...]


def marked(left: str, right: str, shown: tuple[str, str] | None = None) -> tuple[Pieces, Pieces]:
    """Both values in stretches that are equal and stretches that differ.

    `shown` is what stands on the page instead of each (masked): character for character where it is as long as the
    value, else it is compared itself; where a mask hides all that differs, the whole is marked.
    """
    masked = shown or (left, right)
    if left != right and masked[0] == masked[1] and len(masked[0]) != len(left):
        return (Piece(masked[0], True),), (Piece(masked[1], True),)
    if (len(masked[0]), len(masked[1])) != (len(left), len(right)):
        left, right = masked
    flags = _flags(left, right)
    return _stretches(masked[0], flags[0]), _stretches(masked[1], flags[1])


def _flags(left: str, right: str) -> tuple[list[bool], list[bool]]:
    """Of every character whether it differs. Punctuation only says how a value is written and never does."""
    said = tuple([i for i, one in enumerate(text) if one.isalnum()] for text in (left, right))
    flags = ([False] * len(left), [False] * len(right))
    texts = ("".join(left[i] for i in said[0]), "".join(right[i] for i in said[1]))
    for tag, a, b, c, d in SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        if tag != "equal":
            for side, (start, end) in enumerate(((a, b), (c, d))):
                for i in said[side][start:end]:
                    flags[side][i] = True
    return flags


def _stretches(text: str, flags: list[bool]) -> Pieces:
    return tuple(
        Piece("".join(one for one, _ in group), differs)
        for differs, group in groupby(zip(text, flags, strict=True), key=lambda pair: pair[1])
    )
