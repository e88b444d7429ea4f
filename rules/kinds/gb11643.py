"""Resident identity numbers by GB 11643-1999: check character, validity, 15 to 18 characters, one lost digit.

A number is 6 digits area + 8 digits birth date + 3 digits sequence (odd male, even female) + 1 check
character by ISO 7064 MOD 11-2. The standard's own examples are 11010519491231002X and 440524188001010014.
The check finds every single substitution and every transposition, so two valid numbers are never one typo
apart. This module is what the demo and explanations use; `citizen_id` computes the same in SQL.
"""

from __future__ import annotations

import re
from datetime import date

WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CHECK_CHARACTERS = "10X98765432"
UNKNOWN = "?"

# Sequence numbers that GB 11643-1989 reserved for people born in the nineteenth century.
CENTENARIANS = frozenset({"996", "997", "998", "999"})


def check_character(body17: str) -> str:
    """The 18th character for the first 17 digits (GB 11643-1999, 4.4; ISO 7064 MOD 11-2)."""
    if not re.fullmatch(r"[0-9]{17}", body17):
        raise ValueError(f"{len(body17)} characters given; the body of an identity number is 17 digits")
    total = sum(int(digit) * weight for digit, weight in zip(body17, WEIGHTS, strict=True))
    return CHECK_CHARACTERS[total % 11]


def birth_date(number: str) -> date | None:
    """The birth date inside an 18- or 15-digit number, None if it is no date."""
    text = number[6:14] if len(number) >= 17 else century(number) + number[6:12]
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def century(number15: str) -> str:
    """The two digits that a 15-digit number leaves out: 19, or 18 for the reserved sequences."""
    return "18" if number15[12:] in CENTENARIANS else "19"


def is_valid(number: str, as_of: date | None = None) -> bool:
    """Whether `number` has 18 characters, the right check character and a date that exists (and is not
    after `as_of`). Nothing is said about the area code: areas come and go."""
    if not re.fullmatch(r"[1-9][0-9]{16}[0-9X]", number) or check_character(number[:17]) != number[17]:
        return False
    born = birth_date(number)
    return born is not None and (as_of is None or born <= as_of)


def upgrade15(number15: str) -> str:
    """The 18-character number that a 15-digit number most likely became: a candidate, never a proof,
    because some people were given another number at the change."""
    if not re.fullmatch(r"[1-9][0-9]{14}", number15):
        raise ValueError("a first-generation number is 15 digits")
    body17 = number15[:6] + century(number15) + number15[6:]
    return body17 + check_character(body17)


def repair_one_unknown(number: str) -> str | None:
    """`number` with its only `?` filled in, None if no character gives a valid number.

    Every weight has an inverse modulo 11, so at most one digit satisfies the check.
    """
    if len(number) != 18 or number.count(UNKNOWN) != 1:
        raise ValueError("exactly one of the 18 characters may be unknown, written '?'")
    characters = "0123456789X" if number.endswith(UNKNOWN) else "0123456789"
    filled = (number.replace(UNKNOWN, character) for character in characters)
    return next((candidate for candidate in filled if is_valid(candidate)), None)
